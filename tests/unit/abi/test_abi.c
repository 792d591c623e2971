/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_abi.c - the machine in one process: VMs, vCPUs, capabilities by VM type, bad pointers. */
#include "an_abi.h"

#include <errno.h>
#include <sys/mman.h>

static const enum hw_vendor vendors[] = { HW_VENDOR_AMD, HW_VENDOR_INTEL };

#define DEFAULT	KVM_X86_DEFAULT_VM
#define SWP	KVM_X86_SW_PROTECTED_VM

static void capabilities_go_by_the_vm_type(void **unused)
{
	static const struct { const char *why; long cap; long dev, plain, swp; } rows[] = {
		{ "VM types", KVM_CAP_VM_TYPES, 3, 3, 3 },
		{ "attributes", KVM_CAP_MEMORY_ATTRIBUTES, 8, 0, 8 },
		{ "guest_memfd", KVM_CAP_GUEST_MEMFD, 1, 0, 1 },
		{ "address spaces", KVM_CAP_MULTI_ADDRESS_SPACE, 2, 2, 1 },
		{ "read-only memory", KVM_CAP_READONLY_MEM, 1, 1, 1 },
		{ "slots", KVM_CAP_NR_MEMSLOTS, 32764, 32764, 32764 },
		{ "vCPU ids", KVM_CAP_MAX_VCPU_ID, 4096, 4096, 4096 },
		{ "prefault", KVM_CAP_PRE_FAULT_MEMORY, 1, 1, 1 },
		{ "hypercall exits", KVM_CAP_EXIT_HYPERCALL, 1 << 12, 1 << 12, 1 << 12 },
		{ "synchronized registers", KVM_CAP_SYNC_REGS, 7, 7, 7 },
		{ "no dirty ring", KVM_CAP_DIRTY_LOG_RING, 0, 0, 0 },
		{ "nonsense", 0xfffff, 0, 0, 0 }, { "negative nonsense", -1, 0, 0, 0 },
	};

	(void)unused;
	for (size_t v = 0; v < ARRAY_SIZE(vendors); v++) {
		struct abi *abi = an_abi(vendors[v]);
		int dev = abi_open(abi, 0), plain = (int)do_ioctl(abi, dev, KVM_CREATE_VM, DEFAULT),
		    swp = (int)do_ioctl(abi, dev, KVM_CREATE_VM, SWP);

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			const long want[] = { rows[i].dev, rows[i].plain, rows[i].swp };
			const int fds[] = { dev, plain, swp };

			for (int k = 0; k < 3; k++) {
				long got = do_ioctl(abi, fds[k], KVM_CHECK_EXTENSION, rows[i].cap);

				if (got != want[k])
					fail_msg("%s, on %d: %ld", rows[i].why, k, got);
			}
		}
		do_close(abi, swp);
		do_close(abi, plain);
		do_close(abi, dev);
		abi_destroy(abi);
	}
}

/* A VM stays while one of its descriptors does; a vCPU's id stays used. */
static void a_vm_lives_as_long_as_its_vcpus(void **unused)
{
	struct abi *abi = an_abi(HW_VENDOR_INTEL);
	int dev = abi_open(abi, 0), vm = (int)do_ioctl(abi, dev, KVM_CREATE_VM, DEFAULT), vcpu;
	struct kvm_regs regs;

	(void)unused;
	assert_int_equal(do_ioctl(abi, vm, KVM_CREATE_IRQCHIP, 0), 0);
	vcpu = (int)do_ioctl(abi, vm, KVM_CREATE_VCPU, 0);
	assert_true(vcpu >= 0);
	assert_int_equal(do_ioctl(abi, vm, KVM_CREATE_VCPU, 0), -EEXIST);
	do_close(abi, vcpu);
	assert_int_equal(do_ioctl(abi, vm, KVM_CREATE_VCPU, 0), -EEXIST);
	vcpu = (int)do_ioctl(abi, vm, KVM_CREATE_VCPU, 7);
	do_close(abi, vm);
	do_close(abi, dev);
	assert_int_equal(do_ioctl(abi, vcpu, KVM_GET_REGS, (uintptr_t)&regs), 0);
	assert_int_equal(regs.rip, 0xfff0);
	do_close(abi, vcpu);
	abi_destroy(abi);
}

