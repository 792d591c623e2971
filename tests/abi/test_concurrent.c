/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_concurrent.c - what one thread's ioctl does to a guest that another
 * thread runs: once it has returned, the guest uses the old memory no more.
 * Facts: kvm.md 1.0.1, 1.2, 1.7, 6.3.
 *
 * usage: test_concurrent [--verbose]
 *
 * A guest counts in a page for ever; the page is taken away under it in every
 * way there is.  What needs private memory runs where there is such a VM type.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check_libc.h"
#include "flat_guest.h"
#include "kvm_user.h"

#define COUNTER_GPA	0x200000UL	/* slot 1, one page */
#define START		(1ULL << 40)	/* where the guest begins to count */

__asm__(".pushsection .rodata\n"
	"count_code:	mov %rax, (%rdi); out %al, $0x10\n"
	"1:		incq (%rdi); mov (%rdi), %rax; jmp 1b\n"
	"count_end:	.popsection\n");
extern const char count_code[], count_end[];

/* For what must come, and comes late on a machine with much to do. */
#define PATIENCE_MS	60000

/* A guest and the thread that runs it until something other than EINTR comes. */
struct runner {
	struct flat_guest g;
	pthread_t thread;
	int begun;			/* the thread can be kicked */
	long result;
	volatile uint64_t *counter;	/* the VMM's side of the page */
	int gmem;
	/* A fault that an attribute change overtakes is a mismatch, as in the kernel: run again. */
	bool again_on_memory_fault;
};

static struct checks c;
static __thread struct kvm_run *my_run;

static void pause_ms(int ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000L };

	nanosleep(&t, NULL);
}

/* Whether the signal comes before or within KVM_RUN, this ends it. */
static void kick(int sig)
{
	(void)sig;
	if (my_run)
		my_run->immediate_exit = 1;
}

static bool is_memory_fault(const struct runner *r)
{
	return r->result == -EFAULT && r->g.run->exit_reason == KVM_EXIT_MEMORY_FAULT;
}

static void *run_thread(void *arg)
{
	struct runner *r = arg;

	my_run = r->g.run;
	__atomic_store_n(&r->begun, 1, __ATOMIC_RELEASE);
	do {
		r->result = flat_guest_run(&r->g);
	} while (r->again_on_memory_fault && is_memory_fault(r));
	return NULL;
}

static void runner_start(struct runner *r)
{
	r->g.run->immediate_exit = 0;
	__atomic_store_n(&r->begun, 0, __ATOMIC_RELAXED);
	need(!pthread_create(&r->thread, NULL, run_thread, r), "pthread_create");
	while (!__atomic_load_n(&r->begun, __ATOMIC_ACQUIRE))
		pause_ms(1);
}

/* Waits for the run to end by itself. */
static long runner_join(struct runner *r)
{
	need(!pthread_join(r->thread, NULL), "pthread_join");
	return r->result;
}

static long runner_kick(struct runner *r)
{
	pthread_kill(r->thread, SIGUSR1);
	return runner_join(r);
}

static bool is_counting(const struct runner *r)
{
	uint64_t before = *r->counter;

	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		if (*r->counter != before)
			return true;
		pause_ms(1);
	}
	return false;
}

static bool stands_still(const struct runner *r)
{
	uint64_t before = *r->counter;

	pause_ms(30);
	return *r->counter == before;
}

