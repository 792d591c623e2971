/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* errno_rows_state.c - a vCPU's state and its debugging; MSR filters and exits. */
#include "errno_rows.h"
#include "kvm_user.h"

#include <string.h>

struct cpuid2_5 {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[5];
};

struct old_cpuid_2 {
	struct kvm_cpuid head;
	struct kvm_cpuid_entry entries[2];
};

#define MXCSR_AT	24
#define XSTATE_BV_AT	512
#define XCOMP_BV_AT	520
#define XRESERVED_AT	528

#define AT(type, field, val) \
	{ offsetof(type, field), sizeof(((type *)0)->field), (val) }
#define FILLED(text, set, get, type, expected, ...) \
	{ text, ON_VCPU, set, .size = sizeof(type), .fill = get, .poke = { __VA_ARGS__ }, \
	  .want = expected }
#define XSAVE(text, expected, ...) \
	FILLED("XSAVE: " text, KVM_SET_XSAVE, KVM_GET_XSAVE, struct kvm_xsave, expected, __VA_ARGS__)
#define DR(text, expected, ...) \
	FILLED("debug registers: " text, KVM_SET_DEBUGREGS, KVM_GET_DEBUGREGS, \
	       struct kvm_debugregs, expected, __VA_ARGS__)
#define EVENTS(text, expected, ...) \
	FILLED("events: " text, KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, \
	       struct kvm_vcpu_events, expected, __VA_ARGS__)
#define EV(field, val)	AT(struct kvm_vcpu_events, field, val)
#define SREGS2(text, expected, ...) \
	FILLED("sregs2: " text, KVM_SET_SREGS2, KVM_GET_SREGS2, struct kvm_sregs2, expected, \
	       __VA_ARGS__)
#define S2(field, val)	AT(struct kvm_sregs2, field, val)
#define XCRS(text, expected, ...) \
	{ "XCRs: " text, ON_VCPU, KVM_SET_XCRS, ARG(struct kvm_xcrs, __VA_ARGS__), .want = expected }
#define MCE(text, expected, ...) \
	{ "machine check: " text, ON_VCPU, KVM_X86_SET_MCE, ARG(struct kvm_x86_mce, __VA_ARGS__), \
	  .want = expected }
#define FILTER(text, expected, ...) \
	{ "MSR filter: " text, ON_BARE, KVM_X86_SET_MSR_FILTER, \
	  ARG(struct kvm_msr_filter, __VA_ARGS__), .want = expected, .cap = KVM_CAP_X86_MSR_FILTER }
/* KVM_SET_PMU_EVENT_FILTER with room for one event, and for as many as there may be. */
struct pmu_1 { struct kvm_pmu_event_filter head; __u64 event; };
struct pmu_300 { struct kvm_pmu_event_filter head; __u64 event[300]; };
#define PMU(text, expected, ...) \
	{ "PMU filter: " text, ON_BARE, KVM_SET_PMU_EVENT_FILTER, \
	  ARG(struct pmu_1, __VA_ARGS__), .want = expected, .cap = KVM_CAP_PMU_EVENT_FILTER }
#define PMU_MASKED(text, expected, code) \
	PMU(text, expected, { .nevents = 1, .flags = KVM_PMU_EVENT_FLAG_MASKED_EVENTS }, code)
#define CAP(...)	ARG(struct kvm_enable_cap, __VA_ARGS__)
#define DEBUG(...)	ARG(struct kvm_guest_debug, __VA_ARGS__)

static int queue_db(struct machine *m)
{
	struct kvm_guest_debug d = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB,
	};

	return (int)kvm_ioctlp(machine_fd(m, ON_VCPU), KVM_SET_GUEST_DEBUG, &d);
}

static bool translated_as_it_is(struct machine *m, const void *arg)
{
	const struct kvm_translation *t = arg;

	(void)m;
	return t->valid && t->physical_address == 0x1234 && t->writeable && !t->usermode;
}

static bool one_leaf(struct machine *m, const void *arg)
{
	struct cpuid2_5 c = { .head.nent = 5 };

	(void)arg;
	return !kvm_ioctlp(machine_fd(m, ON_VCPU), KVM_GET_CPUID2, &c) && c.head.nent == 1 &&
	       c.entries[0].function == 1;
}

static int ones_in_memory(struct machine *m)
{
	(void)m;
	memset((void *)ROW_HVA, 0xff, 8);
	return 0;
}

static bool offset_in_memory(struct machine *m, const void *arg)
{
	uint64_t v;

	(void)m;
	(void)arg;
	memcpy(&v, (const void *)ROW_HVA, 8);
	return v != ~0ull;
}

