/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* errno_rows_vcpu.c - vCPU ioctls. */
#include "errno_rows.h"
#include "kvm_user.h"

struct cpuid_2 {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[2];
};

struct msrs_2 {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[2];
};

struct sigmask_16 {
	__u32 len;
	__u8 set[16];
};

#define MSR_EFER	0xc0000080
#define MSR_LSTAR	0xc0000082
#define NO_SUCH_MSR	0xdeadbeef
#define APIC_AT		0xfee00000ULL

#define VAPIC(name, at, ...)						\
	{ name, ON_VCPU, KVM_SET_VAPIC_ADDR, ARG(struct kvm_vapic_addr, at), ##__VA_ARGS__ }

static int immediate_exit(struct machine *m)
{
	machine_run(m)->immediate_exit = 1;
	return 0;
}

static int one_cpuid_entry(struct machine *m)
{
	struct cpuid_2 c = { { .nent = 1 }, { { .function = 1 } } };

	return (int)kvm_ioctlp(machine_fd(m, ON_VCPU), KVM_SET_CPUID2, &c);
}

static bool one_entry(struct machine *m, const void *arg)
{
	const struct cpuid_2 *c = arg;

	(void)m;
	return c->head.nent == 1 && c->entries[0].function == 1;
}

static int make_private(struct machine *m)
{
	return (int)vm_attributes(machine_fd(m, ON_SWP), 0, 2 * PAGE, KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static bool two_pages_left(struct machine *m, const void *arg)
{
	const struct kvm_pre_fault_memory *p = arg;

	(void)m;
	return p->gpa == ROW_PAGES * PAGE && p->size == 2 * PAGE;
}

static bool all_done(struct machine *m, const void *arg)
{
	const struct kvm_pre_fault_memory *p = arg;

	(void)m;
	return p->gpa == ROW_PAGES * PAGE && p->size == 0;
}

static bool nothing_done(struct machine *m, const void *arg)
{
	const struct kvm_pre_fault_memory *p = arg;

	(void)m;
	return p->size == PAGE;
}

static bool lstar_is_canonical_zero(struct machine *m, const void *arg)
{
	struct msrs_2 r = { { .nmsrs = 1 }, { { .index = MSR_LSTAR } } };

	(void)arg;
	return kvm_ioctlp(machine_fd(m, ON_VCPU), KVM_GET_MSRS, &r) == 1 && !r.entries[0].data;
}

#define SREGS(field, val) \
	{ offsetof(struct kvm_sregs, field), sizeof(((struct kvm_sregs *)0)->field), (val) }
#define BAD_SREGS(text, ...) \
	{ "sregs: " text, ON_VCPU, KVM_SET_SREGS, .size = sizeof(struct kvm_sregs), \
	  .fill = KVM_GET_SREGS, .poke = { __VA_ARGS__ }, .want = EINVAL }
#define PREFAULT(where, text, ...) \
	{ "prefault: " text, where, KVM_PRE_FAULT_MEMORY, .cap = KVM_CAP_PRE_FAULT_MEMORY, \
	  __VA_ARGS__ }
#define RANGE(...)	ARG(struct kvm_pre_fault_memory, __VA_ARGS__)
#define NEEDS_SWP	.cap = KVM_CAP_MEMORY_ATTRIBUTES

static const struct row rows[] = {
	{ "run takes no argument", ON_VCPU, KVM_RUN, .value = 1, .want = EINVAL },
	{ "run, told to come back at once", ON_VCPU, KVM_RUN, .before = immediate_exit, .want = EINTR },

	{ "registers: any value is taken", ON_VCPU, KVM_SET_REGS,
	  ARG(struct kvm_regs, .rip = ~0ULL, .rsp = 1, .rflags = 2) },

	BAD_SREGS("paging without protection", SREGS(cr0, 0xe0000010)),
	BAD_SREGS("CR0 has 32 bits", SREGS(cr0, 0x160000010)),
	BAD_SREGS("NW without CD", SREGS(cr0, 0x20000010)),
	BAD_SREGS("LMA without paging", SREGS(efer, 0x400)),
	BAD_SREGS("LME and paging without LMA", SREGS(cr0, 0x80000011), SREGS(efer, 0x100),
		  SREGS(cr4, 0x20)),
	BAD_SREGS("long mode without PAE", SREGS(cr0, 0x80000011), SREGS(efer, 0x500)),
	BAD_SREGS("a 64-bit code segment outside long mode", SREGS(cs.l, 1)),
	BAD_SREGS("a reserved bit of CR4", SREGS(cr4, 1ULL << 31)),
	BAD_SREGS("an upper bit of CR4", SREGS(cr4, 1ULL << 40)),
	{ "sregs: a reserved bit of EFER", ON_VCPU, KVM_SET_SREGS, .size = sizeof(struct kvm_sregs),
	  .fill = KVM_GET_SREGS, .poke = { SREGS(efer, 2) }, .want = EINVAL, .later = -1,
	  .later_why = "the check came with updates of 6.12, some later releases lack it" },
	BAD_SREGS("a reserved bit of the APIC base", SREGS(apic_base, APIC_AT | 0x801)),
	BAD_SREGS("x2APIC without APIC", SREGS(apic_base, APIC_AT | 0x400)),
	BAD_SREGS("an APIC base beyond any address", SREGS(apic_base, 1ULL << 52 | 0x800)),
	{ "sregs: the same again", ON_VCPU, KVM_SET_SREGS, .size = sizeof(struct kvm_sregs),
	  .fill = KVM_GET_SREGS },

	{ "CPUID: 257 entries", ON_VCPU, KVM_SET_CPUID2, ARG(struct cpuid_2, { .nent = 257 }),
	  .want = E2BIG },
	{ "CPUID: 2^32-1 entries", ON_VCPU, KVM_SET_CPUID2, ARG(struct cpuid_2, { .nent = ~0U }),
	  .want = E2BIG },
	{ "CPUID: none", ON_VCPU, KVM_SET_CPUID2, ARG(struct cpuid_2, { .nent = 0 }) },
	{ "CPUID: 47 bits of virtual address", ON_VCPU, KVM_SET_CPUID2,
	  ARG(struct cpuid_2, { .nent = 1 }, { { .function = 0x80000008, .eax = 0x2f30 } }),
	  .want = EINVAL },
	{ "CPUID: 48 bits of virtual address", ON_VCPU, KVM_SET_CPUID2,
	  ARG(struct cpuid_2, { .nent = 1 }, { { .function = 0x80000008, .eax = 0x3030 } }) },
	{ "CPUID: no room to read one back", ON_VCPU, KVM_GET_CPUID2,
	  ARG(struct cpuid_2, { .nent = 0 }), .before = one_cpuid_entry, .want = E2BIG },
	{ "CPUID: room to read one back", ON_VCPU, KVM_GET_CPUID2,
	  ARG(struct cpuid_2, { .nent = 2 }), .before = one_cpuid_entry, .after = one_entry,
	  .later = -1, .later_why = "kvm_pvm adds entries of its own" },

	{ "state 12 is nobody's", ON_VCPU, KVM_SET_MP_STATE, ARG(struct kvm_mp_state, 12),
	  .want = EINVAL },
	{ "stopped is another architecture's", ON_VCPU, KVM_SET_MP_STATE,
	  ARG(struct kvm_mp_state, KVM_MP_STATE_STOPPED), .want = EINVAL },
	{ "state -1", ON_VCPU, KVM_SET_MP_STATE, ARG(struct kvm_mp_state, ~0U), .want = EINVAL },
	{ "halted", ON_VCPU, KVM_SET_MP_STATE, ARG(struct kvm_mp_state, KVM_MP_STATE_HALTED) },
	{ "halted needs an APIC", ON_BARE_VCPU, KVM_SET_MP_STATE,
	  ARG(struct kvm_mp_state, KVM_MP_STATE_HALTED), .want = EINVAL },
	{ "uninitialized needs an APIC", ON_BARE_VCPU, KVM_SET_MP_STATE,
	  ARG(struct kvm_mp_state, KVM_MP_STATE_UNINITIALIZED), .want = EINVAL },
	{ "runnable does not", ON_BARE_VCPU, KVM_SET_MP_STATE,
	  ARG(struct kvm_mp_state, KVM_MP_STATE_RUNNABLE) },

	{ "signal mask of 4 bytes", ON_VCPU, KVM_SET_SIGNAL_MASK, ARG(struct sigmask_16, 4),
	  .want = EINVAL },
	{ "signal mask of 16 bytes", ON_VCPU, KVM_SET_SIGNAL_MASK, ARG(struct sigmask_16, 16),
	  .want = EINVAL },
	{ "signal mask of 8 bytes", ON_VCPU, KVM_SET_SIGNAL_MASK, ARG(struct sigmask_16, 8) },

	{ "256 MSRs are too many to read", ON_VCPU, KVM_GET_MSRS,
	  ARG(struct msrs_2, { .nmsrs = 256 }), .want = E2BIG },
	{ "2^32-1 MSRs are too many to read", ON_VCPU, KVM_GET_MSRS,
	  ARG(struct msrs_2, { .nmsrs = ~0U }), .want = E2BIG },
	{ "256 MSRs are too many to write", ON_VCPU, KVM_SET_MSRS,
	  ARG(struct msrs_2, { .nmsrs = 256 }), .want = E2BIG },
	{ "reading stops at an unknown MSR", ON_VCPU, KVM_GET_MSRS,
	  ARG(struct msrs_2, { .nmsrs = 2 }, { { .index = MSR_EFER }, { .index = NO_SUCH_MSR } }),
	  .returns = 1 },
	{ "writing stops at an unknown MSR", ON_VCPU, KVM_SET_MSRS,
	  ARG(struct msrs_2, { .nmsrs = 2 },
	      { { .index = NO_SUCH_MSR, .data = 1 }, { .index = MSR_LSTAR, .data = 1 } }),
	  .after = lstar_is_canonical_zero },

	{ "a vCPU has a clock rate", ON_VCPU, KVM_GET_TSC_KHZ },
	{ "no APIC to read, whatever the pointer", ON_BARE_VCPU, KVM_GET_LAPIC, .want = EINVAL },
	{ "no APIC to write, whatever the pointer", ON_BARE_VCPU, KVM_SET_LAPIC, .want = EINVAL },

	{ "no APIC whose TPR could be elsewhere, whatever the pointer", ON_BARE_VCPU,
	  KVM_SET_VAPIC_ADDR, .want = EINVAL },
	VAPIC("the TPR in no slot", ROW_PAGES * PAGE, .want = EINVAL),
	VAPIC("the TPR over the end of a slot", ROW_PAGES * PAGE - 1, .want = EINVAL),
	VAPIC("the TPR over the end of memory", ~0ULL, .want = EINVAL),
	VAPIC("the TPR beyond any address", 1ULL << 63, .want = EINVAL),
	VAPIC("the TPR at the end of a slot", ROW_PAGES * PAGE - 4),
	VAPIC("the TPR over two pages", PAGE - 1),
	VAPIC("the TPR nowhere", 0),
	{ "flags of TPR reports", ON_VCPU, KVM_TPR_ACCESS_REPORTING,
	  ARG(struct kvm_tpr_access_ctl, .flags = 1), .want = EINVAL },
	{ "an upper flag of TPR reports", ON_VCPU, KVM_TPR_ACCESS_REPORTING,
	  ARG(struct kvm_tpr_access_ctl, .enabled = 1, .flags = 1U << 31), .want = EINVAL },
	{ "TPR reports on, reserved words filled", ON_VCPU, KVM_TPR_ACCESS_REPORTING,
	  ARG(struct kvm_tpr_access_ctl, .enabled = ~0U, .reserved = { 1, ~0U }) },
	{ "TPR reports need no APIC", ON_BARE_VCPU, KVM_TPR_ACCESS_REPORTING,
	  ARG(struct kvm_tpr_access_ctl, .enabled = 1) },

	PREFAULT(ON_VCPU, "flags", RANGE(.size = PAGE, .flags = 1), .want = EINVAL,
		 .after = nothing_done),
	PREFAULT(ON_VCPU, "an upper flag", RANGE(.size = PAGE, .flags = 1ULL << 63), .want = EINVAL),
	PREFAULT(ON_VCPU, "gpa is not aligned", RANGE(.gpa = 1, .size = PAGE), .want = EINVAL),
	PREFAULT(ON_VCPU, "size is not aligned", RANGE(.size = PAGE + 1), .want = EINVAL),
	PREFAULT(ON_VCPU, "size 0", RANGE(.gpa = 0), .want = EINVAL),
	PREFAULT(ON_VCPU, "the range wraps", RANGE(.gpa = -PAGE, .size = 2 * PAGE), .want = EINVAL),
	PREFAULT(ON_VCPU, "the range ends at 2^64", RANGE(.gpa = -PAGE, .size = PAGE), .want = EINVAL),
	PREFAULT(ON_VCPU, "padding is nobody's concern",
		 RANGE(.size = ROW_PAGES * PAGE, .padding = { ~0ULL, 1, 2, 3, 4 }), .after = all_done),
	PREFAULT(ON_VCPU, "no slot", RANGE(.gpa = 64 * PAGE, .size = PAGE), .want = ENOENT,
		 .after = nothing_done),
	PREFAULT(ON_VCPU, "what was done is told", RANGE(.size = (ROW_PAGES + 2) * PAGE),
		 .after = two_pages_left),
	PREFAULT(ON_SWP_VCPU, "a private page without guest_memfd", RANGE(.size = PAGE),
		 .before = make_private, .want = EFAULT, .after = nothing_done),
	PREFAULT(ON_SWP_VCPU, "a shared page", RANGE(.size = ROW_PAGES * PAGE), .after = all_done),
	PREFAULT(ON_SWP_VCPU, "the shared side of a guest_memfd slot",
		 RANGE(.gpa = ROW_GMEM_GPA, .size = PAGE)),

	{ "a VM's ioctl on a vCPU", ON_VCPU, KVM_CREATE_IRQCHIP, .want = EINVAL },
	{ "a VM's region on a vCPU", ON_VCPU, KVM_SET_USER_MEMORY_REGION,
	  ARG(struct kvm_userspace_memory_region, 0), .want = EINVAL },
	{ "a VM's attributes on a vCPU", ON_SWP_VCPU, KVM_SET_MEMORY_ATTRIBUTES,
	  ARG(struct kvm_memory_attributes, .size = PAGE), .want = EINVAL, NEEDS_SWP },
	{ "a VM's guest_memfd on a vCPU", ON_VCPU, KVM_CREATE_GUEST_MEMFD,
	  ARG(struct kvm_create_guest_memfd, PAGE), .want = EINVAL },
	{ "a vCPU on a vCPU", ON_VCPU, KVM_CREATE_VCPU, .value = 1, .want = EINVAL },
	{ "the system's version on a vCPU", ON_VCPU, KVM_GET_API_VERSION, .want = EINVAL },
	{ "the system's question on a vCPU", ON_VCPU, KVM_CHECK_EXTENSION,
	  .value = KVM_CAP_USER_MEMORY, .want = EINVAL },
	{ "a VM on a vCPU", ON_VCPU, KVM_CREATE_VM, .want = EINVAL },
};

const struct row_table vcpu_rows = { rows, sizeof(rows) / sizeof(rows[0]) };
