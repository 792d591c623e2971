/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * caps.c - KVM_CHECK_EXTENSION and KVM_ENABLE_CAP, one row each.
 *
 * A capability that is not here is not offered, whatever a kernel would say
 * (spec kvm.md 1.11).
 */
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>

#include "softcvm/identity.h"
#include "softcvm/uapi/kvm_para.h"
#include "base/bits.h"
#include "hw/insn/machine.h"
#include "kvm/gmem/gmem.h"
#include "kvm/irq/irq.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/irqchip.h"
#include "kvm/vm/vm.h"
#include "os/process.h"

/* The last two cannot be seen here: no memory has a type, no guest is nested. */
#define SUPPORTED_QUIRKS						\
	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_CD_NW_CLEARED |	\
	 KVM_X86_QUIRK_LAPIC_MMIO_HOLE | KVM_X86_QUIRK_OUT_7E_INC_RIP |	\
	 KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | KVM_X86_QUIRK_FIX_HYPERCALL_INSN | \
	 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS | KVM_X86_QUIRK_SLOT_ZAP_ALL | \
	 KVM_X86_QUIRK_STUFF_FEATURE_MSRS | KVM_X86_QUIRK_IGNORE_GUEST_PAT | \
	 KVM_X86_QUIRK_VMCS12_ALLOW_FREEZE_IN_SMM)
#define EXIT_HYPERCALLS	BIT(KVM_HC_MAP_GPA_RANGE)
#define GUEST_DEBUG							\
	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP | \
	 KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP | \
	 KVM_GUESTDBG_BLOCKIRQ)
#define MSR_EXITS							\
	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER)
#define EXITS_TO_DISABLE						\
	(KVM_X86_DISABLE_EXITS_MWAIT | KVM_X86_DISABLE_EXITS_HLT |	\
	 KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_CSTATE)

typedef int (*cap_value)(const struct kvm_module *module, const struct kvm *kvm);

struct cap_row {
	long		cap;
	int		value;		/* when @fn is NULL */
	cap_value	fn;
	unsigned	since;		/* KERNEL_ABI(), 0: always */
};

static int nr_vcpus(const struct kvm_module *module, const struct kvm *kvm)
{
	return MIN(os_nr_cpus(), (unsigned)KVM_MAX_VCPUS_LIMIT);
}

static int address_spaces(const struct kvm_module *module, const struct kvm *kvm)
{
	return kvm ? (int)kvm->nr_address_spaces : KVM_MAX_ADDRESS_SPACES;
}

static int readonly_mem(const struct kvm_module *module, const struct kvm *kvm)
{
	return !kvm || !kvm->has_protected_state;
}

static int sync_regs(const struct kvm_module *module, const struct kvm *kvm)
{
	return kvm && kvm->has_protected_state ? 0 : KVM_SYNC_X86_VALID_FIELDS;
}

static int memory_attributes(const struct kvm_module *module, const struct kvm *kvm)
{
	return !kvm || kvm->has_private_mem ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
}

static int guest_memfd(const struct kvm_module *module, const struct kvm *kvm)
{
	return !kvm || kvm->has_private_mem || module->abi >= KERNEL_ABI_6_18;
}

static int guest_memfd_flags(const struct kvm_module *module, const struct kvm *kvm)
{
	return kvm_gmem_valid_flags(module, kvm);
}

static int vm_types(const struct kvm_module *module, const struct kvm *kvm)
{
	return module->vm_types;
}

static int smaller_maxphyaddr(const struct kvm_module *module, const struct kvm *kvm)
{
	/* AMD's has nested paging, and then never. */
	return hw_config(module->hw)->vendor == HW_VENDOR_INTEL &&
	       module->params.allow_smaller_maxphyaddr;
}

static int instructions(const struct kvm_module *module, const struct kvm *kvm)
{
	uint32_t nr_vcpus = kvm ? atomic32_load_acquire(&kvm->nr_vcpus) : 0;
	uint64_t n = 0;

	for (uint32_t i = 0; i < nr_vcpus; i++)
		n += sync_count_read(&kvm_get_vcpu((struct kvm *)kvm, i)->nr_instructions);
	return MIN(n, (uint64_t)INT_MAX);
}

