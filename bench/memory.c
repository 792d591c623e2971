/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * memory.c - conversions, zaps, and what page tables cost: an ordinary KVM
 * program, to be run under `softcvm exec`.
 *
 * usage: memory [--json] [--runs N]
 *
 * Times are the calling thread's own: nobody waits here, but the machine may
 * have others to serve.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/report.h"
#include "tests/abi/kvm_user.h"

#define KIB(n)		((uint64_t)(n) << 10)
#define MIB(n)		((uint64_t)(n) << 20)
#define GIB(n)		((uint64_t)(n) << 30)
#define SPARSE		GIB(64)
#define TABLES_SLOTS	16		/* of 1 GiB each */

struct vm {
	int kvm, fd, vcpu;
};

static void vm_begin(struct vm *vm)
{
	vm->kvm = kvm_open();
	vm->fd = vm_make(vm->kvm, KVM_X86_SW_PROTECTED_VM);
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	need(vm->vcpu >= 0, "KVM_CREATE_VCPU");
}

static void vm_end(const struct vm *vm)
{
	close(vm->vcpu);
	close(vm->fd);
	close(vm->kvm);
}

/* Small pages of the host, and memory only where something is written. */
static void *reserve(uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	need(p != MAP_FAILED, "mmap");
	madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

static void prefault(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = size };

	while (range.size)
		need(!ioctl(vm->vcpu, KVM_PRE_FAULT_MEMORY, &range), "KVM_PRE_FAULT_MEMORY");
}

/* ---- conversions -------------------------------------------------------- */

/*
 * All of [0, size) is mapped, by what pages is for the @label; it turns private,
 * and back with nothing mapped, though the tables are still there, as in KVM.
 */
static void conversion(struct report *r, const struct vm *vm, const char *name, const char *by,
		       uint64_t size, int times)
{
	struct series away = { 0 }, back = { 0 };
	char key[64], label[80];

	for (int run = 0; run < r->runs; run++) {
		double to_private = 0, to_shared = 0, began;

		for (int i = 0; i < times; i++) {
			prefault(vm, 0, size);
			began = cpu_ns();
			need(!vm_attributes(vm->fd, 0, size, KVM_MEMORY_ATTRIBUTE_PRIVATE), "private");
			to_private += cpu_ns() - began;
			began = cpu_ns();
			need(!vm_attributes(vm->fd, 0, size, 0), "shared");
			to_shared += cpu_ns() - began;
		}
		series_add(&away, to_private / times);
		series_add(&back, to_shared / times);
	}
	snprintf(key, sizeof(key), "convert.%s.mapped", name);
	snprintf(label, sizeof(label), "conversion of %s, all mapped %s", name, by);
	report_series(r, key, label, "ns", &away);
	snprintf(key, sizeof(key), "convert.%s.unmapped", name);
	snprintf(label, sizeof(label), "conversion of %s, only empty tables left", name);
	report_series(r, key, label, "ns", &back);
	series_free(&away);
	series_free(&back);
}

static void conversions(struct report *r)
{
	void *memory = reserve(GIB(1) + PAGE);
	struct vm vm;

	vm_begin(&vm);
	/* The host's address is odd to the guest's: no huge pages. */
	need(!vm_region(vm.fd, 0, 0, 0, GIB(1), (char *)memory + PAGE), "a slot");
	conversion(r, &vm, "4K", "in 4K", KIB(4), 2000);
	conversion(r, &vm, "2M", "in 4K", MIB(2), 50);
	conversion(r, &vm, "1G", "in 4K", GIB(1), 1);
	vm_end(&vm);
	munmap(memory, GIB(1) + PAGE);
}

/* The same where the host has huge pages, and so the guest has (where it gives any). */
static void huge_conversions(struct report *r)
{
	char *room = reserve(2 * GIB(1)), *memory = room + -(uintptr_t)room % GIB(1);
	struct vm vm;

	madvise(memory, GIB(1), MADV_HUGEPAGE);
	memset(memory, 1, GIB(1));
	vm_begin(&vm);
	need(!vm_region(vm.fd, 0, 0, 0, GIB(1), memory), "a slot");
	conversion(r, &vm, "2M-huge", "by one huge page", MIB(2), 500);
	conversion(r, &vm, "1G-huge", "by huge pages of 2M", GIB(1), 20);
	vm_end(&vm);
	munmap(room, 2 * GIB(1));
}

