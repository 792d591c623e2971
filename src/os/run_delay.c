/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run_delay.c - how long this thread has waited for a processor.
 *
 * The kernel says so in /proc only.  The number changes when the thread loses
 * its processor and at no other time, and that the kernel tells without being
 * asked: by restartable sequences (rseq(2)), which glibc registers.  A thread
 * names there the critical section it is in; of one that it is not in, the
 * kernel takes the name away whenever the thread has been switched out (and
 * when a signal comes).  So an empty section's name is left there, and while it
 * is there the number is what it was.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/page.h"
#include "os/process.h"

#if defined(__has_include)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif
#endif

static uint64_t ask_kernel(void)
{
	char text[80], *at;
	ssize_t n;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/schedstat",
			      O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	n = syscall(SYS_read, fd, text, sizeof(text) - 1);
	syscall(SYS_close, fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	at = strchr(text, ' ');		/* time on the processor, time waiting, slices */
	return at ? strtoull(at, NULL, 10) : 0;
}

#ifdef RSEQ_SIG
/* What the kernel reads when it takes the name away. */
struct mark {
	struct rseq_cs	empty;
	uint32_t	signature, abort_at;	/* one before the other, as it wants */
};

/* In memory of its own that stays: this library may go before a thread is switched out. */
static struct mark *mark_page;

static struct mark *make_mark(void)
{
	struct mark *m, *none = NULL;

	m = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		return NULL;
	m->signature = RSEQ_SIG;
	m->empty.start_ip = m->empty.abort_ip = (uintptr_t)&m->abort_at;
	if (!__atomic_compare_exchange_n(&mark_page, &none, m, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		munmap(m, PAGE_SIZE);
		return none;
	}
	return m;
}

/*
 * Linux 6.19 and later need not take the name away of a thread that lost its
 * processor inside a system call: tried once, by sleeping.
 */
static bool is_taken_away(uint64_t *section, const struct mark *m)
{
	static int answer;		/* 0: not known, 1: yes, 2: no */
	const struct timespec soon = { .tv_nsec = 1 };
	int a = __atomic_load_n(&answer, __ATOMIC_RELAXED);

	if (likely(a))
		return a == 1;
	__atomic_store_n(section, (uintptr_t)m, __ATOMIC_RELAXED);
	syscall(SYS_nanosleep, &soon, NULL);
	a = __atomic_load_n(section, __ATOMIC_RELAXED) ? 2 : 1;
	__atomic_store_n(section, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&answer, a, __ATOMIC_RELAXED);
	return a == 1;
}

static struct mark *the_mark(uint64_t *section)
{
	struct mark *m = __atomic_load_n(&mark_page, __ATOMIC_ACQUIRE);

	if (unlikely(!m))
		m = make_mark();
	return m && is_taken_away(section, m) ? m : NULL;
}

/* Where the calling thread names its section; NULL: the kernel does not look. */
static uint64_t *my_section(void)
{
	struct rseq *r = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);

	if (!__rseq_size || (int32_t)__atomic_load_n(&r->cpu_id, __ATOMIC_RELAXED) < 0)
		return NULL;
	return (uint64_t *)(void *)((char *)r + offsetof(struct rseq, rseq_cs));
}

uint64_t os_run_delay_ns(void)
{
	static __thread struct { uint64_t ns; int pid; } last
		__attribute__((tls_model("initial-exec")));
	uint64_t *section = my_section();
	struct mark *m = section ? the_mark(section) : NULL;

	if (!m)
		return ask_kernel();
	/* A forked child has all of this from its parent but the number. */
	if (__atomic_load_n(section, __ATOMIC_RELAXED) == (uintptr_t)m && last.pid == os_pid())
		return last.ns;
	__atomic_store_n(section, (uintptr_t)m, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	last.ns = ask_kernel();
	last.pid = os_pid();
	return last.ns;
}
#else
uint64_t os_run_delay_ns(void)
{
	return ask_kernel();
}
#endif
