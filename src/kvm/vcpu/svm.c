/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * svm.c - KVM on AMD: control area in, exit codes out (APM vol. 2, 15).
 */
#include "hw/insn/svm.h"

#include <string.h>

#include "base/log.h"
#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/fault.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/emulate.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/guest_debug.h"
#include "kvm/vcpu/load.h"
#include "kvm/vcpu/protected.h"

#define DR6_ACTIVE_LOW		0xffff0ff0ull
#define ALWAYS_INTERCEPTED	(BIT(X86_UD) | BIT(X86_MC) | BIT(X86_AC))

static void svm_init(struct vcpu *v)
{
	v->svm = (struct svm_control){
		.asid = v->base.tag,
		.nested_levels = 4,
		.intercept_exceptions = ALWAYS_INTERCEPTED,
		.intercept_cr_write = BIT(0) | BIT(4) | BIT(8),
		.intercept_cr_read = BIT(8),
	};
}

/* EVENTINJ: at most one event is injected at an entry. */
static uint64_t event_to_inject(const struct vcpu_events *e)
{
	const struct vcpu_exception *ex = &e->exception;

	if (ex->injected)
		return SVM_EVENT_VALID | SVM_EVENT_TYPE_EXCEPTION | ex->vector |
		       (ex->has_error ? SVM_EVENT_HAS_ERROR | (uint64_t)ex->error << 32 : 0);
	if (e->nmi_injected)
		return SVM_EVENT_VALID | SVM_EVENT_TYPE_NMI | X86_NMI;
	if (e->interrupt.injected)
		return SVM_EVENT_VALID | e->interrupt.vector |
		       (e->interrupt.soft ? SVM_EVENT_TYPE_SOFT : SVM_EVENT_TYPE_INTR);
	return 0;
}

/*
 * #VC is never injected.  INT n, INT3 and INTO of a SEV-ES guest cannot be, but
 * its RIP is still at the instruction.
 */
static bool will_come_again(const struct vcpu *v, uint64_t type, uint8_t vector)
{
	if (type == SVM_EVENT_TYPE_SOFT)
		return vcpu_is_es(v);
	if (type != SVM_EVENT_TYPE_EXCEPTION)
		return false;
	return vector == X86_VC || (vcpu_is_es(v) && (vector == X86_BP || vector == X86_OF));
}

/* An event whose delivery the exit interrupted is delivered again. */
static void take_back_event(struct vcpu *v, uint64_t info)
{
	struct vcpu_events *e = &v->events;
	uint64_t type = info & (7ull << 8);

	vcpu_events_delivered(v);
	if (!(info & SVM_EVENT_VALID) || will_come_again(v, type, (uint8_t)info))
		return;
	if (type == SVM_EVENT_TYPE_NMI)
		e->nmi_injected = true;
	else if (type == SVM_EVENT_TYPE_INTR || type == SVM_EVENT_TYPE_SOFT)
		e->interrupt = (struct vcpu_interrupt){
			.injected = true, .soft = type == SVM_EVENT_TYPE_SOFT,
			.vector = (uint8_t)info,
		};
	else
		e->exception = (struct vcpu_exception){
			.injected = true, .vector = (uint8_t)info,
			.has_error = info & SVM_EVENT_HAS_ERROR, .error = (uint32_t)(info >> 32),
		};
	kvm_make_request(KVM_REQ_EVENT, &v->base);
}

static bool is_soft_exception(const struct vcpu_exception *e)
{
	return e->injected && (e->vector == X86_BP || e->vector == X86_OF);
}

/*
 * EVENTINJ has no instruction length: RIP goes past INT3 or INTO first, and back
 * when the delivery is interrupted.
 */
static uint64_t pass_soft_exception(struct vcpu *v)
{
	return ++v->state.rip;
}

/* What a SEV-ES guest shares with KVM is in the control area. */
static void take_es_control(struct vcpu *v)
{
	const struct svm_exit *x = &v->svm_exit;
	struct svm_control *c = &v->svm;

	if (x->exitcode == (uint64_t)SVM_EXIT_INVALID)
		return;
	c->ghcb_gpa = x->ghcb_gpa;
	c->int_state = x->int_state;
	c->v_nmi_blocked = x->v_nmi_blocked;
	if (x->v_tpr != v->state.cr8 && vcpu_set_cr8(v, x->v_tpr))
		log_error("a SEV-ES guest left %u in CR8", x->v_tpr);
}

