/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/macros.h"
#include "os/file.h"
#include "os/uaccess.h"
#include "preload/front.h"
#include "preload/real.h"

/* No file of anybody else's is unlinked and has this mode; the name then decides. */
#define FOLDER_MODE	01555

/* The program has had a descriptor of a folder of ours. */
static atomic32_t has_been_open;

bool dir_add(struct dir_entries *e, const char *name, ino_t ino, unsigned char type)
{
	size_t n = ALIGN_UP(offsetof(struct dirent64, d_name) + strlen(name) + 1, 8);
	struct dirent64 *d;

	if (e->size + n > e->room) {
		size_t room = MAX(2 * e->room, e->size + n + 1024);
		char *more = realloc(e->bytes, room);

		if (!more)
			return false;
		e->bytes = more;
		e->room = room;
	}
	memset(e->bytes + e->size, 0, n);
	d = (struct dirent64 *)(e->bytes + e->size);
	e->size += n;
	d->d_ino = ino;
	d->d_off = (off64_t)e->size;
	d->d_reclen = (unsigned short)n;
	d->d_type = type;
	memcpy(d->d_name, name, strlen(name) + 1);
	return true;
}

void dir_entries_free(struct dir_entries *e)
{
	free(e->bytes);
	*e = (struct dir_entries){ .bytes = NULL };
}

int dir_open(const struct path_place *p, const struct dir_entries *e, int flags)
{
	char name[200];
	int fd;

	snprintf(name, sizeof(name), PATH_FOLDER_PREFIX "%s", p->text);
	fd = memfd_create(name, flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	if (fd < 0)
		return -errno;
	if (real()->write(fd, e->bytes, e->size) != (ssize_t)e->size ||
	    real()->fchmod(fd, FOLDER_MODE) || real()->lseek(fd, 0, SEEK_SET)) {
		real()->close(fd);
		return -EIO;
	}
	/* So that it cannot be written; where /proc is not there it stays as it is. */
	(void)!os_reopen(fd, O_RDONLY | (flags & O_CLOEXEC));
	atomic32_store(&has_been_open, 1);
	return fd;
}

bool dir_is_ours(int fd, const struct stat *st)
{
	char link[40], name[64];
	ssize_t n;

	if (likely(!S_ISREG(st->st_mode) || st->st_nlink || (st->st_mode & 07777) != FOLDER_MODE))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = real()->readlink(link, name, sizeof(name) - 1);
	name[MAX(n, 0)] = '\0';
	return !strncmp(name, "/memfd:" PATH_FOLDER_PREFIX, strlen("/memfd:" PATH_FOLDER_PREFIX));
}

bool dir_is_suspect(int dirfd, const char *path)
{
	struct stat st;
	uint8_t c;

	if (path_is_suspect(path))
		return true;
	if (likely(!atomic32_load_relaxed(&has_been_open)) || dirfd < 0)
		return false;
	return os_load8(path, &c) && c && c != '/' && !os_fstat(dirfd, &st) && dir_is_ours(dirfd, &st);
}