static void bad_pointers_are_efault(void **unused)
{
	struct abi *abi = an_abi(HW_VENDOR_AMD);
	int dev = abi_open(abi, 0), vm = (int)do_ioctl(abi, dev, KVM_CREATE_VM, SWP), vcpu;
	static const unsigned long bad[] = { 0, 8, 1ul << 60, -1ul, 0xffff888000000000ul };
	static const unsigned long on_vm[] = { KVM_SET_USER_MEMORY_REGION, KVM_ENABLE_CAP,
		KVM_SET_USER_MEMORY_REGION2, KVM_SET_MEMORY_ATTRIBUTES, KVM_CREATE_GUEST_MEMFD,
		KVM_MEMORY_ENCRYPT_REG_REGION, KVM_MEMORY_ENCRYPT_UNREG_REGION };
	static const unsigned long on_vcpu[] = { KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS,
		KVM_SET_SREGS, KVM_GET_FPU, KVM_SET_FPU, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS,
		KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_GET_LAPIC, KVM_SET_LAPIC, KVM_SET_CPUID2,
		KVM_GET_CPUID2, KVM_GET_MSRS, KVM_SET_MSRS, KVM_INTERRUPT, KVM_PRE_FAULT_MEMORY };

	(void)unused;
	assert_int_equal(os_uaccess_install(), 0);
	assert_int_equal(do_ioctl(abi, vm, KVM_CREATE_IRQCHIP, 0), 0);
	vcpu = (int)do_ioctl(abi, vm, KVM_CREATE_VCPU, 0);
	for (size_t b = 0; b < ARRAY_SIZE(bad); b++) {
		for (size_t i = 0; i < ARRAY_SIZE(on_vm); i++)
			assert_int_equal(do_ioctl(abi, vm, on_vm[i], bad[b]), -EFAULT);
		for (size_t i = 0; i < ARRAY_SIZE(on_vcpu); i++)
			assert_int_equal(do_ioctl(abi, vcpu, on_vcpu[i], bad[b]), -EFAULT);
		if (bad[b])
			assert_int_equal(do_ioctl(abi, vcpu, KVM_SET_SIGNAL_MASK, bad[b]), -EFAULT);
	}
	do_close(abi, vcpu);
	do_close(abi, vm);
	do_close(abi, dev);
	abi_destroy(abi);
}

static void enabling_is_remembered_or_refused(void **unused)
{
	static const struct { const char *why; uint32_t cap, flags; uint64_t arg; int want; } rows[] = {
		{ "MAP_GPA_RANGE", KVM_CAP_EXIT_HYPERCALL, 0, 1 << 12, 0 },
		{ "another hypercall", KVM_CAP_EXIT_HYPERCALL, 0, 1 << 9, -EINVAL },
		{ "flags", KVM_CAP_EXIT_HYPERCALL, 1, 1 << 12, -EINVAL },
		{ "unknown quirks, the old way", KVM_CAP_DISABLE_QUIRKS, 0, ~0ull, 0 },
		{ "unknown quirks", KVM_CAP_DISABLE_QUIRKS2, 0, ~0ull, -EINVAL },
		{ "emulation failures", KVM_CAP_EXIT_ON_EMULATION_FAILURE, 0, 1, 0 },
		{ "emulation failures, twice as much", KVM_CAP_EXIT_ON_EMULATION_FAILURE, 0, 2, -EINVAL },
		{ "4096 ids", KVM_CAP_MAX_VCPU_ID, 0, 4096, 0 },
		{ "4097 ids", KVM_CAP_MAX_VCPU_ID, 0, 4097, -EINVAL },
		{ "nothing to enable", KVM_CAP_USER_MEMORY, 0, 0, -EINVAL },
	};
	struct abi *abi = an_abi(HW_VENDOR_AMD);
	int dev = abi_open(abi, 0);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_enable_cap cap = { .cap = rows[i].cap, .flags = rows[i].flags,
					      .args = { rows[i].arg } };
		int vm = (int)do_ioctl(abi, dev, KVM_CREATE_VM, DEFAULT);
		long r = do_ioctl(abi, vm, KVM_ENABLE_CAP, (uintptr_t)&cap);

		if (r != rows[i].want)
			fail_msg("%s: %ld", rows[i].why, r);
		do_close(abi, vm);
	}
	do_close(abi, dev);
	abi_destroy(abi);
}

static void the_signal_mask_waits_for_the_run(void **unused)
{
	struct { struct kvm_signal_mask head; uint8_t set[8]; } m = { { .len = 8 }, { 0, 2 } };
	struct abi *abi = an_abi(HW_VENDOR_AMD);
	int dev = abi_open(abi, 0), vm = (int)do_ioctl(abi, dev, KVM_CREATE_VM, DEFAULT),
	    vcpu = (int)do_ioctl(abi, vm, KVM_CREATE_VCPU, 0);

	(void)unused;
	assert_int_equal(do_ioctl(abi, vcpu, KVM_SET_SIGNAL_MASK, (uintptr_t)&m), 0);
	m.head.len = 4;
	assert_int_equal(do_ioctl(abi, vcpu, KVM_SET_SIGNAL_MASK, (uintptr_t)&m), -EINVAL);
	assert_int_equal(do_ioctl(abi, vcpu, KVM_SET_SIGNAL_MASK, 0), 0);
	do_close(abi, vcpu);
	do_close(abi, vm);
	do_close(abi, dev);
	abi_destroy(abi);
}

static void a_machine_that_cannot_be(void **unused)
{
	struct abi_config c;
	struct abi *abi;

	(void)unused;
	abi_default_config(&c);
	c.hw.phys_bits = 60;
	assert_int_equal(abi_create(&c, &abi), -EINVAL);
	abi_default_config(&c);
	c.hw.nr_cpus = 0;
	assert_int_equal(abi_create(&c, &abi), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_go_by_the_vm_type),
		cmocka_unit_test(a_vm_lives_as_long_as_its_vcpus),
		cmocka_unit_test(bad_pointers_are_efault),
		cmocka_unit_test(enabling_is_remembered_or_refused),
		cmocka_unit_test(the_signal_mask_waits_for_the_run),
		cmocka_unit_test(a_machine_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
