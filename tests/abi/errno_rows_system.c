/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * errno_rows_system.c - /dev/kvm, numbers nobody knows, and how each ioctl
 * treats its pointer.
 */
#include "errno_rows.h"
#include "kvm_user.h"

struct cpuid_300 {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[300];
};

struct list_4096 {
	struct kvm_msr_list head;
	__u32 indices[4096];
};

struct msrs_2 {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[2];
};

static bool nmsrs_is_told(struct machine *m, const void *arg)
{
	(void)m;
	return ((const struct kvm_msr_list *)arg)->nmsrs > 0;
}

static bool nent_is_left(struct machine *m, const void *arg)
{
	(void)m;
	return ((const struct kvm_cpuid2 *)arg)->nent == 1;
}

static bool nent_is_told(struct machine *m, const void *arg)
{
	const struct cpuid_300 *c = arg;

	(void)m;
	return c->head.nent > 4 && c->head.nent <= 256 && c->entries[0].function == 0;
}

#define UNKNOWN		_IO(KVMIO, 0xff)
#define OTHER_TYPE	_IO(0xAF, 0x00)
#define TERMINAL	0x5401		/* TCGETS */

static const struct row rows[] = {
	{ "the version is 12", ON_DEV, KVM_GET_API_VERSION, .returns = 12 },
	{ "the version takes no argument", ON_DEV, KVM_GET_API_VERSION, .value = 1, .want = EINVAL },
	{ "three pages of a vCPU", ON_DEV, KVM_GET_VCPU_MMAP_SIZE, .returns = 12288 },
	{ "the mmap size takes no argument", ON_DEV, KVM_GET_VCPU_MMAP_SIZE, .value = 1,
	  .want = EINVAL },
	{ "an unknown capability is 0", ON_DEV, KVM_CHECK_EXTENSION, .value = 0xfffff },
	{ "any capability number is taken", ON_DEV, KVM_CHECK_EXTENSION, .value = ~0UL },
	{ "there are 32764 slots", ON_DEV, KVM_CHECK_EXTENSION, .value = KVM_CAP_NR_MEMSLOTS,
	  .returns = 32764 },
	{ "a DEFAULT VM", ON_DEV, KVM_CREATE_VM, .value = 0, .returns_fd = true },
	{ "VM type 6 is nobody's", ON_DEV, KVM_CREATE_VM, .value = 6, .want = EINVAL },
	{ "VM type 31", ON_DEV, KVM_CREATE_VM, .value = 31, .want = EINVAL },
	{ "VM type 32 does not wrap round", ON_DEV, KVM_CREATE_VM, .value = 32, .want = EINVAL },
	{ "VM type 64", ON_DEV, KVM_CREATE_VM, .value = 64, .want = EINVAL },
	{ "the type is a whole long", ON_DEV, KVM_CREATE_VM, .value = 1UL << 32, .want = EINVAL },
	{ "VM type -1", ON_DEV, KVM_CREATE_VM, .value = ~0UL, .want = EINVAL },

	{ "CPUID: no room at all", ON_DEV, KVM_GET_SUPPORTED_CPUID, ARG(struct cpuid_300, { 0 }),
	  .want = E2BIG },
	{ "CPUID: room for one, and the count is not told", ON_DEV, KVM_GET_SUPPORTED_CPUID,
	  ARG(struct cpuid_300, { .nent = 1 }), .want = E2BIG, .after = nent_is_left },
	{ "CPUID: room enough", ON_DEV, KVM_GET_SUPPORTED_CPUID,
	  ARG(struct cpuid_300, { .nent = 256 }), .after = nent_is_told },
	{ "CPUID: more room than 256 counts as 256", ON_DEV, KVM_GET_SUPPORTED_CPUID,
	  ARG(struct cpuid_300, { .nent = 0xffffffff }), .after = nent_is_told },
	{ "MSR list: too short, the count is told", ON_DEV, KVM_GET_MSR_INDEX_LIST,
	  ARG(struct list_4096, { 0 }), .want = E2BIG, .after = nmsrs_is_told },
	{ "MSR list: long enough", ON_DEV, KVM_GET_MSR_INDEX_LIST,
	  ARG(struct list_4096, { .nmsrs = 4096 }), .after = nmsrs_is_told },
	{ "feature MSR list: too short", ON_DEV, KVM_GET_MSR_FEATURE_INDEX_LIST,
	  ARG(struct list_4096, { 0 }), .want = E2BIG, .after = nmsrs_is_told },
	{ "feature MSR list: long enough", ON_DEV, KVM_GET_MSR_FEATURE_INDEX_LIST,
	  ARG(struct list_4096, { .nmsrs = 4096 }) },
	{ "feature MSRs: 256 are too many", ON_DEV, KVM_GET_MSRS,
	  ARG(struct msrs_2, { .nmsrs = 256 }), .want = E2BIG },
	{ "feature MSRs: none", ON_DEV, KVM_GET_MSRS, ARG(struct msrs_2, { 0 }) },

	{ "unknown number on /dev/kvm", ON_DEV, UNKNOWN, .want = EINVAL },
	{ "unknown number on a VM", ON_VM, UNKNOWN, .want = ENOTTY },
	{ "unknown number on a vCPU", ON_VCPU, UNKNOWN, .want = EINVAL },
	{ "unknown number on a guest_memfd", ON_GMEM, UNKNOWN, .want = ENOTTY,
	  .cap = KVM_CAP_GUEST_MEMFD },
	{ "another type on /dev/kvm", ON_DEV, OTHER_TYPE, .want = EINVAL },
	{ "another type on a VM", ON_VM, OTHER_TYPE, .want = ENOTTY },
	{ "another type on a vCPU", ON_VCPU, OTHER_TYPE, .want = EINVAL },
	{ "/dev/kvm is no terminal", ON_DEV, TERMINAL, .want = EINVAL },
	{ "a VM is no terminal", ON_VM, TERMINAL, .want = ENOTTY },
	{ "a vCPU is no terminal", ON_VCPU, TERMINAL, .want = EINVAL },
	{ "a guest_memfd is no terminal", ON_GMEM, TERMINAL, .want = ENOTTY,
	  .cap = KVM_CAP_GUEST_MEMFD },
	{ "region with another size", ON_VM, _IOW(KVMIO, 0x46, char[33]), .want = ENOTTY },
	{ "region 2 with the size of region 1", ON_VM, _IOW(KVMIO, 0x49, char[32]), .want = ENOTTY },
	{ "region with another direction", ON_VM,
	  _IOR(KVMIO, 0x46, struct kvm_userspace_memory_region), .want = ENOTTY },
	{ "attributes with another size", ON_SWP, _IOW(KVMIO, 0xd2, char[24]), .want = ENOTTY,
	  .cap = KVM_CAP_MEMORY_ATTRIBUTES },
	{ "attributes of the kind still in flight", ON_SWP, _IOWR(KVMIO, 0xd2, char[128]),
	  .want = ENOTTY, .cap = KVM_CAP_MEMORY_ATTRIBUTES },
	{ "guest_memfd with another size", ON_VM, _IOWR(KVMIO, 0xd4, char[56]), .want = ENOTTY },
	{ "registers with another size", ON_VCPU, _IOW(KVMIO, 0x82, char[136]), .want = EINVAL },
	{ "prefault with another size", ON_VCPU, _IOWR(KVMIO, 0xd5, char[24]), .want = EINVAL },
	{ "0xd3 is nobody's", ON_VM, _IOW(KVMIO, 0xd3, char[32]), .want = ENOTTY },
};