/* ---- zaps --------------------------------------------------------------- */

/* One page in each 2 MiB: as many page tables as 64 GiB can have. */
static void map_sparsely(const struct vm *vm)
{
	for (uint64_t gpa = 0; gpa < SPARSE; gpa += MIB(2))
		prefault(vm, gpa + (gpa / MIB(2)) % 512 * PAGE, PAGE);
}

static void zaps(struct report *r)
{
	struct series map = { 0 }, attributes = { 0 }, slot = { 0 };
	char *memory = reserve(SPARSE + PAGE);
	struct vm vm;
	double began;

	vm_begin(&vm);
	for (int run = 0; run < r->runs; run++) {
		need(!vm_region(vm.fd, 0, 0, 0, SPARSE, memory + PAGE), "a slot");
		began = cpu_ns();
		map_sparsely(&vm);
		series_add(&map, (cpu_ns() - began) / (double)(SPARSE / MIB(2)));
		began = cpu_ns();
		need(!vm_attributes(vm.fd, 0, SPARSE, KVM_MEMORY_ATTRIBUTE_PRIVATE), "private");
		series_add(&attributes, (cpu_ns() - began) / 1e6);
		need(!vm_attributes(vm.fd, 0, SPARSE, 0), "shared");
		map_sparsely(&vm);
		began = cpu_ns();
		need(!vm_region(vm.fd, 0, 0, 0, 0, NULL), "no slot");
		series_add(&slot, (cpu_ns() - began) / 1e6);
	}
	report_series(r, "sparse.map", "64 GiB sparsely: a page and its table mapped", "ns", &map);
	report_series(r, "sparse.zap", "64 GiB sparsely: made private", "ms", &attributes);
	report_series(r, "sparse.delete", "64 GiB sparsely: the slot deleted", "ms", &slot);
	vm_end(&vm);
	munmap(memory, SPARSE + PAGE);
}

/* ---- page tables -------------------------------------------------------- */

/* Exact, unlike statm's. */
static double resident_bytes(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "Rss: %ld kB", &kib) != 1)
			kib = -1;
	if (kib < 0)
		cannot("/proc/self/smaps_rollup");
	fclose(f);
	return (double)kib * 1024;
}

/*
 * One GiB of the host in many slots, each page of each mapped by an entry of
 * its own: what the process grows by is page tables and what we know of them.
 */
static void tables(struct report *r)
{
	double pages = (double)(TABLES_SLOTS * GIB(1) / PAGE), before;
	char *memory = reserve(GIB(1) + PAGE);
	struct vm vm;

	vm_begin(&vm);
	memset(memory, 1, GIB(1) + PAGE);
	for (uint32_t i = 0; i < TABLES_SLOTS; i++)
		need(!vm_region(vm.fd, i, 0, i * GIB(1), GIB(1), memory + PAGE), "slot %u", i);
	prefault(&vm, 0, MIB(2));
	before = resident_bytes();
	prefault(&vm, 0, TABLES_SLOTS * GIB(1));
	report_goal(r, "table_bytes", "page tables, bytes a 4K page",
		    (resident_bytes() - before) / pages, AT_MOST, 8.8, "bytes");
	vm_end(&vm);
	munmap(memory, GIB(1) + PAGE);
}

/* The thread that frees for us starts before we are pinned: it is not kept to our processor. */
static void warm_up(void)
{
	struct vm vm;

	vm_begin(&vm);
	for (int i = 0; i < 2; i++)
		need(!vm_attributes(vm.fd, 0, KIB(4), !i * KVM_MEMORY_ATTRIBUTE_PRIVATE), "convert");
	vm_end(&vm);
}

int main(int argc, char **argv)
{
	struct report r;

	report_begin(&r, "memory", "Conversions, zaps, and the size of page tables.", 5, &argc, argv);
	warm_up();
	pin_to(0);
	conversions(&r);
	huge_conversions(&r);
	zaps(&r);
	tables(&r);
	return report_end(&r);
}