static void run_es(struct vcpu *v, struct cpu *cpu)
{
	struct svm_control *c = &v->svm;

	c->v_tpr = (uint8_t)v->state.cr8;
	svm_vmrun(cpu, c, NULL, &v->svm_exit);
	take_es_control(v);
	take_back_event(v, v->svm_exit.exitintinfo);
}

static void run_plain(struct vcpu *v, struct cpu *cpu)
{
	uint64_t from = v->state.rip, to = 0;

	if (is_soft_exception(&v->events.exception))
		to = pass_soft_exception(v);
	svm_vmrun(cpu, &v->svm, &v->state, &v->svm_exit);
	take_back_event(v, v->svm_exit.exitintinfo);
	if (is_soft_exception(&v->events.exception) && v->state.rip == to)
		v->state.rip = from;
}

static void svm_run(struct vcpu *v, struct cpu *cpu)
{
	struct svm_control *c = &v->svm;

	/* VMRUN has no directory pointers: the processor reads them in memory. */
	v->state.has_pdpte = false;
	/* All vCPUs of a SEV guest share its ASID, but not what a processor remembers. */
	if ((c->np_control & SVM_NP_SEV) && !lp_ran_last(v, c->asid))
		c->tlb_control = SVM_TLB_FLUSH_ASID;
	c->ncr3 = v->base.mmu.root;
	c->nested_levels = v->base.mmu.root_level;
	c->tsc_offset = v->tsc.offset;
	c->tsc_ratio = v->tsc.ratio;
	c->event_inj = event_to_inject(&v->events);
	if (vcpu_is_es(v))
		run_es(v, cpu);
	else
		run_plain(v, cpu);
	c->tlb_control = SVM_TLB_DO_NOTHING;
	c->v_nmi_pending = v->svm_exit.v_nmi_pending;
}

static void svm_watch(struct vcpu *v, bool interrupt, bool nmi)
{
	v->svm.intercept_vintr = interrupt;
}

/* With virtual NMIs the processor delivers one itself as soon as none is blocked. */
static bool svm_pend_nmi(struct vcpu *v)
{
	if (v->svm.v_nmi_pending)
		return false;
	v->svm.v_nmi_pending = true;
	return true;
}

static bool svm_nmi_is_pending(const struct vcpu *v)
{
	return v->svm.v_nmi_pending;
}

static void svm_flush_tlb(struct vcpu *v, struct cpu *cpu)
{
	v->svm.tlb_control = SVM_TLB_FLUSH_ASID;
}

/* While the VMM debugs, the guest's own debug registers are not the processor's. */
static void intercept_for_debugger(const struct vcpu *v, struct svm_control *c)
{
	uint16_t drs = v->debug.control ? 0xffff : 0;

	c->intercept_dr_read = drs;
	c->intercept_dr_write = drs;
	if (v->debug.control)
		c->intercept_exceptions |= BIT(X86_DB);
	if (v->debug.control & KVM_GUESTDBG_USE_SW_BP)
		c->intercept_exceptions |= BIT(X86_BP);
}

/* SEV-ES: registers cannot be read or written, only looked at after they have changed. */
static void intercept_for_es(const struct vcpu *v, struct svm_control *c)
{
	c->intercept_cr_read = 0;
	c->intercept_cr_write = 0;
	c->trap_cr_write = BIT(0) | BIT(4) | BIT(8);
	c->trap_efer_write = true;
	c->pass_xsetbv = true;
	c->intercept_dr_read = v->debug_swap ? 0 : BIT(7);
	c->intercept_dr_write = v->debug_swap ? 0 : BIT(7);
	if (!v->debug_swap)
		c->intercept_exceptions |= BIT(X86_DB);
}

/* The guest's bytes are its own: nothing that #UD is about could be decoded. */
static void svm_intercepts_changed(struct vcpu *v)
{
	struct svm_control *c = &v->svm;

	c->intercept_exceptions = c->np_control & SVM_NP_SEV
					  ? ALWAYS_INTERCEPTED & ~(uint32_t)BIT(X86_UD)
					  : ALWAYS_INTERCEPTED;
	intercept_for_debugger(v, c);
	if (c->np_control & SVM_NP_SEV_ES)
		intercept_for_es(v, c);
}