/* @gmem_size 0: slot 1 has a shared side only. */
static void runner_make(struct runner *r, unsigned long type, uint64_t gmem_size)
{
	memset(r, 0, sizeof(*r));
	flat_guest_make(&r->g, type, true, count_code, (size_t)(count_end - count_code));
	r->counter = pages(PAGE);
	r->gmem = -1;
	if (gmem_size) {
		r->gmem = (int)vm_gmem(r->g.vm, gmem_size, 0);
		need(r->gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
		need(!vm_region_gmem(r->g.vm, 1, COUNTER_GPA, PAGE, (void *)r->counter, r->gmem, 0),
		     "slot 1");
	} else {
		need(!vm_region(r->g.vm, 1, 0, COUNTER_GPA, PAGE, (void *)r->counter), "slot 1");
	}
}

/* The guest writes START where it counts, and stops there. */
static void runner_begin(struct runner *r)
{
	struct kvm_regs regs = flat_guest_regs(&r->g, count_code);

	regs.rax = START;
	regs.rdi = COUNTER_GPA;
	flat_guest_set(&r->g, &regs);
	r->g.run->immediate_exit = 0;
	need(!flat_guest_run(&r->g) && r->g.run->exit_reason == KVM_EXIT_IO, "a guest that begins");
}

static void runner_free(struct runner *r)
{
	if (r->gmem >= 0)
		close(r->gmem);
	flat_guest_free(&r->g);
	munmap((void *)r->counter, PAGE);
}

static void *get_regs(void *arg)
{
	struct runner *r = arg;

	(void)flat_guest_get(&r->g);
	__atomic_store_n(&r->gmem, 77, __ATOMIC_RELEASE);
	return NULL;
}

/* A vCPU's ioctls wait for one another: no EBUSY, no answer from the middle of a run. */
static void one_at_a_time(void)
{
	struct runner r;
	pthread_t other;

	runner_make(&r, KVM_X86_DEFAULT_VM, 0);
	runner_begin(&r);
	runner_start(&r);
	IS(true, is_counting(&r));
	need(!pthread_create(&other, NULL, get_regs, &r), "pthread_create");
	pause_ms(50);
	IS(-1, __atomic_load_n(&r.gmem, __ATOMIC_ACQUIRE));
	IS(-EINTR, runner_kick(&r));
	pthread_join(other, NULL);
	IS(77, r.gmem);
	r.gmem = -1;
	runner_free(&r);
}

static void slot_deleted(void)
{
	struct runner r;

	runner_make(&r, KVM_X86_DEFAULT_VM, 0);
	runner_begin(&r);
	runner_start(&r);
	IS(true, is_counting(&r));
	IS(0, vm_region(r.g.vm, 1, 0, 0, 0, NULL));
	IS(true, stands_still(&r));
	IS(0, runner_join(&r));
	IS(KVM_EXIT_MMIO, r.g.run->exit_reason);
	IS(COUNTER_GPA, r.g.run->mmio.phys_addr);
	IS(8, r.g.run->mmio.len);
	runner_free(&r);
}

static void slot_moved(void)
{
	struct runner r;

	runner_make(&r, KVM_X86_DEFAULT_VM, 0);
	runner_begin(&r);
	runner_start(&r);
	IS(true, is_counting(&r));
	IS(0, vm_region(r.g.vm, 1, 0, COUNTER_GPA + 16 * PAGE, PAGE, (void *)r.counter));
	IS(true, stands_still(&r));
	IS(0, runner_join(&r));
	IS(KVM_EXIT_MMIO, r.g.run->exit_reason);
	runner_free(&r);
}

/* The VMM's page makes way for an empty one: the guest goes on there, from 0. */
static void memory_replaced(void)
{
	struct runner r;

	runner_make(&r, KVM_X86_DEFAULT_VM, 0);
	for (int i = 0; i < 4; i++) {
		runner_begin(&r);
		runner_start(&r);
		IS(true, is_counting(&r));
		IS(true, *r.counter >= START);
		if (i % 2) {
			need(!madvise((void *)r.counter, PAGE, MADV_DONTNEED), "madvise");
		} else {
			void *p = mmap((void *)r.counter, PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

			need(p == (void *)r.counter, "mmap");
		}
		IS(true, *r.counter < START);
		IS(true, is_counting(&r));
		IS(true, *r.counter < START);
		IS(-EINTR, runner_kick(&r));
	}
	runner_free(&r);
}

/* Made private without a private side: the exit says so, and made shared it goes on. */
static void made_private(void)
{
	struct runner r;

	runner_make(&r, KVM_X86_SW_PROTECTED_VM, 0);
	runner_begin(&r);
	for (int i = 0; i < 3; i++) {
		runner_start(&r);
		IS(true, is_counting(&r));
		IS(0, vm_attributes(r.g.vm, COUNTER_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE));
		IS(true, stands_still(&r));
		IS(-EFAULT, runner_join(&r));
		/* The change overtook a shared fault: the next one is private. */
		if (is_memory_fault(&r) && !r.g.run->memory_fault.flags) {
			runner_start(&r);
			IS(-EFAULT, runner_join(&r));
		}
		IS(KVM_EXIT_MEMORY_FAULT, r.g.run->exit_reason);
		IS(KVM_MEMORY_EXIT_FLAG_PRIVATE, r.g.run->memory_fault.flags);
		IS(COUNTER_GPA, r.g.run->memory_fault.gpa);
		IS(PAGE, r.g.run->memory_fault.size);
		IS(0, vm_attributes(r.g.vm, COUNTER_GPA, PAGE, 0));
	}
	IS(true, *r.counter > START);
	runner_free(&r);
}

/* With both sides, the guest counts on whichever the attribute names. */
static void converted(void)
{
	struct runner r;

	runner_make(&r, KVM_X86_SW_PROTECTED_VM, PAGE);
	r.again_on_memory_fault = true;
	runner_begin(&r);
	runner_start(&r);
	IS(true, is_counting(&r));
	for (int i = 0; i < 5; i++) {
		IS(0, vm_attributes(r.g.vm, COUNTER_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE));
		IS(true, stands_still(&r));
		IS(0, vm_attributes(r.g.vm, COUNTER_GPA, PAGE, 0));
		IS(true, is_counting(&r));
	}
	IS(-EINTR, runner_kick(&r));
	runner_free(&r);
}

/*
 * The guest runs for a moment, again and again until what it has read last is of
 * the new page: a kick may come before it has run at all.
 */
static bool counts_from_zero(struct runner *r)
{
	for (int ms = 0; ms < PATIENCE_MS; ms += 5) {
		runner_start(r);
		pause_ms(5);
		IS(-EINTR, runner_kick(r));
		if (flat_guest_get(&r->g).rax < START)
			return true;
	}
	return false;
}

/* A hole punched under the guest: it finds zeroes, not the old page. */
static void punched(void)
{
	struct runner r;

	runner_make(&r, KVM_X86_SW_PROTECTED_VM, PAGE);
	IS(0, vm_attributes(r.g.vm, COUNTER_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE));
	for (int i = 0; i < 5; i++) {
		runner_begin(&r);
		runner_start(&r);
		pause_ms(20);
		IS(0, fallocate(r.gmem, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, PAGE));
		pause_ms(20);
		IS(-EINTR, runner_kick(&r));
		if (!check(&c, counts_from_zero(&r), "after the hole the guest counts from 0"))
			break;
	}
	IS(0, *r.counter);
	runner_free(&r);
}

/* The file closed under the guest: its private side is gone for good. */
static void closed(void)
{
	struct runner r;

	runner_make(&r, KVM_X86_SW_PROTECTED_VM, PAGE);
	IS(0, vm_attributes(r.g.vm, COUNTER_GPA, PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE));
	runner_begin(&r);
	runner_start(&r);
	pause_ms(20);
	close(r.gmem);
	r.gmem = -1;
	IS(-EFAULT, runner_join(&r));
	IS(KVM_EXIT_MEMORY_FAULT, r.g.run->exit_reason);
	IS(KVM_MEMORY_EXIT_FLAG_PRIVATE, r.g.run->memory_fault.flags);
	IS(COUNTER_GPA, r.g.run->memory_fault.gpa);
	runner_free(&r);
}

int main(int argc, char **argv)
{
	const struct sigaction kicked = { .sa_handler = kick };
	int kvm = kvm_open();
	long types = kvm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);

	c.verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	close(kvm);
	need(!sigaction(SIGUSR1, &kicked, NULL), "sigaction");
	one_at_a_time();
	slot_deleted();
	slot_moved();
	memory_replaced();
	if (types & 1 << KVM_X86_SW_PROTECTED_VM) {
		made_private();
		converted();
		punched();
		closed();
	}
	return checks_end(&c);
}