static const struct cap_row caps[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_VAPIC, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_NR_VCPUS, .fn = nr_vcpus },
	{ KVM_CAP_NR_MEMSLOTS, KVM_USER_MEM_SLOTS },
	{ KVM_CAP_PIT, 1 },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_IRQ_ROUTING, KVM_MAX_IRQ_ROUTES },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_MCE, VCPU_MAX_MCE_BANKS },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_ENABLE_CAP, 1 },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_XCRS, 1 },
	{ KVM_CAP_SYNC_REGS, .fn = sync_regs },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_TSC_CONTROL, 1 },
	{ KVM_CAP_VM_TSC_CONTROL, 1 },
	{ KVM_CAP_ADJUST_CLOCK,
	  KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_STEAL_TIME, 1 },
	{ KVM_CAP_MAX_VCPUS, KVM_MAX_VCPUS_LIMIT },
	{ KVM_CAP_READONLY_MEM, .fn = readonly_mem },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_DISABLE_QUIRKS, 1 },
	{ KVM_CAP_MULTI_ADDRESS_SPACE, .fn = address_spaces },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_X2APIC_API, X2APIC_API_FLAGS },
	{ KVM_CAP_MAX_VCPU_ID, KVM_MAX_VCPU_IDS_LIMIT },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_LAST_CPU, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_PMU_EVENT_FILTER, 1 },
	{ KVM_CAP_PMU_EVENT_MASKED_EVENTS, 1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, GUEST_DEBUG },
	{ KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, 1 },
	{ KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, 1 },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_XSAVE2, sizeof(struct kvm_xsave) },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_X86_DISABLE_EXITS, EXITS_TO_DISABLE },
	{ KVM_CAP_SMALLER_MAXPHYADDR, .fn = smaller_maxphyaddr },
	{ KVM_CAP_EXIT_HYPERCALL, EXIT_HYPERCALLS },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1 },
	{ KVM_CAP_DISABLE_QUIRKS2, SUPPORTED_QUIRKS },
	{ KVM_CAP_VM_DISABLE_NX_HUGE_PAGES, 1 },
	{ KVM_CAP_USER_MEMORY2, 1 },
	{ KVM_CAP_MEMORY_FAULT_INFO, 1 },
	{ KVM_CAP_MEMORY_ATTRIBUTES, .fn = memory_attributes },
	{ KVM_CAP_GUEST_MEMFD, .fn = guest_memfd },
	{ KVM_CAP_GUEST_MEMFD_FLAGS, .fn = guest_memfd_flags, .since = KERNEL_ABI_6_18 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_COALESCED_MMIO, KVM_COALESCED_MMIO_PAGE_OFFSET },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_DEVICE_CTRL, 1 },
	{ KVM_CAP_SYS_ATTRIBUTES, 1 },
	{ KVM_CAP_VM_TYPES, .fn = vm_types },
	{ KVM_CAP_PRE_FAULT_MEMORY, 1 },
	{ KVM_CAP_X86_APIC_BUS_CYCLES_NS, APIC_BUS_CYCLE_NS },
	{ KVM_CAP_SOFTCVM, SOFTCVM_VERSION },
	{ KVM_CAP_SOFTCVM_INSTRUCTIONS, .fn = instructions },
};

int kvm_check_extension(const struct kvm_module *module, const struct kvm *kvm, long ext)
{
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
		const struct cap_row *c = &caps[i];

		if (c->cap != ext)
			continue;
		if (module->abi < c->since)
			return 0;
		return c->fn ? c->fn(module, kvm) : c->value;
	}
	return 0;
}

/*
 * The set takes the place of the one before, as 6.12 did when it came out and its
 * monitor_mwait_test expects; later updates of it only ever add.
 */
static int enable_quirks(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	kvm->disabled_quirks = cap->args[0] & SUPPORTED_QUIRKS;
	return 0;
}

static int enable_quirks2(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	if (cap->args[0] & ~(uint64_t)SUPPORTED_QUIRKS)
		return -EINVAL;
	return enable_quirks(kvm, cap);
}