static int handle_db(struct vcpu *v)
{
	return exit_debug(v, v->debug.exit_dr6 ^ DR6_ACTIVE_LOW);
}

static int handle_dr(struct vcpu *v)
{
	uint64_t code = v->svm_exit.exitcode;
	unsigned gpr = v->svm_exit.exitinfo1 & 0xf;

	/* A SEV-ES guest says what it has put into DR7: it is in its VMSA already. */
	if (vcpu_is_es(v))
		return 1;
	if (code >= SVM_EXIT_DR0_WRITE)
		return exit_dr_write(v, code - SVM_EXIT_DR0_WRITE, gpr);
	return exit_dr_read(v, code - SVM_EXIT_DR0_READ, gpr);
}

/* The C-bit of an SNP guest's access says which half of its memory is meant. */
static uint64_t npf_error_code(const struct vcpu *v)
{
	uint64_t ec = v->svm_exit.exitinfo1 & ~(PFERR_IMPLICIT_ACCESS | PFERR_PRIVATE_ACCESS);

	if (v->base.kvm->vm_type == KVM_X86_SNP_VM && (ec & PFERR_GUEST_ENC))
		ec |= PFERR_PRIVATE_ACCESS;
	return ec;
}

static int handle_npf(struct vcpu *v)
{
	gpa_t gpa = GPA(v->svm_exit.exitinfo2);
	uint64_t ec = npf_error_code(v);
	int r;

	VCPU_TRACE(v, kvm_page_fault, v->base.id, v->state.rip, gpa.v, ec);
	r = exit_page_fault(v, gpa, ec);
	if (r > 0 && (ec & PFERR_GUEST_RMP))
		v->base.kvm->ops->handle_rmp_fault(&v->base, gpa, ec);
	return r;
}

static int handle_ioio(struct vcpu *v)
{
	uint64_t info = v->svm_exit.exitinfo1;
	uint8_t size = info >> 4 & 7;	/* one bit of SVM_IOIO_SZ*; SEV-ES guests may say more */

	KVM_VCPU_COUNT(&v->base, io_exits);
	v->next_rip = v->svm_exit.exitinfo2;
	if (info & SVM_IOIO_STR)
		return vcpu_emulate(v, EMULATE_NO_GPA);
	return exit_io(v, (uint16_t)(info >> 16), size, info & SVM_IOIO_IN);
}

static int handle_msr(struct vcpu *v)
{
	return v->svm_exit.exitinfo1 & 1 ? exit_wrmsr(v) : exit_rdmsr(v);
}

/* MOV CR gives its register (DecodeAssists); CLTS and LMSW do not. */
static int handle_cr(struct vcpu *v)
{
	uint64_t code = v->svm_exit.exitcode, info = v->svm_exit.exitinfo1;

	if (!(info & BIT(63)))
		return vcpu_emulate(v, EMULATE_NO_GPA);
	if (code >= SVM_EXIT_CR0_WRITE)
		return exit_cr_write(v, code - SVM_EXIT_CR0_WRITE, info & 0xf);
	return exit_cr_read(v, code - SVM_EXIT_CR0_READ, info & 0xf);
}

static int handle_cr_trap(struct vcpu *v)
{
	return exit_cr_written(v, (unsigned)(v->svm_exit.exitcode - SVM_EXIT_CR0_WRITE_TRAP),
			       v->svm_exit.exitinfo1);
}

static int handle_efer_trap(struct vcpu *v)
{
	return exit_efer_written(v, v->svm_exit.exitinfo1);
}

static int handle_vintr(struct vcpu *v)
{
	v->svm.intercept_vintr = false;
	KVM_VCPU_COUNT(&v->base, irq_window_exits);
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	return 1;
}

/* The exception goes on to the guest as it was. */
static int handle_ac(struct vcpu *v)
{
	vcpu_queue_exception(v, X86_AC, true, v->svm_exit.exitinfo1);
	return 1;
}

static int handle_invalid(struct vcpu *v)
{
	struct kvm_run *run = v->base.run;

	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = SVM_EXIT_INVALID;
	run->fail_entry.cpu = v->last_cpu;
	return 0;
}

static int handle_vmgexit(struct vcpu *v)
{
	return v->base.kvm->ops->vmgexit(&v->base);
}

typedef int (*exit_handler)(struct vcpu *v);

