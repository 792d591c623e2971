/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int os_fstat(int fd, struct stat *st)
{
	/* struct stat is the kernel's own on x86-64. */
	return syscall(SYS_fstat, fd, st) ? -errno : 0;
}

void os_close(int fd)
{
	syscall(SYS_close, fd);
}

int os_fallocate(int fd, int mode, int64_t offset, int64_t len)
{
	return syscall(SYS_fallocate, fd, mode, offset, len) ? -errno : 0;
}

#define HELD_FROM	512	/* numbers that programs seldom count on */

/* The kernel says it in one place only; a file of /proc is read at once. */
int os_eventfd_id(int fd, uint64_t *id)
{
	char path[40], text[512];
	const char *at;
	long info, n;

	if (syscall(SYS_fcntl, fd, F_GETFD) < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -EINVAL;
	n = syscall(SYS_read, info, text, sizeof(text) - 1);
	os_close((int)info);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "eventfd-id:");
	if (!at)
		return -EINVAL;
	*id = strtoull(at + strlen("eventfd-id:"), NULL, 10);
	return 0;
}

int os_eventfd_hold(int fd, uint64_t *id)
{
	int r = os_eventfd_id(fd, id);
	long held;

	if (r)
		return r;
	held = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HELD_FROM);
	if (held < 0)
		held = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);
	return held < 0 ? -errno : (int)held;
}

static int move_up(long fd)
{
	long high = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HELD_FROM);

	return high < 0 ? -errno : (int)high;
}

int os_open_for_lines(const char *path)
{
	long fd;
	int r;

	if (!path)
		return move_up(STDERR_FILENO);
	fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	r = move_up(fd);
	if (r < 0)
		return (int)fd;
	os_close((int)fd);
	return r;
}

size_t os_write_all(int fd, const void *p, size_t n, int *err)
{
	for (size_t done = 0; done < n; ) {
		long r = syscall(SYS_write, fd, (const char *)p + done, n - done);

		if (r > 0)
			done += (size_t)r;
		else if (r == 0 || (errno != EINTR && errno != EAGAIN)) {
			*err = r ? errno : EIO;
			return n - done;
		}
	}
	return 0;
}

void os_eventfd_signal(int held)
{
	uint64_t one = 1;

	syscall(SYS_write, held, &one, sizeof(one));
}

/* Somebody else may have read it: so not to wait. */
void os_eventfd_drain(int held)
{
	struct pollfd p = { .fd = held, .events = POLLIN };
	struct timespec now = { 0 };
	uint64_t count;

	if (syscall(SYS_ppoll, &p, 1, &now, NULL, 0) == 1)
		(void)!syscall(SYS_read, held, &count, sizeof(count));
}

/* The same for one of our own: it stays where it is when there is no room above. */
static int moved_up(long fd)
{
	int high = fd < 0 ? -1 : move_up(fd);

	if (high < 0)
		return (int)fd;
	os_close((int)fd);
	return high;
}

struct os_poll {
	int	epoll, stop;
	uint64_t stop_id;
};

struct os_poll *os_poll_create(uint64_t stop_id)
{
	struct os_poll *p = malloc(sizeof(*p));

	if (!p)
		return NULL;
	p->stop_id = stop_id;
	p->epoll = moved_up(syscall(SYS_epoll_create1, EPOLL_CLOEXEC));
	p->stop = moved_up(syscall(SYS_eventfd2, 0, EFD_CLOEXEC));
	if (p->epoll >= 0 && p->stop >= 0 && !os_poll_add(p, p->stop, stop_id))
		return p;
	os_poll_destroy(p);
	return NULL;
}

void os_poll_destroy(struct os_poll *p)
{
	if (!p)
		return;
	if (p->epoll >= 0)
		os_close(p->epoll);
	if (p->stop >= 0)
		os_close(p->stop);
	free(p);
}

int os_poll_add(struct os_poll *p, int fd, uint64_t id)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = id };

	return syscall(SYS_epoll_ctl, p->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

void os_poll_remove(struct os_poll *p, int fd)
{
	syscall(SYS_epoll_ctl, p->epoll, EPOLL_CTL_DEL, fd, NULL);
}

uint64_t os_poll_wait(struct os_poll *p)
{
	struct epoll_event e;

	while (syscall(SYS_epoll_pwait, p->epoll, &e, 1, -1, NULL, 0) != 1)
		;
	return e.data.u64;
}

void os_poll_stop(struct os_poll *p)
{
	os_eventfd_signal(p->stop);
}

bool os_reopen(int fd, int flags)
{
	char path[40];
	long again;
	bool done;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = syscall(SYS_openat, AT_FDCWD, path, flags);
	if (again < 0)
		return false;
	done = syscall(SYS_dup3, again, fd, flags & O_CLOEXEC) == fd;
	os_close((int)again);
	return done;
}
