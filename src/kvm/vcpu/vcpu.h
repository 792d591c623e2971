/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vcpu.h - a virtual CPU: its state, its ioctls, its run loop.
 *
 * Everything in struct vcpu is protected by base.mutex (every vCPU ioctl holds
 * it) except what says otherwise.  Functions answer 0 or -errno; KVM_RUN's
 * inner steps answer 1 (go on in the guest), 0 (out to the VMM, kvm_run is
 * filled in) or -errno.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "softcvm/uapi/kvm.h"

#include "hw/insn/svm.h"
#include "hw/insn/vmx.h"
#include "kvm/core/kvm.h"
#include "kvm/host/pfncache.h"
#include "kvm/irq/lapic.h"
#include "kvm/vcpu/time.h"
#include "x86/state.h"

struct vcpu;
struct vcpu_backend;

/* Pages that the VMM maps: kvm_run, PIO data, coalesced MMIO. */
#define VCPU_PIO_PAGE_OFFSET	1
#define VCPU_RUN_PAGES		3

/*
 * What is on its way into the guest, as the kernel's vcpu->arch keeps it
 * (docs/design/interrupts.md).  "injected" says that delivery had begun when
 * guest mode ended, or begins at the next entry: at most one of the three is.
 */
struct vcpu_exception {
	bool		pending;	/* raised, delivery not begun */
	bool		injected;
	bool		has_error, has_payload;
	uint8_t		vector;
	uint32_t	error;
	uint64_t	payload;	/* CR2 or DR6, while @has_payload: not yet written there */
};

struct vcpu_interrupt {
	bool		injected;
	bool		soft;		/* INT n; else external */
	uint8_t		vector;
};

struct vcpu_events {
	struct vcpu_exception exception;
	struct vcpu_interrupt interrupt;
	bool		nmi_injected;
	uint8_t		nmi_pending;	/* at most 2 */
	uint8_t		insn_len;	/* of a soft event, on Intel */
	int16_t		external_vector;/* KVM_INTERRUPT with a split irqchip; -1: none */
};

/* MMIO that an instruction is doing: at most two pieces an access (a page boundary). */
#define VCPU_MAX_FRAGMENTS	2
#define VCPU_READ_CACHE		1024	/* bytes: what one instruction may read, or INS store */

struct vcpu_fragment {
	gpa_t		gpa;
	uint32_t	len;
	uint32_t	at;		/* into reads[] or writes[] */
};

/*
 * An instruction that reads MMIO is executed again for every answer: reads[]
 * has what all its loads got, in their order, memory's as well (as KVM's
 * mem_read cache).
 */
struct vcpu_mmio {
	bool		 is_write;
	bool		 read_completed;/* reads[] answers the instruction in insn[] */
	unsigned	 nr, cur;	/* fragments, and the one under way */
	uint32_t	 done;		/* bytes of it */
	struct vcpu_fragment frag[VCPU_MAX_FRAGMENTS];
	uint32_t	 nr_reads;	/* bytes */
	uint32_t	 nr_reading;	/* bytes of the load under way, after those */
	uint64_t	 rcx;		/* tells the elements of a repeated string apart */
	uint64_t	 rip;
	gpa_t		 gpa;		/* that the exit gave, or all ones */
	uint8_t		 insn[15], nr_insn;	/* decoded again, not fetched again */
	uint8_t		 reads[VCPU_READ_CACHE];
	uint8_t		 writes[VCPU_READ_CACHE];
};

struct vcpu_pio {
	bool		in;
	uint8_t		size;
	uint16_t	port;
	uint32_t	count;
	bool		answered;	/* INS: the element is in pio_data */
	uint64_t	linear_rip;	/* of the instruction */
};

#define VCPU_NR_VAR_MTRRS	8
#define VCPU_MAX_MCE_BANKS	32	/* KVM_MAX_MCE_BANKS */