static bool three_leaves(struct machine *m, const void *arg)
{
	const struct cpuid2_5 *c = arg;

	(void)m;
	return c->head.nent == 3 && c->entries[0].eax == 7 && c->entries[1].ecx == 1u << 22;
}

static bool one_xcr(struct machine *m, const void *arg)
{
	const struct kvm_xcrs *x = arg;

	(void)m;
	return x->nr_xcrs == 1 && x->xcrs[0].xcr == 0 && x->xcrs[0].value == 1;
}

static bool pdptrs_not_valid(struct machine *m, const void *arg)
{
	(void)m;
	return ((const struct kvm_sregs2 *)arg)->flags == 0;
}

static bool nothing_pending(struct machine *m, const void *arg)
{
	const struct kvm_vcpu_events *e = arg;

	(void)m;
	return !e->exception.injected && !e->exception.pending && !e->interrupt.injected &&
	       e->flags == (KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
			    KVM_VCPUEVENT_VALID_SMM);
}

static bool has_a_cap(struct machine *m, const void *arg)
{
	(void)m;
	return (*(const __u64 *)arg & 0x1000100) == 0x1000100;	/* CTL_P, SER_P */
}

#define ATTR(text, ioctl, error, ...)						\
	{ "attribute: " text, ON_VCPU, ioctl, ARG(struct kvm_device_attr, __VA_ARGS__), .want = (error) }

