/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_kernel_abi.c - what --kernel-abi changes of old calls, row by row of
 * docs/facts/kernel-abi.tsv.
 *
 * usage: test_kernel_abi TABLE RELEASE
 *
 * On any /dev/kvm that is, or says to be, of RELEASE: 6.12 or 6.18.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_user.h"

#define COLUMNS	5
#define SIZE	(4 * PAGE)

static struct checks c;
static int kvm;

/* @eventfd becomes interrupt @gsi. */
static long assign(int vm, int eventfd, uint32_t gsi)
{
	struct kvm_irqfd irq = { .fd = (uint32_t)eventfd, .gsi = gsi };

	return kvm_ioctlp(vm, KVM_IRQFD, &irq);
}

static int vm_with_chip(void)
{
	int vm = vm_make(kvm, 0);

	need(!ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	return vm;
}

static long second_irqfd(bool other_vm)
{
	int vm = vm_with_chip(), other = other_vm ? vm_with_chip() : vm, fd = eventfd(0, 0);
	long r;

	need(fd >= 0 && !assign(vm, fd, 10), "KVM_IRQFD");
	r = assign(other, fd, 11);
	close(fd);
	if (other_vm)
		close(other);
	close(vm);
	return r;
}

static long irqfd_two_vms(void)
{
	return second_irqfd(true);
}

static long irqfd_two_gsis(void)
{
	return second_irqfd(false);
}

static long disable_exits(bool with_vcpu)
{
	int vm = vm_make(kvm, 0), vcpu = with_vcpu ? ioctl(vm, KVM_CREATE_VCPU, 0) : -1;
	long r;

	need(!with_vcpu || vcpu >= 0, "KVM_CREATE_VCPU");
	r = vm_enable(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT);
	if (with_vcpu)
		close(vcpu);
	close(vm);
	return r;
}

static long exits_after_vcpu(void)
{
	return disable_exits(true);
}

static long exits_before_vcpu(void)
{
	return disable_exits(false);
}

static long cpuid_hypervisor(void)
{
	struct {
		struct kvm_cpuid2	head;
		struct kvm_cpuid_entry2	entry[256];
	} all = { .head.nent = 256 };

	need(!kvm_ioctlp(kvm, KVM_GET_SUPPORTED_CPUID, &all), "KVM_GET_SUPPORTED_CPUID");
	for (uint32_t i = 0; i < all.head.nent; i++)
		if (all.entry[i].function == 1)
			return all.entry[i].ecx >> 31;
	return -ENOENT;
}

static long bus_cycles_cap(void)
{
	int vm = vm_with_chip();
	long r;

	need(!vm_enable(vm, KVM_CAP_X86_APIC_BUS_CYCLES_NS, 40), "the bus's clock");
	r = kvm_ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_X86_APIC_BUS_CYCLES_NS);
	close(vm);
	return r;
}

/* What of guest_memfd @fn asks of a file without flags, of a VM of type 0. */
static long with_file(long (*fn)(int vm, int fd))
{
	int vm = vm_make(kvm, 0);
	long r = vm_gmem(vm, SIZE, 0);

	if (r >= 0) {
		int fd = (int)r;

		r = fn(vm, fd);
		close(fd);
	}
	close(vm);
	return r;
}

static long do_nothing(int vm, int fd)
{
	return vm < 0 || fd < 0;
}

static long gmem_create(void)
{
	return with_file(do_nothing);
}

static long do_cap(int vm, int fd)
{
	(void)fd;
	return kvm_ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD);
}

static long gmem_cap(void)
{
	return with_file(do_cap);
}

static long do_slot(int vm, int fd)
{
	return vm_region_gmem(vm, 0, 0, SIZE, NULL, fd, 0);
}

static long gmem_slot(void)
{
	return with_file(do_slot);
}

static long do_map(int vm, int fd)
{
	(void)vm;
	return mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -errno : 0;
}

static long gmem_map_private(void)
{
	return with_file(do_map);
}

static const struct {
	const char *name;
	long	  (*ask)(void);
} questions[] = {
	{ "irqfd-two-vms", irqfd_two_vms },
	{ "irqfd-two-gsis", irqfd_two_gsis },
	{ "exits-after-vcpu", exits_after_vcpu },
	{ "exits-before-vcpu", exits_before_vcpu },
	{ "cpuid-hypervisor", cpuid_hypervisor },
	{ "bus-cycles-cap", bus_cycles_cap },
	{ "gmem-cap", gmem_cap },
	{ "gmem-create", gmem_create },
	{ "gmem-slot", gmem_slot },
	{ "gmem-map-private", gmem_map_private },
};

#define NR_QUESTIONS	(sizeof(questions) / sizeof(questions[0]))

/* The table's @answer: a number or the name of an errno. */
static void one_row(const char *name, const char *what, const char *answer, bool *asked)
{
	for (size_t i = 0; i < NR_QUESTIONS; i++) {
		char text[32];
		long got;

		if (strcmp(name, questions[i].name))
			continue;
		asked[i] = true;
		got = questions[i].ask();
		snprintf(text, sizeof(text), "%ld", got);
		check(&c, !strcmp(got < 0 ? errno_name(-got) : text, answer), "%s: %s: %s, not %s",
		      name, what, got < 0 ? errno_name(-got) : text, answer);
		return;
	}
	check(&c, false, "%s: nobody asks %s", name, what);
}

int main(int argc, char **argv)
{
	bool is_618 = argc == 3 && !strcmp(argv[2], "6.18"), asked[NR_QUESTIONS] = { false };
	FILE *f = argc == 3 ? fopen(argv[1], "r") : NULL;
	char *line = NULL;
	size_t size = 0;

	need(f && (is_618 || !strcmp(argv[2], "6.12")), "usage: test_kernel_abi TABLE 6.12|6.18");
	kvm = kvm_open();
	while (getline(&line, &size, f) >= 0) {
		char *column[COLUMNS], *rest = line;

		if (line[0] == '#' || !strncmp(line, "check\t", 6))
			continue;
		for (size_t i = 0; i < COLUMNS; i++)
			column[i] = strsep(&rest, "\t\n");
		need(column[COLUMNS - 1], "%d columns of %s", COLUMNS, line);
		one_row(column[0], column[1], column[is_618 ? 3 : 2], asked);
	}
	for (size_t i = 0; i < NR_QUESTIONS; i++)
		check(&c, asked[i], "%s stands in no row", questions[i].name);
	free(line);
	fclose(f);
	close(kvm);
	return checks_end(&c);
}
