/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * prefault.c - KVM_PRE_FAULT_MEMORY of private memory in 4K pages: an ordinary
 * KVM program, to be run under `softcvm exec` (tools/bench-report does).
 *
 * usage: prefault [--json] [--runs N] [--count-calls N]
 *
 * guest_memfd is allocated beforehand, so what is measured is KVM's own work:
 * attribute, slot, page, entry.  --count-calls only maps N times, for a tracer
 * that counts what system calls that takes.
 *
 * Two threads can only gain what the machine has: beside each run two threads
 * that share nothing are measured, and the goal is judged by the runs in which
 * those do gain (all runs, when there is none).
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/report.h"
#include "tests/abi/kvm_user.h"

#define SIZE		(1UL << 30)
#define NR_PAGES	(SIZE / PAGE)
#define NR_VCPUS	2

struct vm {
	int kvm, fd, gmem, vcpu[NR_VCPUS];
};

static void vm_begin(struct vm *vm)
{
	void *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	need(shared != MAP_FAILED, "mmap");
	vm->kvm = kvm_open();
	vm->fd = vm_make(vm->kvm, KVM_X86_SW_PROTECTED_VM);
	vm->gmem = (int)vm_gmem(vm->fd, SIZE, 0);
	need(vm->gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	need(!fallocate(vm->gmem, FALLOC_FL_KEEP_SIZE, 0, SIZE), "fallocate");
	need(!vm_region_gmem(vm->fd, 0, 0, SIZE, shared, vm->gmem, 0), "a slot");
	for (int i = 0; i < NR_VCPUS; i++) {
		vm->vcpu[i] = ioctl(vm->fd, KVM_CREATE_VCPU, i);
		need(vm->vcpu[i] >= 0, "KVM_CREATE_VCPU");
	}
}

/* Nothing is mapped, everything is private. */
static void vm_empty(const struct vm *vm)
{
	need(!vm_attributes(vm->fd, 0, SIZE, 0), "to shared");
	need(!vm_attributes(vm->fd, 0, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "to private");
}

static void prefault(int vcpu, uint64_t gpa, uint64_t size)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = size };

	while (range.size)
		need(!ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &range), "KVM_PRE_FAULT_MEMORY at %#llx",
		     (unsigned long long)range.gpa);
}

struct half {
	pthread_t thread;
	pthread_barrier_t *start;
	int vcpu;
	unsigned n;
	double cpu, began, ended;
};

static void *do_half(void *arg)
{
	struct half *h = arg;
	double before;

	pin_to(h->n);
	/* The first call of a thread registers it. */
	prefault(h->vcpu, h->n * SIZE / 2, PAGE);
	pthread_barrier_wait(h->start);
	h->began = now_ns();
	before = cpu_ns();
	prefault(h->vcpu, h->n * SIZE / 2, SIZE / 2);
	h->cpu = cpu_ns() - before;
	h->ended = now_ns();
	return NULL;
}

/* ns for all of it: by the clock, and by the slower one's processor time. */
static void two_threads(const struct vm *vm, double *wall, double *cpu)
{
	struct half half[2];
	pthread_barrier_t start;

	pthread_barrier_init(&start, NULL, 2);
	for (unsigned n = 0; n < 2; n++) {
		half[n] = (struct half){ .start = &start, .vcpu = vm->vcpu[n], .n = n };
		need(!pthread_create(&half[n].thread, NULL, do_half, &half[n]), "pthread_create");
	}
	for (unsigned n = 0; n < 2; n++)
		pthread_join(half[n].thread, NULL);
	pthread_barrier_destroy(&start);
	*cpu = half[0].cpu > half[1].cpu ? half[0].cpu : half[1].cpu;
	*wall = (half[0].ended > half[1].ended ? half[0].ended : half[1].ended) -
		(half[0].began < half[1].began ? half[0].began : half[1].began);
}

/* ---- can this machine do two things at a time? ---- */