static const struct row rows[] = {
	{ "XSAVE can be read", ON_VCPU, KVM_GET_XSAVE, ARG(struct kvm_xsave, { 0 }) },
	{ "XSAVE can be read the new way", ON_VCPU, KVM_GET_XSAVE2, ARG(struct kvm_xsave, { 0 }),
	  .cap = KVM_CAP_XSAVE2 },
	XSAVE("the same again", 0, { 0 }),
	XSAVE("a component that nobody has", EINVAL, { XSTATE_BV_AT, 8, 1ULL << 62 }),
	XSAVE("the compacted format", EINVAL, { XCOMP_BV_AT, 8, 1ULL << 63 }),
	XSAVE("a reserved word of the header", EINVAL, { XRESERVED_AT, 8, 1 }),
	XSAVE("a reserved bit of MXCSR", EINVAL, { XSTATE_BV_AT, 8, 2 }, { MXCSR_AT, 4, 1 << 16 }),
	XSAVE("MXCSR is not looked at when nothing is in use", 0, { XSTATE_BV_AT, 8, 0 },
	      { MXCSR_AT, 4, 1 << 16 }),

	{ "XCRs can be read", ON_VCPU, KVM_GET_XCRS, ARG(struct kvm_xcrs, 0), .after = one_xcr },
	XCRS("x87 alone", 0, 1, 0, { { 0, 0, 1 } }),
	XCRS("none", 0, 0),
	XCRS("one that there is not", 0, 1, 0, { { 1, 0, ~0ULL } }),
	XCRS("17 of them", EINVAL, 17),
	XCRS("flags", EINVAL, 1, 1, { { 0, 0, 1 } }),
	XCRS("without x87", EINVAL, 1, 0, { { 0, 0, 2 } }),
	XCRS("AVX without SSE", EINVAL, 1, 0, { { 0, 0, 5 } }),
	XCRS("more than CPUID has", EINVAL, 1, 0, { { 0, 0, 3 } }),

	DR("the same again", 0, { 0 }),
	DR("flags", EINVAL, AT(struct kvm_debugregs, flags, 1)),
	DR("DR6 has 32 bits", EINVAL, AT(struct kvm_debugregs, dr6, 1ULL << 32)),
	DR("DR7 has 32 bits", EINVAL, AT(struct kvm_debugregs, dr7, 1ULL << 63)),
	{ "debug registers can be read", ON_VCPU, KVM_GET_DEBUGREGS, ARG(struct kvm_debugregs, { 0 }) },
	{ "floating point can be read", ON_VCPU, KVM_GET_FPU, ARG(struct kvm_fpu, { { 0 } }) },
	{ "floating point: anything is taken", ON_VCPU, KVM_SET_FPU,
	  ARG(struct kvm_fpu, .fcw = 0xffff, .ftwx = 0xff) },

	{ "events can be read", ON_VCPU, KVM_GET_VCPU_EVENTS, ARG(struct kvm_vcpu_events, { 0 }),
	  .after = nothing_pending },
	EVENTS("the same again", 0, { 0 }),
	EVENTS("an unknown flag", EINVAL, EV(flags, 0x40)),
	EVENTS("a payload that was not asked for", EINVAL, EV(flags, KVM_VCPUEVENT_VALID_PAYLOAD)),
	EVENTS("exception 32", EINVAL, EV(exception.injected, 1), EV(exception.nr, 32)),
	EVENTS("exception 2 is the NMI", EINVAL, EV(exception.injected, 1), EV(exception.nr, 2)),
	EVENTS("exception 32 that is not", 0, EV(exception.nr, 32)),
	EVENTS("pending without payload counts for nothing", 0, EV(exception.pending, 1),
	       EV(exception.nr, 32)),
	EVENTS("system management mode", EINVAL, EV(flags, KVM_VCPUEVENT_VALID_SMM), EV(smi.smm, 1)),
	EVENTS("an SMI", EINVAL, EV(flags, KVM_VCPUEVENT_VALID_SMM), EV(smi.pending, 1)),
	EVENTS("a triple fault that was not asked for", EINVAL,
	       EV(flags, KVM_VCPUEVENT_VALID_TRIPLE_FAULT)),

	{ "sregs2 can be read", ON_VCPU, KVM_GET_SREGS2, ARG(struct kvm_sregs2, { 0 }),
	  .after = pdptrs_not_valid },
	SREGS2("the same again", 0, { 0 }),
	SREGS2("an unknown flag", EINVAL, S2(flags, 2)),
	SREGS2("pointers outside PAE paging", EINVAL, S2(flags, KVM_SREGS2_FLAGS_PDPTRS_VALID)),
	SREGS2("pointers in long mode", EINVAL, S2(flags, KVM_SREGS2_FLAGS_PDPTRS_VALID),
	       S2(cr0, 0x80000011), S2(efer, 0x500)),
	SREGS2("a reserved bit of CR4", EINVAL, S2(cr4, 1ULL << 31)),

	{ "debugging: off", ON_VCPU, KVM_SET_GUEST_DEBUG, DEBUG(0) },
	{ "debugging: everything", ON_VCPU, KVM_SET_GUEST_DEBUG,
	  DEBUG(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP |
		KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_BLOCKIRQ) },
	{ "debugging: bits that nobody knows", ON_VCPU, KVM_SET_GUEST_DEBUG, DEBUG(1U << 31) },
	{ "debugging: a second exception", ON_VCPU, KVM_SET_GUEST_DEBUG,
	  DEBUG(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP), .before = queue_db, .want = EBUSY },
	{ "an address is translated", ON_VCPU, KVM_TRANSLATE, ARG(struct kvm_translation, 0x1234),
	  .after = translated_as_it_is },

	{ "machine checks: no bank", ON_VCPU, KVM_X86_SETUP_MCE, ARG(__u64, 1 << 8), .want = EINVAL },
	{ "machine checks: 33 banks", ON_VCPU, KVM_X86_SETUP_MCE, ARG(__u64, 33), .want = EINVAL },
	{ "machine checks: unknown", ON_VCPU, KVM_X86_SETUP_MCE, ARG(__u64, 1ULL << 40 | 10),
	  .want = EINVAL },
	{ "machine checks: ten banks", ON_VCPU, KVM_X86_SETUP_MCE, ARG(__u64, 1 << 8 | 10) },
	{ "machine checks can be asked", ON_DEV, KVM_X86_GET_MCE_CAP_SUPPORTED, ARG(__u64, 0),
	  .after = has_a_cap },
	MCE("bank 32", EINVAL, .status = 1ULL << 63, .bank = 32),
	MCE("not valid", EINVAL, .status = 1, .bank = 0),
	MCE("a corrected one", 0, .status = 1ULL << 63, .bank = 31),

	{ "a vCPU's capability: flags", ON_VCPU, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .flags = 1), .want = EINVAL },
	{ "a vCPU's capability: a VM's", ON_VCPU, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_EXCEPTION_PAYLOAD), .want = EINVAL },
	{ "a vCPU's capability", ON_VCPU, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 }) },
	{ "no system management interrupt", ON_VCPU, KVM_SMI, .want = ENOTTY, .later = 0,
	  .later_why = "a kernel with CONFIG_KVM_SMM has it" },

	{ "old CPUID: 257 entries", ON_VCPU, KVM_SET_CPUID, ARG(struct old_cpuid_2, { .nent = 257 }),
	  .want = E2BIG },
	{ "old CPUID: one entry", ON_VCPU, KVM_SET_CPUID,
	  ARG(struct old_cpuid_2, { .nent = 1 }, { { .function = 1 } }), .after = one_leaf },
	ATTR("there is the TSC's offset", KVM_HAS_DEVICE_ATTR, 0, .addr = 8),
	ATTR("there is nothing else", KVM_HAS_DEVICE_ATTR, ENXIO, .attr = 1),
	ATTR("there is no other group", KVM_HAS_DEVICE_ATTR, ENXIO, .group = 1),
	{ "attribute: read", ON_VCPU, KVM_GET_DEVICE_ATTR, ARG(struct kvm_device_attr, .addr = ROW_HVA),
	  .before = ones_in_memory, .after = offset_in_memory },
	ATTR("read to nowhere", KVM_GET_DEVICE_ATTR, EFAULT, .addr = 8),
	ATTR("read, of another", KVM_GET_DEVICE_ATTR, ENXIO, .addr = ROW_HVA, .attr = 1),
	ATTR("written from nowhere", KVM_SET_DEVICE_ATTR, EFAULT, .addr = 8),
	ATTR("written, another", KVM_SET_DEVICE_ATTR, ENXIO, .addr = ROW_HVA, .group = 1),
	{ "emulated CPUID: no room", ON_DEV, KVM_GET_EMULATED_CPUID,
	  ARG(struct cpuid2_5, { .nent = 0 }), .want = E2BIG },
	{ "emulated CPUID: room for its three", ON_DEV, KVM_GET_EMULATED_CPUID,
	  ARG(struct cpuid2_5, { .nent = 3 }), .want = E2BIG },
	{ "emulated CPUID: room for one more", ON_DEV, KVM_GET_EMULATED_CPUID,
	  ARG(struct cpuid2_5, { .nent = 4 }), .after = three_leaves },
	{ "emulated CPUID: padding", ON_DEV, KVM_GET_EMULATED_CPUID,
	  ARG(struct cpuid2_5, { .nent = 5 }, { { .padding = { 0, 1 } } }), .want = EINVAL },

	FILTER("none", 0, 0),
	FILTER("an unknown flag", EINVAL, 2),
	FILTER("everything denied, and no range", EINVAL, KVM_MSR_FILTER_DEFAULT_DENY),
	FILTER("a range for nothing", EINVAL, 0, { { 0, 1, 0x10, (__u8 *)ROW_HVA } }),
	FILTER("an unknown flag of a range", EINVAL, 0, { { 4, 1, 0x10, (__u8 *)ROW_HVA } }),
	FILTER("too many", EINVAL, 0, { { 1, 0x600 * 8 + 1, 0, (__u8 *)ROW_HVA } }),
	FILTER("as many as can be", 0, 0, { { 1, 0x600 * 8, 0, (__u8 *)ROW_HVA } }),
	FILTER("no bitmap", EFAULT, 0, { { 1, 1, 0x10, NULL } }),
	FILTER("the last of all", 0, 1, { [15] = { 3, 1, 0x10, (__u8 *)ROW_HVA } }),
	PMU("nothing", 0, { 0 }),
	PMU("an unknown action", EINVAL, { .action = 2 }),
	PMU("an unknown flag", EINVAL, { .flags = 2 }),
	PMU("one event", 0, { .nevents = 1, .action = KVM_PMU_EVENT_DENY }, 0xffff),
	PMU("what can match nothing", 0, { .nevents = 1 }, ~0ULL),
	PMU("an unknown action before too many", EINVAL, { .action = 2, .nevents = 301 }),
	PMU("an unknown flag before too many", EINVAL, { .flags = 2, .nevents = 301 }),
	PMU("too many", E2BIG, { .nevents = 301 }),
	{ "PMU filter: as many as can be", ON_BARE, KVM_SET_PMU_EVENT_FILTER,
	  ARG(struct pmu_300, { .nevents = 300 }), .cap = KVM_CAP_PMU_EVENT_FILTER },
	PMU_MASKED("a masked event", 0, 0xff800000000000ffULL | 0xff00),
	PMU_MASKED("a bit between masks", EINVAL, 1ULL << 54),
	PMU_MASKED("a bit beside the unit mask", EINVAL, 1ULL << 16),
	PMU_MASKED("a bit above AMD's event select", EINVAL, 1ULL << 36),
	{ "MSR exits: an unknown reason", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { 8 }), .want = EINVAL },
	{ "MSR exits", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { 7 }) },
	{ "a limit of ids after the first vCPU", ON_VM, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_MAX_VCPU_ID, .args = { 8 }), .want = EINVAL },
	{ "the limit of ids that it has", ON_VM, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_MAX_VCPU_ID, .args = { 4096 }) },
	{ "exits that there are not", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_X86_DISABLE_EXITS, .args = { 1 << 30 }), .want = EINVAL },
	{ "exits taken away", ON_BARE, KVM_ENABLE_CAP,
	  CAP(.cap = KVM_CAP_X86_DISABLE_EXITS, .args = { KVM_X86_DISABLE_EXITS_PAUSE }) },
};

const struct row_table state_rows = { rows, sizeof(rows) / sizeof(rows[0]) };
