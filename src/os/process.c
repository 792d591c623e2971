/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/page.h"

/*
 * A page that the kernel zeroes in a forked child: whoever finds 0 in it asks
 * again.  NULL until the first call, or where the kernel cannot wipe.
 */
static int *pid_page;

static int *make_pid_page(void)
{
	int *none = NULL;
	int *p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (madvise(p, PAGE_SIZE, MADV_WIPEONFORK) ||
	    !__atomic_compare_exchange_n(&pid_page, &none, p, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		munmap(p, PAGE_SIZE);
		return none;	/* whoever was faster, or nobody */
	}
	return p;
}

int os_pid(void)
{
	int *page = __atomic_load_n(&pid_page, __ATOMIC_ACQUIRE);
	int pid;

	if (unlikely(!page))
		page = make_pid_page();
	pid = page ? __atomic_load_n(page, __ATOMIC_RELAXED) : 0;
	if (unlikely(!pid)) {
		pid = getpid();
		if (page)
			__atomic_store_n(page, pid, __ATOMIC_RELAXED);
	}
	return pid;
}

/* The front end asks before ThreadSanitizer has begun: not instrumented. */
__attribute__((no_sanitize("thread"))) int os_tid(void)
{
	return (int)syscall(SYS_gettid);
}

unsigned os_cpu_now(void)
{
	int cpu = sched_getcpu();

	return cpu < 0 ? 0 : (unsigned)cpu;
}

void os_thread_name(int tid, char *out, size_t size)
{
	char path[48];
	long fd, n;

	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : syscall(SYS_read, fd, out, size - 1);
	if (fd >= 0)
		syscall(SYS_close, fd);
	if (n <= 0) {
		snprintf(out, size, "<...>");
		return;
	}
	out[n] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

bool os_has_capability(unsigned nr)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return !syscall(SYS_capget, &head, data) && (data[nr / 32].effective >> (nr % 32) & 1);
}

unsigned os_nr_cpus(void)
{
	/* The kernel refuses a set that is too small for its processors. */
	for (int max = 1024; max <= 1 << 20; max *= 2) {
		cpu_set_t *set = CPU_ALLOC(max);
		size_t size = CPU_ALLOC_SIZE(max);
		int nr = 0;
		int err;

		if (!set)
			break;
		err = sched_getaffinity(0, size, set) ? errno : 0;
		if (!err)
			nr = CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (nr > 0)
			return (unsigned)nr;
		if (err != EINVAL)
			break;
	}
	return 1;
}

bool os_signal_pending(uint64_t allowed)
{
	uint64_t pending = 0;

	syscall(SYS_rt_sigpending, &pending, sizeof(pending));
	return pending & allowed;
}

void os_futex_wait(const uint32_t *word, uint32_t expected, uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, ns ? &ts : NULL, NULL, 0);
}

void os_futex_wake(const uint32_t *word, int nr)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
}

void os_yield(void)
{
	sched_yield();
}

/* signal(7), "Interruption of system calls and library functions by stop signals". */
bool os_wait_resumed(void)
{
	static const uint64_t no_signal;

	return syscall(SYS_rt_sigtimedwait, &no_signal, NULL, NULL, sizeof(no_signal)) < 0 &&
	       errno == EINTR;
}