/* Model-specific registers that no instruction reads by itself (msr.h). */
struct vcpu_msrs {
	uint64_t	microcode, platform_info, arch_capabilities, de_cfg;
	uint64_t	misc_features;	/* MISC_FEATURES_ENABLES */
	uint64_t	misc_enable, feature_control, hwcr, power_ctl, smi_count;
	uint64_t	spec_ctrl, virt_spec_ctrl, umwait_control;
	uint64_t	vm_cr, hsave_pa, osvw[2], sgx_hash[4];
	uint64_t	mtrr_variable[2 * VCPU_NR_VAR_MTRRS];
	uint64_t	mtrr_64k[1], mtrr_16k[2], mtrr_4k[8], mtrr_default;
	uint64_t	mcg_cap, mcg_status, mcg_ctl, mcg_ext_ctl;
	uint64_t	mce_banks[4 * VCPU_MAX_MCE_BANKS], mce_ctl2[VCPU_MAX_MCE_BANKS];
};

/* KVM_SET_GUEST_DEBUG (guest_debug.h). */
struct vcpu_debug {
	uint32_t	control;	/* KVM_GUESTDBG_*, 0: off */
	bool		armed;		/* a single step is asked for at @step_rip and from there on */
	bool		stepped;	/* KVM has finished an instruction that is to trap */
	uint64_t	step_rip;
	uint64_t	dr[4], dr7;	/* the VMM's breakpoints */
	uint64_t	guest_dr[4], guest_dr6, guest_dr7;	/* while those are in the state */
	uint64_t	exit_dr6;	/* as the processor left it */
};

struct vcpu {
	struct kvm_vcpu	base;
	struct x86_state state;
	const struct vcpu_backend *backend;
	unsigned	last_cpu;	/* index, ~0: never ran */
	bool		has_run;
	uint64_t	exits_at_put;	/* so many when it last left a processor */

	struct svm_control svm;
	struct svm_exit	 svm_exit;
	struct vmx_control vmx;
	struct vmx_exit	 vmx_exit;
	uint64_t	 next_rip;	/* after the instruction that exited */
	bool		 debug_swap;	/* SEV-ES: debug registers are the guest's own */

	struct kvm_cpuid_entry2 *cpuid;	/* owned, nr_cpuid entries */
	unsigned	 nr_cpuid;
	uint8_t		 maxphyaddr;	/* the guest's */

	uint32_t	 mp_state;	/* KVM_MP_STATE_* */
	bool		 halted;	/* in guest mode: KVM_X86_DISABLE_EXITS_HLT */
	struct vcpu_events events;
	struct vcpu_debug debug;
	uint64_t	 apic_base;
	bool		 has_vapic;	/* KVM_SET_VAPIC_ADDR */
	struct gfn_to_hva_cache vapic;	/* where that was */
	struct gfn_to_pfn_cache pv_time;	/* the guest's kvmclock; active while it is enabled */
	struct vcpu_msrs msr;
	struct guest_tsc tsc;
	struct vcpu_time time;
	uint64_t	 tsc_adjust;
	bool		 enforce_pv;	/* PV features only as CPUID says */

	/* What the next KVM_RUN has to finish first; NULL: nothing. */
	int		(*complete)(struct vcpu *v);
	struct vcpu_pio	 pio;
	struct vcpu_mmio mmio;
	struct emu_cache *emu_cache;	/* owned */

	uint8_t		*pio_data;	/* the page behind kvm_run */
	atomic64_t	 runner;	/* [a] thread inside KVM_RUN, as libc names it; 0: none */
	atomic32_t	 signal;	/* [a] a signal came for the runner */
	atomic32_t	 kicked;		/* [a] by another thread: outlasts the time between runs */
	bool		 wants_to_run;	/* immediate_exit, sampled once */
	bool		 has_signal_mask;	/* KVM_SET_SIGNAL_MASK: blocked inside KVM_RUN */
	uint64_t	 signal_mask;	/* bit n - 1 for signal n */
};

static inline struct vcpu *to_vcpu(struct kvm_vcpu *base)
{
	return container_of(base, struct vcpu, base);
}