static const exit_handler handlers[] = {
	[SVM_EXIT_CR0_READ ... SVM_EXIT_CR0_READ + 15] = handle_cr,
	[SVM_EXIT_CR0_WRITE ... SVM_EXIT_CR0_WRITE + 15] = handle_cr,
	[SVM_EXIT_DR0_READ ... SVM_EXIT_DR0_READ + 15] = handle_dr,
	[SVM_EXIT_DR0_WRITE ... SVM_EXIT_DR0_WRITE + 15] = handle_dr,
	[SVM_EXIT_EXCP0 + X86_DB] = handle_db,
	[SVM_EXIT_EXCP0 + X86_BP] = exit_breakpoint,
	[SVM_EXIT_EXCP0 + X86_UD] = exit_invalid_opcode,
	[SVM_EXIT_EXCP0 + X86_AC] = handle_ac,
	[SVM_EXIT_INTR] = exit_intr,
	[SVM_EXIT_NMI] = exit_intr,
	[SVM_EXIT_VINTR] = handle_vintr,
	[SVM_EXIT_RDPMC] = exit_rdpmc,
	[SVM_EXIT_CPUID] = exit_cpuid,
	[SVM_EXIT_INVD] = exit_skip,
	[SVM_EXIT_PAUSE] = exit_skip,
	[SVM_EXIT_HLT] = exit_hlt,
	[SVM_EXIT_INVLPGA] = exit_undefined,
	[SVM_EXIT_IOIO] = handle_ioio,
	[SVM_EXIT_MSR] = handle_msr,
	[SVM_EXIT_SHUTDOWN] = exit_shutdown,
	[SVM_EXIT_VMRUN] = exit_undefined,
	[SVM_EXIT_VMMCALL] = exit_hypercall,
	[SVM_EXIT_VMLOAD] = exit_undefined,
	[SVM_EXIT_VMSAVE] = exit_undefined,
	[SVM_EXIT_STGI] = exit_undefined,
	[SVM_EXIT_CLGI] = exit_undefined,
	[SVM_EXIT_SKINIT] = exit_undefined,
	[SVM_EXIT_RDTSCP] = exit_undefined,
	[SVM_EXIT_WBINVD] = exit_skip,
	[SVM_EXIT_MONITOR] = exit_monitor_mwait,
	[SVM_EXIT_MWAIT] = exit_monitor_mwait,
	[SVM_EXIT_XSETBV] = exit_xsetbv,
	[SVM_EXIT_EFER_WRITE_TRAP] = handle_efer_trap,
	[SVM_EXIT_CR0_WRITE_TRAP] = handle_cr_trap,
	[SVM_EXIT_CR0_WRITE_TRAP + 4] = handle_cr_trap,
	[SVM_EXIT_CR0_WRITE_TRAP + 8] = handle_cr_trap,
	[SVM_EXIT_NPF] = handle_npf,
	[SVM_EXIT_VMGEXIT] = handle_vmgexit,
};

static int svm_handle_exit(struct vcpu *v)
{
	uint64_t code = v->svm_exit.exitcode;

	v->next_rip = v->svm_exit.nrip;
	if (code == (uint64_t)SVM_EXIT_INVALID)
		return handle_invalid(v);
	if (code < ARRAY_SIZE(handlers) && handlers[code])
		return handlers[code](v);
	return exit_unexpected(v, code);
}

static unsigned svm_insn_bytes(const struct vcpu *v, const uint8_t **bytes)
{
	*bytes = v->svm_exit.bytes;
	return v->svm_exit.nr_bytes;
}

static void svm_exit_info(const struct vcpu *v, uint64_t info[5])
{
	info[0] = v->svm_exit.exitcode;
	info[1] = v->svm_exit.exitinfo1;
	info[2] = v->svm_exit.exitinfo2;
	info[3] = v->svm_exit.exitintinfo;
	info[4] = v->svm_exit.exitintinfo >> 32;
}

const struct vcpu_backend svm_backend = {
	.name = "kvm_amd",
	.init = svm_init,
	.run = svm_run,
	.watch = svm_watch,
	.pend_nmi = svm_pend_nmi,
	.nmi_is_pending = svm_nmi_is_pending,
	.handle_exit = svm_handle_exit,
	.intercepts_changed = svm_intercepts_changed,
	.flush_tlb = svm_flush_tlb,
	.insn_bytes = svm_insn_bytes,
	.exit_info = svm_exit_info,
	.hypercall = { 0x0f, 0x01, 0xd9 },
};
