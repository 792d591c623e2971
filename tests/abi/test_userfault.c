/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_userfault.c - guest memory that another thread of the VMM supplies by
 * userfaultfd, as an ordinary user may (UFFD_USER_MODE_ONLY): missing pages,
 * pages discarded again, write protection.
 *
 * usage: test_userfault [--verbose]
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "flat_guest.h"
#include "kvm_user.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY	1
#endif

#define MEMORY_GPA	0x200000UL
#define NR_PAGES	16UL
#define SIZE		(NR_PAGES * PAGE)

/* Reads a word of each page and, if R9, writes it back plus one; the sum ends in RAX. */
__asm__(".pushsection .rodata\n"
	"sum_code:	xor %eax, %eax\n"
	"1:		add (%rdi), %rax; test %r9, %r9; jz 2f; incq (%rdi)\n"
	"2:		add $4096, %rdi; dec %rcx; jnz 1b; out %al, $0x10\n"
	"sum_end:	.popsection\n");
extern const char sum_code[], sum_end[];

static struct checks c;

struct monitor {
	int uffd;
	char *memory;
	uint64_t value;			/* what a missing page begins with */
	int holds;			/* supplies nothing */
	unsigned long missing, protected;	/* faults served */
	pthread_t thread;
};

static void serve(struct monitor *m, const struct uffd_msg *msg)
{
	static __thread uint64_t page[PAGE / 8] __attribute__((aligned(4096)));
	uint64_t at = msg->arg.pagefault.address & ~(PAGE - 1);

	while (__atomic_load_n(&m->holds, __ATOMIC_ACQUIRE))
		usleep(1000);
	if (msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
		struct uffdio_writeprotect wp = { .range = { at, PAGE } };

		__atomic_add_fetch(&m->protected, 1, __ATOMIC_RELEASE);
		need(!ioctl(m->uffd, UFFDIO_WRITEPROTECT, &wp), "UFFDIO_WRITEPROTECT");
	} else {
		struct uffdio_copy copy = { .dst = at, .src = (uintptr_t)page, .len = PAGE };

		page[0] = __atomic_load_n(&m->value, __ATOMIC_ACQUIRE);
		__atomic_add_fetch(&m->missing, 1, __ATOMIC_RELEASE);
		need(!ioctl(m->uffd, UFFDIO_COPY, &copy) || errno == EEXIST, "UFFDIO_COPY");
	}
}

static void *watch(void *arg)
{
	struct monitor *m = arg;
	struct uffd_msg msg;

	for (;;) {
		struct pollfd p = { .fd = m->uffd, .events = POLLIN };

		if (poll(&p, 1, -1) < 1)
			continue;
		if (read(m->uffd, &msg, sizeof(msg)) == (ssize_t)sizeof(msg))
			serve(m, &msg);
	}
	return NULL;
}