/* An event of @v's machine (trace/events.def). */
#define VCPU_TRACE(v, name, ...) TRACE((v)->base.kvm->module->trace, name, __VA_ARGS__)
#define VCPU_IS_TRACED(v)	 TRACE_IS_ON((v)->base.kvm->module->trace)

/* Life.  The last put of the VM destroys its vCPUs. */
MUST_CHECK int vcpu_create(struct kvm *kvm, unsigned id, void *run_pages, struct vcpu **out);
void vcpu_destroy(struct vcpu *v);
void vcpu_reset(struct vcpu *v, bool init);	/* RESET, or INIT */

/* KVM_RUN.  -EINTR, -EFAULT, -EAGAIN, ... or 0. */
MUST_CHECK int vcpu_run(struct vcpu *v);

/*
 * Called by the front end's signal handler on the thread that is inside
 * vcpu_run(): the run ends with -EINTR soon.  Async-signal-safe.
 */
void vcpu_notify_signal(struct vcpu *v);

/* Registers (regs.c, sregs.c). */
void vcpu_get_regs(struct vcpu *v, struct kvm_regs *regs);
int vcpu_set_regs(struct vcpu *v, const struct kvm_regs *regs);
void vcpu_get_sregs(struct vcpu *v, struct kvm_sregs *sregs);
MUST_CHECK int vcpu_set_sregs(struct vcpu *v, const struct kvm_sregs *sregs);
void vcpu_get_sregs2(struct vcpu *v, struct kvm_sregs2 *sregs);
MUST_CHECK int vcpu_set_sregs2(struct vcpu *v, const struct kvm_sregs2 *sregs);
/* A debug register with its fixed bits put in order; false: #GP. */
MUST_CHECK bool vcpu_set_dr(struct vcpu *v, unsigned nr, uint64_t value);
void vcpu_get_fpu(const struct vcpu *v, struct kvm_fpu *fpu);
int vcpu_set_fpu(struct vcpu *v, const struct kvm_fpu *fpu);
void vcpu_get_debugregs(struct vcpu *v, struct kvm_debugregs *d);
MUST_CHECK int vcpu_set_debugregs(struct vcpu *v, const struct kvm_debugregs *d);
/* KVM_ENABLE_CAP on a vCPU: -EINVAL. */
MUST_CHECK int vcpu_enable_cap(struct vcpu *v, const struct kvm_enable_cap *cap);
/* KVM_TRANSLATE: the page tables as they are now. */
void vcpu_translate(struct vcpu *v, struct kvm_translation *t);
/* Events on their way (saved_events.c).  -EINVAL. */
void vcpu_get_events(struct vcpu *v, struct kvm_vcpu_events *events);
MUST_CHECK int vcpu_set_events(struct vcpu *v, const struct kvm_vcpu_events *events);
/*
 * KVM_CAP_SYNC_REGS: state that the VMM has put in kvm_run, before a run, and
 * what it wants to see there afterwards.  -EINVAL.
 */
MUST_CHECK int vcpu_sync_from_run(struct vcpu *v);
void vcpu_sync_to_run(struct vcpu *v);
/* The address that the next instruction is fetched from. */
uint64_t vcpu_linear_rip(const struct vcpu *v);
/* The local APIC's registers; v->base.lapic is there. */
MUST_CHECK int vcpu_get_lapic(const struct vcpu *v, struct kvm_lapic_state *state);
MUST_CHECK int vcpu_set_lapic(struct vcpu *v, const struct kvm_lapic_state *state);
/* KVM_SET_VAPIC_ADDR (vapic.c); the same condition, and SRCU.  -EINVAL: no memory there. */
MUST_CHECK int vcpu_set_vapic(struct vcpu *v, gpa_t gpa);
/* KVM_TPR_ACCESS_REPORTING.  -EINVAL. */
MUST_CHECK int vcpu_report_tpr(struct vcpu *v, const struct kvm_tpr_access_ctl *ctl);
uint32_t vcpu_get_mp_state(struct vcpu *v);
MUST_CHECK int vcpu_set_mp_state(struct vcpu *v, uint32_t state);