const struct row_table system_rows = { rows, sizeof(rows) / sizeof(rows[0]) };

#define GOOD(type, ...)	&(const type){ __VA_ARGS__ }, sizeof(type)
#define SWP_CAP		KVM_CAP_MEMORY_ATTRIBUTES

const struct pointer_row pointer_rows[] = {
	{ ON_DEV, KVM_GET_SUPPORTED_CPUID, GOOD(struct cpuid_300, { .nent = 256 }), true, EFAULT,
	  .used = 48 },
	{ ON_DEV, KVM_GET_MSR_INDEX_LIST, GOOD(struct list_4096, { .nmsrs = 4096 }), true, EFAULT,
	  .used = 8 },
	{ ON_DEV, KVM_GET_MSRS, GOOD(struct kvm_msrs, 0), false, EFAULT },
	{ ON_BARE, KVM_SET_USER_MEMORY_REGION,
	  GOOD(struct kvm_userspace_memory_region, .memory_size = PAGE, .userspace_addr = ROW_HVA),
	  false, EFAULT },
	{ ON_BARE, KVM_SET_USER_MEMORY_REGION2,
	  GOOD(struct kvm_userspace_memory_region2, .memory_size = PAGE, .userspace_addr = ROW_HVA),
	  false, EFAULT, .cap = KVM_CAP_USER_MEMORY2 },
	{ ON_SWP, KVM_SET_MEMORY_ATTRIBUTES,
	  GOOD(struct kvm_memory_attributes, .address = 16 * PAGE, .size = PAGE), false, EFAULT,
	  .cap = SWP_CAP },
	{ ON_BARE, KVM_CREATE_GUEST_MEMFD, GOOD(struct kvm_create_guest_memfd, .size = PAGE), false,
	  EFAULT, .cap = KVM_CAP_GUEST_MEMFD, .fd = true },
	{ ON_BARE, KVM_ENABLE_CAP,
	  GOOD(struct kvm_enable_cap, .cap = KVM_CAP_EXIT_HYPERCALL, .args = { 1 << 12 }), false,
	  EFAULT, .cap = KVM_CAP_EXIT_HYPERCALL },
	{ ON_BARE, KVM_SET_IDENTITY_MAP_ADDR, GOOD(__u64, 0xfffbc000), false, EFAULT },
	{ ON_VCPU, KVM_GET_REGS, GOOD(struct kvm_regs, 0), true, EFAULT },
	{ ON_VCPU, KVM_SET_REGS, GOOD(struct kvm_regs, .rflags = 2), false, EFAULT },
	{ ON_VCPU, KVM_GET_SREGS, GOOD(struct kvm_sregs, { 0 }), true, EFAULT },
	{ ON_VCPU, KVM_SET_SREGS, GOOD(struct kvm_sregs, { 0 }), false, EFAULT,
	  .fill = KVM_GET_SREGS },
	{ ON_VCPU, KVM_GET_MP_STATE, GOOD(struct kvm_mp_state, 0), true, EFAULT },
	{ ON_VCPU, KVM_SET_MP_STATE, GOOD(struct kvm_mp_state, KVM_MP_STATE_RUNNABLE), false, EFAULT },
	{ ON_VCPU, KVM_SET_CPUID2, GOOD(struct kvm_cpuid2, 0), false, EFAULT },
	{ ON_VCPU, KVM_GET_CPUID2, GOOD(struct cpuid_300, { .nent = 300 }), true, EFAULT,
	  .used = 8 },
	{ ON_VCPU, KVM_GET_MSRS, GOOD(struct msrs_2, { .nmsrs = 1 }, { { .index = 0xc0000080 } }),
	  true, EFAULT, .used = 24 },
	{ ON_VCPU, KVM_SET_MSRS, GOOD(struct msrs_2, { .nmsrs = 1 }, { { .index = 0xc0000082 } }),
	  false, EFAULT, .used = 24 },
	{ ON_VCPU, KVM_GET_LAPIC, GOOD(struct kvm_lapic_state, { 0 }), true, EFAULT },
	{ ON_VCPU, KVM_SET_LAPIC, GOOD(struct kvm_lapic_state, { 0 }), false, EFAULT,
	  .fill = KVM_GET_LAPIC },
	{ ON_VCPU, KVM_SET_VAPIC_ADDR, GOOD(struct kvm_vapic_addr, 0), false, EFAULT },
	{ ON_VCPU, KVM_TPR_ACCESS_REPORTING, GOOD(struct kvm_tpr_access_ctl, 0), true, EFAULT },
	{ ON_VCPU, KVM_PRE_FAULT_MEMORY, GOOD(struct kvm_pre_fault_memory, .size = PAGE), true, EFAULT,
	  .cap = KVM_CAP_PRE_FAULT_MEMORY },
	{ ON_VCPU, KVM_GET_SREGS2, GOOD(struct kvm_sregs2, { 0 }), true, EFAULT },
	{ ON_VCPU, KVM_SET_SREGS2, GOOD(struct kvm_sregs2, { 0 }), false, EFAULT,
	  .fill = KVM_GET_SREGS2 },
	{ ON_VCPU, KVM_GET_FPU, GOOD(struct kvm_fpu, { { 0 } }), true, EFAULT },
	{ ON_VCPU, KVM_SET_FPU, GOOD(struct kvm_fpu, { { 0 } }), false, EFAULT },
	{ ON_VCPU, KVM_GET_XSAVE, GOOD(struct kvm_xsave, { 0 }), true, EFAULT },
	{ ON_VCPU, KVM_SET_XSAVE, GOOD(struct kvm_xsave, { 0 }), false, EFAULT },
	{ ON_VCPU, KVM_GET_XCRS, GOOD(struct kvm_xcrs, 0), true, EFAULT },
	{ ON_VCPU, KVM_SET_XCRS, GOOD(struct kvm_xcrs, 0), false, EFAULT },
	{ ON_VCPU, KVM_GET_DEBUGREGS, GOOD(struct kvm_debugregs, { 0 }), true, EFAULT },
	{ ON_VCPU, KVM_SET_DEBUGREGS, GOOD(struct kvm_debugregs, { 0 }), false, EFAULT },
	{ ON_VCPU, KVM_GET_VCPU_EVENTS, GOOD(struct kvm_vcpu_events, { 0 }), true, EFAULT },
	{ ON_VCPU, KVM_SET_VCPU_EVENTS, GOOD(struct kvm_vcpu_events, { 0 }), false, EFAULT },
	{ ON_VCPU, KVM_SET_GUEST_DEBUG, GOOD(struct kvm_guest_debug, 0), false, EFAULT },
	{ ON_VCPU, KVM_TRANSLATE, GOOD(struct kvm_translation, 0), true, EFAULT },
	{ ON_VCPU, KVM_X86_SETUP_MCE, GOOD(__u64, 10), false, EFAULT },
	{ ON_VCPU, KVM_X86_SET_MCE, GOOD(struct kvm_x86_mce, .status = 1ULL << 63), false, EFAULT },
	{ ON_VCPU, KVM_ENABLE_CAP,
	  GOOD(struct kvm_enable_cap, .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID), false, EFAULT },
	{ ON_VCPU, KVM_SET_CPUID, GOOD(struct kvm_cpuid, 0), false, EFAULT },
	{ ON_BARE, KVM_X86_SET_MSR_FILTER, GOOD(struct kvm_msr_filter, 0), false, EFAULT },
	{ ON_BARE, KVM_SET_PMU_EVENT_FILTER, GOOD(struct kvm_pmu_event_filter, 0), false, EFAULT },
	{ ON_DEV, KVM_X86_GET_MCE_CAP_SUPPORTED, GOOD(__u64, 0), true, EFAULT },
	{ ON_VM, KVM_GET_IRQCHIP, GOOD(struct kvm_irqchip, .chip_id = 2), true, EFAULT },
	{ ON_VM, KVM_SET_IRQCHIP, GOOD(struct kvm_irqchip, .chip_id = 1), false, EFAULT },
	{ ON_VM, KVM_IRQ_LINE, GOOD(struct kvm_irq_level, { 4 }, 0), false, EFAULT },
	{ ON_VM, KVM_SET_GSI_ROUTING, GOOD(struct kvm_irq_routing, .nr = 0), false, EFAULT },
	{ ON_VM, KVM_CREATE_PIT2, GOOD(struct kvm_pit_config, 0), false, EFAULT },
	{ ON_BARE, KVM_GET_CLOCK, GOOD(struct kvm_clock_data, 0), true, EFAULT },
	{ ON_BARE, KVM_SET_CLOCK, GOOD(struct kvm_clock_data, 0), false, EFAULT },
	/* NULL takes the mask away. */
	{ ON_VCPU, KVM_SET_SIGNAL_MASK, "\10\0\0\0\0\0\0\0\0\0\0\0", 12, false, 0 },
};

const size_t nr_pointer_rows = sizeof(pointer_rows) / sizeof(pointer_rows[0]);