static int enable_exit_hypercall(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	if (cap->args[0] & ~EXIT_HYPERCALLS)
		return -EINVAL;
	kvm->caps.exit_hypercalls = cap->args[0];
	return 0;
}

static int enable_emulation_exit(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	if (cap->args[0] & ~1ull)
		return -EINVAL;
	kvm->caps.exit_on_emulation_error = cap->args[0];
	return 0;
}

static int enable_platform_info(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	kvm->caps.hide_platform_info = !cap->args[0];
	return 0;
}

static int enable_exception_payload(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	kvm->caps.exception_payload = cap->args[0];
	return 0;
}

static int enable_triple_fault_event(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	kvm->caps.triple_fault_event = cap->args[0];
	return 0;
}

static int enable_user_space_msr(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	if (cap->args[0] & ~(uint64_t)MSR_EXITS)
		return -EINVAL;
	kvm->caps.user_space_msr = cap->args[0];
	return 0;
}

/* Each can be taken away, none comes back. */
static int enable_disabled_exits(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	if (cap->args[0] & ~(uint64_t)EXITS_TO_DISABLE)
		return -EINVAL;
	if (kvm->module->abi >= KERNEL_ABI_6_18 && atomic32_load(&kvm->created_vcpus))
		return -EINVAL;
	kvm->caps.disabled_exits |= cap->args[0];
	return 0;
}

/* Once, before the boot CPU's id would be out of range; the same again is fine. */
static int enable_max_vcpu_id(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	uint64_t max = cap->args[0];

	if (max > KVM_MAX_VCPU_IDS_LIMIT || kvm->caps.bsp_vcpu_id > max)
		return -EINVAL;
	if (kvm->max_vcpu_ids && kvm->max_vcpu_ids != max)
		return -EINVAL;
	kvm->max_vcpu_ids = max;
	return 0;
}

/* A guest that may change the size of what it executes could stop the host. */
static int enable_huge_executable(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	if (!os_has_capability(CAP_SYS_BOOT))
		return -EPERM;
	if (cap->args[0] || atomic32_load(&kvm->created_vcpus))
		return -EINVAL;
	kvm->caps.nx_huge_pages_off = true;
	return 0;
}

static const struct {
	uint32_t cap;
	int	 (*enable)(struct kvm *kvm, const struct kvm_enable_cap *cap);
} enablers[] = {
	{ KVM_CAP_DISABLE_QUIRKS, enable_quirks },
	{ KVM_CAP_DISABLE_QUIRKS2, enable_quirks2 },
	{ KVM_CAP_EXIT_HYPERCALL, enable_exit_hypercall },
	{ KVM_CAP_EXIT_ON_EMULATION_FAILURE, enable_emulation_exit },
	{ KVM_CAP_MAX_VCPU_ID, enable_max_vcpu_id },
	{ KVM_CAP_MSR_PLATFORM_INFO, enable_platform_info },
	{ KVM_CAP_EXCEPTION_PAYLOAD, enable_exception_payload },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, enable_triple_fault_event },
	{ KVM_CAP_X86_USER_SPACE_MSR, enable_user_space_msr },
	{ KVM_CAP_X86_DISABLE_EXITS, enable_disabled_exits },
	{ KVM_CAP_VM_DISABLE_NX_HUGE_PAGES, enable_huge_executable },
	{ KVM_CAP_SPLIT_IRQCHIP, kvm_irq_split },
	{ KVM_CAP_X2APIC_API, kvm_irq_x2apic_api },
	{ KVM_CAP_X86_APIC_BUS_CYCLES_NS, kvm_irq_bus_cycle },
};

int kvm_vm_enable_cap(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	int r = -EINVAL;

	if (cap->flags)
		return -EINVAL;
	mutex_lock(&kvm->lock);
	for (size_t i = 0; i < ARRAY_SIZE(enablers); i++) {
		if (enablers[i].cap == cap->cap)
			r = enablers[i].enable(kvm, cap);
	}
	mutex_unlock(&kvm->lock);
	return r;
}