/* Nothing but additions: six independent ones a turn, no memory. */
static void *additions(void *arg)
{
	struct half *h = arg;
	uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0;

	pin_to(h->n);
	if (h->start)
		pthread_barrier_wait(h->start);
	h->cpu = cpu_ns();
	for (int i = 0; i < 20000000; i++)
		__asm__ volatile("inc %0; inc %1; inc %2; inc %3; inc %4; inc %5"
				 : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	h->cpu = cpu_ns() - h->cpu;
	return NULL;
}

/*
 * What two threads that share nothing gain.  Two processors that are one core
 * of the host's get no more done than one, and we cannot tell otherwise.
 */
static double machine_speedup(void)
{
	struct half one = { .n = 0 }, two[2];
	pthread_barrier_t start;

	additions(&one);
	pthread_barrier_init(&start, NULL, 2);
	for (unsigned n = 0; n < 2; n++) {
		two[n] = (struct half){ .start = &start, .n = n };
		need(!pthread_create(&two[n].thread, NULL, additions, &two[n]), "pthread_create");
	}
	for (unsigned n = 0; n < 2; n++)
		pthread_join(two[n].thread, NULL);
	pthread_barrier_destroy(&start);
	return 2 * one.cpu / (two[0].cpu > two[1].cpu ? two[0].cpu : two[1].cpu);
}

static void measure(struct report *r, const struct vm *vm)
{
	struct series one = { 0 }, two = { 0 }, scale = { 0 }, scale_wall = { 0 };
	struct series machine = { 0 }, judged = { 0 };

	for (int run = 0; run < r->runs; run++) {
		double wall, wall2, cpu, cpu2, before = machine_speedup(), after;

		vm_empty(vm);
		wall = now_ns();
		cpu = cpu_ns();
		prefault(vm->vcpu[0], 0, SIZE);
		cpu = cpu_ns() - cpu;
		wall = now_ns() - wall;
		vm_empty(vm);
		two_threads(vm, &wall2, &cpu2);
		after = machine_speedup();
		series_add(&machine, before < after ? before : after);
		if (before >= 1.9 && after >= 1.9)
			series_add(&judged, cpu / cpu2);
		series_add(&one, cpu / NR_PAGES);
		series_add(&two, cpu2 / NR_PAGES);
		series_add(&scale, cpu / cpu2);
		series_add(&scale_wall, wall / wall2);
	}
	report_series(r, "one_thread", "one thread, a page", "ns", &one);
	report_series(r, "two_threads", "two threads, the slower's half, a page of all", "ns", &two);
	report_series(r, "speedup_wall", "two threads by the clock (wants an idle machine)", "times",
		      &scale_wall);
	report_series(r, "speedup_cpu", "two threads by processor time", "times", &scale);
	report_series(r, "speedup_machine", "two threads that share nothing, by processor time", "times",
		      &machine);
	report_value(r, "judged", "runs in which those gained 1.9 times", "runs", (double)judged.n);
	if (!judged.n)
		report_say(r, "  these processors are one core: what follows says nothing about us");
	report_goal(r, "page", "a page", series_median(&one), AT_MOST, 150, "ns");
	report_goal(r, "speedup", "two threads on different ranges, of one", series_median(judged.n ? &judged : &scale),
		    AT_LEAST, 1.8, "times");
}

int main(int argc, char **argv)
{
	struct report r;
	struct vm vm;

	if (argc == 3 && !strcmp(argv[1], "--count-calls")) {
		vm_begin(&vm);
		for (int i = atoi(argv[2]); i > 0; i--) {
			vm_empty(&vm);
			prefault(vm.vcpu[0], 0, SIZE);
		}
		return 0;
	}
	report_begin(&r, "prefault", "KVM_PRE_FAULT_MEMORY of 1 GiB of allocated private memory.", 15,
		     &argc, argv);
	vm_begin(&vm);
	pin_to(0);
	measure(&r, &vm);
	return report_end(&r);
}
