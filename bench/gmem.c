/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem.c - first touches of a guest_memfd that the VMM maps, by the VMM and by
 * the guest, beside what had to do without: a memfd, and private pages.  An
 * ordinary KVM program, to be run under `softcvm exec --kernel-abi 6.18`
 * (tools/bench-report does).
 *
 * usage: gmem [--json] [--runs N]
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/report.h"
#include "tests/abi/kvm_user.h"

#define SIZE		(64UL << 20)
#define NR_PAGES	(SIZE / PAGE)
#define BOTH		(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define PUNCH		(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)

struct vm {
	int	fd, gmem, vcpu;
	void	*shared;	/* what the slot has beside the file */
};

static void vm_begin(struct vm *vm, int kvm, unsigned type, uint64_t flags)
{
	vm->fd = vm_make(kvm, type);
	vm->gmem = (int)vm_gmem(vm->fd, SIZE, flags);
	need(vm->gmem >= 0, "KVM_CREATE_GUEST_MEMFD");
	need(!fallocate(vm->gmem, FALLOC_FL_KEEP_SIZE, 0, SIZE), "fallocate");
	vm->shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	need(vm->shared != MAP_FAILED, "mmap");
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	need(vm->vcpu >= 0, "KVM_CREATE_VCPU");
	need(!type || !vm_attributes(vm->fd, 0, SIZE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "to private");
}

static void prefault(int vcpu, uint64_t gpa, uint64_t size)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = size };

	while (range.size)
		need(!ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &range), "KVM_PRE_FAULT_MEMORY at %#llx",
		     (unsigned long long)range.gpa);
}

/* Nothing is mapped at first; the pages of the file are there. */
static double fault_ns(const struct vm *vm)
{
	double ns;

	need(!vm_region_gmem(vm->fd, 0, 0, SIZE, vm->shared, vm->gmem, 0), "a slot");
	prefault(vm->vcpu, 0, PAGE);
	ns = cpu_ns();
	prefault(vm->vcpu, 0, SIZE);
	ns = cpu_ns() - ns;
	need(!vm_region(vm->fd, 0, 0, 0, 0, NULL), "the slot goes");
	return ns / NR_PAGES;
}

/* The file has no page at first. */
static double touch_ns(int fd)
{
	volatile char *p;
	double ns;

	need(!fallocate(fd, PUNCH, 0, SIZE), "fallocate");
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(p != MAP_FAILED, "mmap");
	ns = cpu_ns();
	for (size_t i = 0; i < SIZE; i += PAGE)
		p[i] = 1;
	ns = cpu_ns() - ns;
	munmap((void *)p, SIZE);
	return ns / NR_PAGES;
}

static void measure(struct report *r, int kvm)
{
	struct series touch = { 0 }, rival = { 0 }, guest = { 0 }, alone = { 0 }, private = { 0 };
	struct series touch_times = { 0 }, guest_times = { 0 }, alone_times = { 0 };
	struct vm shared, mapped, plain;
	int fd = memfd_create("rival", MFD_CLOEXEC);

	need(fd >= 0 && !ftruncate(fd, SIZE), "memfd_create");
	vm_begin(&shared, kvm, 0, BOTH);
	vm_begin(&mapped, kvm, KVM_X86_SW_PROTECTED_VM, GUEST_MEMFD_FLAG_MMAP);
	vm_begin(&plain, kvm, KVM_X86_SW_PROTECTED_VM, 0);
	for (int run = 0; run < r->runs; run++) {
		double p = fault_ns(&plain), m = fault_ns(&mapped), s = fault_ns(&shared);
		double f = touch_ns(fd), t = touch_ns(shared.gmem);

		series_add(&private, p);
		series_add(&alone, m);
		series_add(&guest, s);
		series_add(&rival, f);
		series_add(&touch, t);
		series_add(&touch_times, t / f);
		series_add(&guest_times, s / p);
		series_add(&alone_times, m / p);
	}
	report_series(r, "touch", "the VMM's first touch, a page", "ns", &touch);
	report_series(r, "touch_memfd", "the same of a memfd", "ns", &rival);
	report_series(r, "fault", "the guest's fault, a page", "ns", &guest);
	report_series(r, "fault_mmap", "the same, MMAP without INIT_SHARED, private", "ns", &alone);
	report_series(r, "fault_private", "the same, file without flags, private", "ns", &private);
	report_goal(r, "touch.of_memfd", "the VMM's touch", series_median(&touch_times), AT_MOST, 1.1,
		    "times");
	report_goal(r, "fault.of_private", "the guest's fault", series_median(&guest_times), AT_MOST, 1.1,
		    "times");
	report_goal(r, "fault_mmap.of_private", "the same, MMAP alone", series_median(&alone_times),
		    AT_MOST, 1.1, "times");
	series_free(&touch);
	series_free(&rival);
	series_free(&guest);
	series_free(&alone);
	series_free(&private);
	series_free(&touch_times);
	series_free(&guest_times);
	series_free(&alone_times);
}

int main(int argc, char **argv)
{
	struct report r;

	report_begin(&r, "gmem", "First touches of 64 MiB of guest_memfd, by 4K.", 15, &argc, argv);
	pin_to(0);
	measure(&r, kvm_open());
	return report_end(&r);
}