static void monitor_make(struct monitor *m, char *memory)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	struct uffdio_register reg = { .range = { (uintptr_t)memory, SIZE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING |
					       UFFDIO_REGISTER_MODE_WP };

	m->memory = memory;
	m->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	need(m->uffd >= 0, "userfaultfd (sysctl vm.unprivileged_userfaultfd, seccomp)");
	need(!ioctl(m->uffd, UFFDIO_API, &api), "UFFDIO_API");
	need(!ioctl(m->uffd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER");
	need(!pthread_create(&m->thread, NULL, watch, m), "pthread_create");
}

/* One walk over the memory; the sum of what it read. */
static uint64_t walk(struct flat_guest *g, bool writes)
{
	struct kvm_regs regs = flat_guest_regs(g, sum_code);

	regs.rdi = MEMORY_GPA;
	regs.rcx = NR_PAGES;
	regs.r9 = writes;
	flat_guest_set(g, &regs);
	check(&c, !flat_guest_run(g) && g->run->exit_reason == KVM_EXIT_IO, "the guest ends its walk");
	return flat_guest_get(g).rax;
}

static void faults_are(struct monitor *m, const char *what, unsigned long missing,
		       unsigned long protected)
{
	unsigned long a = __atomic_exchange_n(&m->missing, 0, __ATOMIC_ACQ_REL);
	unsigned long b = __atomic_exchange_n(&m->protected, 0, __ATOMIC_ACQ_REL);

	check(&c, a == missing && b == protected,
	      "%s: %lu missing and %lu protected pages, not %lu and %lu", what, a, b, missing,
	      protected);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* Until the run has ended: one that comes before it is no test. */
struct kicker {
	pthread_t whom;
	int ended;
};

static void *kick(void *arg)
{
	struct kicker *k = arg;

	do {
		usleep(30000);
		pthread_kill(k->whom, SIGUSR1);
	} while (!__atomic_load_n(&k->ended, __ATOMIC_ACQUIRE));
	return NULL;
}

/* A vCPU that waits for a page that nobody supplies: a signal gets it back. */
static void a_signal_ends_the_wait(struct flat_guest *g, struct monitor *m)
{
	const struct sigaction act = { .sa_handler = on_signal };
	struct kicker k = { .whom = pthread_self() };
	struct kvm_regs regs = flat_guest_regs(g, sum_code);
	pthread_t thread;
	long r;

	need(!sigaction(SIGUSR1, &act, NULL), "sigaction");
	regs.rdi = MEMORY_GPA + PAGE;
	regs.rcx = 1;
	for (regs.r9 = 0; regs.r9 < 2; regs.r9++) {
		struct kvm_pre_fault_memory both = { .gpa = MEMORY_GPA, .size = 2 * PAGE };

		need(!madvise(m->memory + PAGE, PAGE, MADV_DONTNEED), "madvise");
		__atomic_store_n(&m->holds, 1, __ATOMIC_RELEASE);
		__atomic_store_n(&k.ended, 0, __ATOMIC_RELEASE);
		flat_guest_set(g, &regs);
		need(!pthread_create(&thread, NULL, kick, &k), "pthread_create");
		check(&c, flat_guest_run(g) == -EINTR && g->run->exit_reason == KVM_EXIT_INTR,
		      "KVM_RUN is interrupted (exit %u)", g->run->exit_reason);
		do	/* a signal may come before the first page */
			r = kvm_ioctlp(g->vcpu, KVM_PRE_FAULT_MEMORY, &both);
		while (r == -EINTR && both.size == 2 * PAGE);
		check(&c, !r && both.size == PAGE && both.gpa == MEMORY_GPA + PAGE,
		      "KVM_PRE_FAULT_MEMORY has got as far as the missing page");
		check(&c, kvm_ioctlp(g->vcpu, KVM_PRE_FAULT_MEMORY, &both) == -EINTR &&
		      both.size == PAGE, "and no further");
		__atomic_store_n(&k.ended, 1, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
		__atomic_store_n(&m->holds, 0, __ATOMIC_RELEASE);
		check(&c, !flat_guest_run(g) && g->run->exit_reason == KVM_EXIT_IO &&
		      flat_guest_get(g).rax == m->value, "and goes on when the page is there");
	}
}

int main(int argc, char **argv)
{
	static struct monitor m;
	struct uffdio_writeprotect wp;
	char *memory = pages(SIZE);
	struct flat_guest g;

	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	flat_guest_make(&g, KVM_X86_DEFAULT_VM, false, sum_code, (size_t)(sum_end - sum_code));
	need(!vm_region(g.vm, 1, 0, MEMORY_GPA, SIZE, memory), "slot 1");
	monitor_make(&m, memory);

	__atomic_store_n(&m.value, 5, __ATOMIC_RELEASE);
	check(&c, walk(&g, false) == 5 * NR_PAGES, "the guest reads what the monitor gives");
	faults_are(&m, "first", NR_PAGES, 0);
	check(&c, walk(&g, true) == 5 * NR_PAGES, "and again");
	faults_are(&m, "second", 0, 0);
	check(&c, walk(&g, false) == 6 * NR_PAGES, "the guest's own writes");

	__atomic_store_n(&m.value, 100, __ATOMIC_RELEASE);
	need(!madvise(memory + 3 * PAGE, 4 * PAGE, MADV_DONTNEED), "madvise");
	check(&c, walk(&g, false) == 6 * (NR_PAGES - 4) + 400, "four pages are given anew");
	faults_are(&m, "discarded", 4, 0);

	wp = (struct uffdio_writeprotect){ .range = { (uintptr_t)memory, 6 * PAGE },
					   .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	need(!ioctl(m.uffd, UFFDIO_WRITEPROTECT, &wp), "UFFDIO_WRITEPROTECT");
	check(&c, walk(&g, false) == 6 * (NR_PAGES - 4) + 400, "protected pages can be read");
	faults_are(&m, "protected, read", 0, 0);
	check(&c, walk(&g, true) == 6 * (NR_PAGES - 4) + 400, "and written, when the monitor lets it");
	faults_are(&m, "protected, written", 0, 6);
	check(&c, walk(&g, false) == 7 * (NR_PAGES - 4) + 404, "nothing is lost");
	/* Who waits for a page calls no libc: under TSan no signal would reach it. */
	if (!USER_UNDER_TSAN)
		a_signal_ends_the_wait(&g, &m);
	flat_guest_free(&g);
	return checks_end(&c);
}
