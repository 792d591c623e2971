/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* errno_rows_vm.c - VM ioctls but for memory (errno_rows_memory.c). */
#include "errno_rows.h"
#include "kvm_user.h"

static int create_irqchip(struct machine *m)
{
	return (int)kvm_ioctl(machine_fd(m, ON_BARE), KVM_CREATE_IRQCHIP, 0);
}

static int two_vcpu_ids(struct machine *m)
{
	return (int)vm_enable(machine_fd(m, ON_BARE), KVM_CAP_MAX_VCPU_ID, 2);
}

#define CAP(...)	ARG(struct kvm_enable_cap, __VA_ARGS__)
#define GMEM(...)	ARG(struct kvm_create_guest_memfd, __VA_ARGS__)
#define NEEDS_GMEM	.cap = KVM_CAP_GUEST_MEMFD

static const struct row rows[] = {
	{ "vCPU 0", ON_BARE, KVM_CREATE_VCPU, .value = 0, .returns_fd = true },
	{ "vCPU 4095 is the last", ON_BARE, KVM_CREATE_VCPU, .value = 4095, .returns_fd = true },
	{ "vCPU 4096", ON_BARE, KVM_CREATE_VCPU, .value = 4096, .want = EINVAL },
	{ "vCPU -1", ON_BARE, KVM_CREATE_VCPU, .value = ~0UL, .want = EINVAL },
	{ "the vCPU id is a whole long", ON_BARE, KVM_CREATE_VCPU, .value = 1UL << 32,
	  .want = EINVAL },
	{ "vCPU 0 again", ON_VM, KVM_CREATE_VCPU, .value = 0, .want = EEXIST },
	{ "vCPU 1 beside vCPU 0", ON_VM, KVM_CREATE_VCPU, .value = 1, .returns_fd = true },
	{ "vCPU 1 of ids below 2", ON_BARE, KVM_CREATE_VCPU, .value = 1, .before = two_vcpu_ids,
	  .returns_fd = true },
	{ "vCPU 2 of ids below 2", ON_BARE, KVM_CREATE_VCPU, .value = 2, .before = two_vcpu_ids,
	  .want = EINVAL },

	{ "irqchip", ON_BARE, KVM_CREATE_IRQCHIP },
	{ "irqchip twice", ON_BARE, KVM_CREATE_IRQCHIP, .before = create_irqchip, .want = EEXIST },
	{ "irqchip after a vCPU", ON_BARE_VCPU, KVM_CREATE_IRQCHIP, .want = EINVAL },
	{ "irqchip, there already, after a vCPU", ON_VM, KVM_CREATE_IRQCHIP, .want = EEXIST },

	{ "TSS where it always is", ON_BARE, KVM_SET_TSS_ADDR, .value = 0xfffbd000 },
	{ "TSS at the last place", ON_BARE, KVM_SET_TSS_ADDR, .value = 0xffffd000 },
	{ "TSS past the last place", ON_BARE, KVM_SET_TSS_ADDR, .value = 0xffffd001, .want = EINVAL },
	{ "TSS at 4 GiB", ON_BARE, KVM_SET_TSS_ADDR, .value = 1UL << 32, .want = EINVAL },
	{ "TSS at -1", ON_BARE, KVM_SET_TSS_ADDR, .value = ~0UL, .want = EINVAL },
	{ "identity map", ON_BARE, KVM_SET_IDENTITY_MAP_ADDR, ARG(__u64, 0xfffbc000) },
	{ "identity map 0 is the default", ON_BARE, KVM_SET_IDENTITY_MAP_ADDR, ARG(__u64, 0) },
	{ "identity map after a vCPU", ON_VM, KVM_SET_IDENTITY_MAP_ADDR, ARG(__u64, 0xfffbc000),
	  .want = EINVAL },
	{ "identity map after a vCPU, before the pointer is looked at", ON_VM,
	  KVM_SET_IDENTITY_MAP_ADDR, .value = 0, .want = EINVAL },

	{ "a VM has a clock rate", ON_BARE, KVM_GET_TSC_KHZ },
	{ "a VM's clock rate as the host's", ON_BARE, KVM_SET_TSC_KHZ, .value = 0 },

	{ "no such capability", ON_BARE, KVM_ENABLE_CAP, CAP(.cap = 0xfffff), .want = EINVAL },
	{ "a capability that needs no enabling", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_USER_MEMORY), .want = EINVAL },
	{ "hypercall exits: MAP_GPA_RANGE", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_EXIT_HYPERCALL, .args = { 1 << 12 }) },
	{ "hypercall exits: off", ON_BARE, KVM_ENABLE_CAP, CAP(.cap = KVM_CAP_EXIT_HYPERCALL) },
	{ "hypercall exits: arguments and padding beyond the first are nobody's", ON_BARE,
	  KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_EXIT_HYPERCALL, .args = { 1 << 12, 1, 2, 3 }, .pad = { 1, 2, 3 }) },
	{ "hypercall exits: another number", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_EXIT_HYPERCALL, .args = { 1 << 11 }), .want = EINVAL },
	{ "hypercall exits: all numbers", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_EXIT_HYPERCALL, .args = { ~0ULL }), .want = EINVAL },
	{ "hypercall exits: flags", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_EXIT_HYPERCALL, .flags = 1, .args = { 1 << 12 }), .want = EINVAL },
	{ "quirks: FIX_HYPERCALL_INSN", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_DISABLE_QUIRKS2, .args = { KVM_X86_QUIRK_FIX_HYPERCALL_INSN }) },
	{ "quirks: unknown ones", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_DISABLE_QUIRKS2, .args = { 1ULL << 40 }), .want = EINVAL },
	{ "quirks: flags", ON_BARE, KVM_ENABLE_CAP, CAP(.cap = KVM_CAP_DISABLE_QUIRKS2, .flags = 4),
	  .want = EINVAL },
	{ "vCPU ids: more than 4096", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_MAX_VCPU_ID, .args = { 4097 }), .want = EINVAL },
	{ "vCPU ids: the same twice", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_MAX_VCPU_ID, .args = { 2 }), .before = two_vcpu_ids },
	{ "vCPU ids: once only", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_MAX_VCPU_ID, .args = { 3 }), .before = two_vcpu_ids, .want = EINVAL },
	{ "a VM asked for its slots", ON_VM, KVM_CHECK_EXTENSION, .value = KVM_CAP_NR_MEMSLOTS,
	  .returns = 32764 },
	{ "a VM asked for nonsense", ON_VM, KVM_CHECK_EXTENSION, .value = ~0UL },
	{ "a private VM has attributes", ON_SWP, KVM_CHECK_EXTENSION,
	  .value = KVM_CAP_MEMORY_ATTRIBUTES, .returns = 8 },
	{ "a private VM has guest_memfd", ON_SWP, KVM_CHECK_EXTENSION, .value = KVM_CAP_GUEST_MEMFD,
	  .returns = 1 },
	{ "a private VM has one address space", ON_SWP, KVM_CHECK_EXTENSION,
	  .value = KVM_CAP_MULTI_ADDRESS_SPACE, .returns = 1 },

	{ "an encrypted region without SEV", ON_VM, KVM_MEMORY_ENCRYPT_REG_REGION,
	  ARG(struct kvm_enc_region, ROW_HVA, PAGE), .want = ENOTTY },
	{ "an encrypted region without SEV, from nowhere", ON_VM, KVM_MEMORY_ENCRYPT_REG_REGION,
	  .want = EFAULT },

	{ "guest_memfd: one page", ON_SWP, KVM_CREATE_GUEST_MEMFD, GMEM(PAGE), .returns_fd = true },
	{ "guest_memfd: for a VM that cannot bind it", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(PAGE),
	  .returns_fd = true, NEEDS_GMEM },
	{ "guest_memfd: 64 TiB", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(1ULL << 46),
	  .returns_fd = true, NEEDS_GMEM },
	{ "guest_memfd: reserved fields are nobody's", ON_BARE, KVM_CREATE_GUEST_MEMFD,
	  GMEM(PAGE, .reserved = { 1, 2, 3, 4, 5, ~0ULL }), .returns_fd = true, NEEDS_GMEM },
	{ "guest_memfd: size 0", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(0), .want = EINVAL, NEEDS_GMEM },
	{ "guest_memfd: size 1", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(1), .want = EINVAL, NEEDS_GMEM },
	{ "guest_memfd: size 4095", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(PAGE - 1), .want = EINVAL,
	  NEEDS_GMEM },
	{ "guest_memfd: size 4097", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(PAGE + 1), .want = EINVAL,
	  NEEDS_GMEM },
	{ "guest_memfd: 2^63 is negative", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(1ULL << 63),
	  .want = EINVAL, NEEDS_GMEM },
	{ "guest_memfd: -4096", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(-PAGE), .want = EINVAL,
	  NEEDS_GMEM },
	{ "guest_memfd: flag 0", ON_SWP, KVM_CREATE_GUEST_MEMFD, GMEM(PAGE, .flags = 1), .want = EINVAL,
	  .later = -1, .later_why = "6.18: flag 0 is GUEST_MEMFD_FLAG_MMAP" },
	{ "guest_memfd: flag 1", ON_SWP, KVM_CREATE_GUEST_MEMFD, GMEM(PAGE, .flags = 2), .want = EINVAL },
	{ "guest_memfd: flag 2", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(PAGE, .flags = 4),
	  .want = EINVAL, NEEDS_GMEM },
	{ "guest_memfd: flag 63", ON_BARE, KVM_CREATE_GUEST_MEMFD, GMEM(PAGE, .flags = 1ULL << 63),
	  .want = EINVAL, NEEDS_GMEM },

	{ "a vCPU's registers on a VM", ON_VM, KVM_SET_REGS, ARG(struct kvm_regs, 0), .want = ENOTTY },
	{ "a vCPU's run on a VM", ON_VM, KVM_RUN, .want = ENOTTY },
	{ "a vCPU's prefault on a VM", ON_VM, KVM_PRE_FAULT_MEMORY,
	  ARG(struct kvm_pre_fault_memory, .size = PAGE), .want = ENOTTY },
	{ "a vCPU's state on a VM", ON_VM, KVM_GET_MP_STATE, ARG(struct kvm_mp_state, 0),
	  .want = ENOTTY },
	{ "the system's version on a VM", ON_VM, KVM_GET_API_VERSION, .want = ENOTTY },
	{ "a VM on a VM", ON_VM, KVM_CREATE_VM, .want = ENOTTY },
	{ "the system's CPUID on a VM", ON_VM, KVM_GET_SUPPORTED_CPUID, ARG(struct kvm_cpuid2, 0),
	  .want = ENOTTY },
	{ "a VM's ioctl on /dev/kvm", ON_DEV, KVM_CREATE_IRQCHIP, .want = EINVAL },
	{ "a vCPU on /dev/kvm", ON_DEV, KVM_CREATE_VCPU, .want = EINVAL },
	{ "a VM's region on /dev/kvm", ON_DEV, KVM_SET_USER_MEMORY_REGION,
	  ARG(struct kvm_userspace_memory_region, 0), .want = EINVAL },
	{ "a VM's attributes on /dev/kvm", ON_DEV, KVM_SET_MEMORY_ATTRIBUTES,
	  ARG(struct kvm_memory_attributes, .size = PAGE), .want = EINVAL },
	{ "a vCPU's run on /dev/kvm", ON_DEV, KVM_RUN, .want = EINVAL },
	{ "enabling on /dev/kvm", ON_DEV, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_EXIT_HYPERCALL, .args = { 1 << 12 }), .want = EINVAL },
	{ "a question to a guest_memfd", ON_GMEM, KVM_CHECK_EXTENSION, .value = 3, .want = ENOTTY },
	{ "attributes on a guest_memfd", ON_GMEM, KVM_SET_MEMORY_ATTRIBUTES,
	  ARG(struct kvm_memory_attributes, .size = PAGE), .want = ENOTTY },
	{ "a vCPU on a guest_memfd", ON_GMEM, KVM_CREATE_VCPU, .want = ENOTTY },
};

const struct row_table vm_rows = { rows, sizeof(rows) / sizeof(rows[0]) };