/* Control registers written by the guest: 0, or 1 for #GP. */
int vcpu_set_cr0(struct vcpu *v, uint64_t value);
int vcpu_set_cr3(struct vcpu *v, uint64_t value);
int vcpu_set_cr4(struct vcpu *v, uint64_t value);
int vcpu_set_cr8(struct vcpu *v, uint64_t value);

void vcpu_msrs_reset(struct vcpu *v);
/* As after KVM_X86_QUIRK_STUFF_FEATURE_MSRS is gone: the VMM fills them in. */
void vcpu_clear_feature_msrs(struct vcpu *v);
/* MSRs (msr.c).  0, or why not (enum msr_answer).  kvm->srcu for guests' accesses. */
int vcpu_get_msr(struct vcpu *v, uint32_t index, bool host, uint64_t *value);
int vcpu_set_msr(struct vcpu *v, uint32_t index, bool host, uint64_t value);
/* MISC_FEATURES_ENABLES: CPUID above ring 0 is #GP. */
bool vcpu_cpuid_faults(const struct vcpu *v);
/* MISC_ENABLE says that there is MONITOR. */
bool vcpu_misc_enable_mwait(const struct vcpu *v);
/* KVM_GET_MSR_INDEX_LIST and the feature list: how many; fills at most @max. */
unsigned vcpu_msr_list(const struct kvm_module *module, uint32_t *list, unsigned max);
unsigned vcpu_feature_msr_list(const struct kvm_module *module, uint32_t *list, unsigned max);
MUST_CHECK int vcpu_get_feature_msr(const struct kvm_module *module, uint32_t index,
				    uint64_t *value);

/* Faults (fault.c): what KVM_PRE_FAULT_MEMORY and every nested fault use. */
MUST_CHECK int vcpu_page_fault(struct vcpu *v, gpa_t gpa, uint64_t error_code);
MUST_CHECK int vcpu_prefault(struct vcpu *v, struct kvm_pre_fault_memory *range);

/* Events (event.c). */
/* Everything "injected" has been delivered, or is taken back by the backend. */
void vcpu_events_delivered(struct vcpu *v);
/* KVM_REQ_EVENT: decides what the next entry injects and which windows it watches. */
void vcpu_prepare_events(struct vcpu *v);
/* KVM_REQ_NMI: NMIs that others have queued become pending. */
void vcpu_process_nmi(struct vcpu *v);
/* The guest can take an external interrupt, or an NMI, right now. */
bool vcpu_interrupt_allowed(const struct vcpu *v);
bool vcpu_nmi_allowed(const struct vcpu *v);
/* One has been delivered, and its IRET has not come. */
bool vcpu_nmi_is_blocked(const struct vcpu *v);
/* An event that began to be delivered has to be delivered first. */
bool vcpu_event_needs_reinjection(const struct vcpu *v);
/* Something that ends HLT. */
bool vcpu_has_events(struct vcpu *v);
/* kvm_run->ready_for_interrupt_injection, and whether a window is to be watched for. */
bool vcpu_ready_for_interrupt(struct vcpu *v);
bool vcpu_wants_window(struct vcpu *v);
/* KVM_INTERRUPT. */
MUST_CHECK int vcpu_user_interrupt(struct vcpu *v, uint32_t vector);

/* Queues an exception for the next entry (double-fault rules applied). */
void vcpu_queue_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error);
void vcpu_inject_gp(struct vcpu *v);
void vcpu_inject_ud(struct vcpu *v);
void vcpu_inject_pf(struct vcpu *v, uint64_t address, uint32_t error);
/* @payload: bits for DR6, those that are 1 when idle turned round. */
void vcpu_inject_db(struct vcpu *v, uint64_t payload);
/*
 * Before state is told: without KVM_CAP_EXCEPTION_PAYLOAD a pending exception's
 * payload is in its register already.
 */
void vcpu_settle_payload(struct vcpu *v);
