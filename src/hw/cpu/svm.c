/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * svm.c - VMRUN: the core's reasons in AMD's numbers.  APM vol. 2 chapter 15.
 */
#include <string.h>

#include "hw/cpu/svm_priv.h"

bool svm_intercepts(const struct cpu *cpu, enum x86_intercept what, uint64_t info)
{
	const struct svm_control *c = cpu->svm;
	unsigned nr = info & 15;

	switch (what) {
	case X86_ICPT_CR_READ:
		return c->intercept_cr_read >> nr & 1;
	case X86_ICPT_CR_WRITE:
		return c->intercept_cr_write >> nr & 1;
	case X86_ICPT_CLTS:
	case X86_ICPT_LMSW:
		return c->intercept_cr_write & 1;
	case X86_ICPT_SMSW:
		return c->intercept_cr_read & 1;
	case X86_ICPT_DR_READ:
		return c->intercept_dr_read >> nr & 1;
	case X86_ICPT_DR_WRITE:
		return c->intercept_dr_write >> nr & 1;
	case X86_ICPT_RDMSR:
		return svm_intercepts_msr(cpu, (uint32_t)info, false);
	case X86_ICPT_WRMSR:
		return svm_intercepts_msr(cpu, (uint32_t)info, true);
	case X86_ICPT_XSETBV:
		return !c->pass_xsetbv;
	case X86_ICPT_PAUSE:
		return c->intercept_pause;
	case X86_ICPT_IRET:
		return c->intercept_iret;
	case X86_ICPT_INVLPG:
		return false;
	default:
		return cpu_always_intercepts(what);
	}
}

bool svm_intercepts_exception(const struct cpu *cpu, const struct x86_event *ev)
{
	return ev->kind != X86_EVENT_SOFT_INT && cpu->svm->intercept_exceptions >> ev->vector & 1;
}

/* EVENTINJ and EXITINTINFO, APM vol. 2 15.20. */
static uint64_t event_info(const struct x86_event *ev)
{
	uint64_t type = ev->kind == X86_EVENT_EXTERNAL ? SVM_EVENT_TYPE_INTR :
			ev->kind == X86_EVENT_NMI ? SVM_EVENT_TYPE_NMI :
			ev->kind == X86_EVENT_SOFT_INT ? SVM_EVENT_TYPE_SOFT :
							 SVM_EVENT_TYPE_EXCEPTION;

	return SVM_EVENT_VALID | type | ev->vector |
	       (ev->has_error ? SVM_EVENT_HAS_ERROR | (uint64_t)ev->error << 32 : 0);
}

static struct x86_event parse_event(uint64_t inj)
{
	static const uint8_t kinds[8] = {
		[0] = X86_EVENT_EXTERNAL, [2] = X86_EVENT_NMI,
		[3] = X86_EVENT_EXCEPTION, [4] = X86_EVENT_SOFT_INT,
	};

	return (struct x86_event){
		.kind = kinds[inj >> 8 & 7], .vector = (uint8_t)inj, .injected = true,
		.has_error = inj & SVM_EVENT_HAS_ERROR, .error = (uint32_t)(inj >> 32),
	};
}

/* APM vol. 2 15.5.1: what makes VMRUN fail at once; of the state KVM can set. */
static bool is_valid_state(const struct x86_state *s)
{
	if (s->cr0 >> 32 || s->dr6 >> 32 || s->dr7 >> 32)
		return false;
	if (!(s->cr0 & X86_CR0_CD) && (s->cr0 & X86_CR0_NW))
		return false;
	if ((s->efer & X86_EFER_LME) && (s->cr0 & X86_CR0_PG)) {
		if (!(s->cr4 & X86_CR4_PAE) || !(s->cr0 & X86_CR0_PE))
			return false;
		if ((s->seg[X86_CS].ar & X86_AR_L) && (s->seg[X86_CS].ar & X86_AR_DB))
			return false;
	}
	return true;
}

/* APM vol. 2 15.20 */
static bool is_valid_event(uint64_t inj)
{
	uint64_t type = inj >> 8 & 7;

	return !(inj & SVM_EVENT_VALID) || type == 0 || type == 2 || type == 3 || type == 4;
}

static bool is_valid_control(const struct cpu *cpu, const struct svm_control *c)
{
	const struct hw_config *config = &cpu->hw->config;

	if (!c->asid || !is_valid_event(c->event_inj))
		return false;
	if (c->np_control & ~(SVM_NP_ENABLE | SVM_NP_SEV | SVM_NP_SEV_ES))
		return false;
	if (!(c->np_control & SVM_NP_SEV))
		return !(c->np_control & SVM_NP_SEV_ES);
	return c->asid <= config->nr_keys;
}

static void flush(struct cpu *cpu, const struct svm_control *c)
{
	switch (c->tlb_control) {
	case SVM_TLB_DO_NOTHING:
		break;
	case SVM_TLB_FLUSH_ALL_ASID:
		mmu_flush_all(&cpu->mmu);
		break;
	case SVM_TLB_FLUSH_ASID:
		mmu_flush_asid(&cpu->mmu, c->asid);
		break;
	case SVM_TLB_FLUSH_ASID_NONGLOBAL:
		mmu_flush_asid_nonglobal(&cpu->mmu, c->asid);
		break;
	}
}

static void io_exit(const struct cpu_exit *e, struct svm_exit *out)
{
	unsigned bytes = e->info >> 16 & 7, address = e->info >> 24 & 15;

	out->exitinfo1 = (e->info & 0xffff) << 16 | (e->info >> 28 & 7) << 10 |
			 (e->info & X86_IO_IN ? SVM_IOIO_IN : 0) |
			 (e->info & X86_IO_STRING ? SVM_IOIO_STR : 0) |
			 (e->info & X86_IO_REP ? SVM_IOIO_REP : 0) |
			 (bytes == 1 ? SVM_IOIO_SZ8 : bytes == 2 ? SVM_IOIO_SZ16 : SVM_IOIO_SZ32) |
			 (address == 8 ? SVM_IOIO_A64 : address == 4 ? SVM_IOIO_A32 :
			  address == 2 ? SVM_IOIO_A16 : 0);
	out->exitinfo2 = out->nrip;
}

/* DecodeAssists, APM vol. 2 15.8.1: bit 63 MOV CRx, the register in 3:0. */
static void instruction_exit(const struct cpu *cpu, const struct cpu_exit *e, struct svm_exit *out)
{
	out->nrip = cpu->x.rip + e->len;
	out->exitcode = svm_exit_code(e->what, e->info);
	/* Without a prefix it would have been #VC (svm_reflects). */
	if (cpu->in_es && e->what == X86_ICPT_VMMCALL)
		out->exitcode = SVM_EXIT_VMGEXIT;
	switch (e->what) {
	case X86_ICPT_IO:
		io_exit(e, out);
		break;
	case X86_ICPT_CR_READ: case X86_ICPT_CR_WRITE:
		out->exitinfo1 = (e->info >> 8 & 15) | BIT(63);
		break;
	case X86_ICPT_DR_READ: case X86_ICPT_DR_WRITE:
		out->exitinfo1 = e->info >> 8 & 15;
		break;
	default:
		out->exitinfo1 = e->what == X86_ICPT_WRMSR;
	}
}

static void exception_exit(const struct cpu *cpu, const struct cpu_exit *e, struct svm_exit *out)
{
	out->exitcode = SVM_EXIT_EXCP0 + e->event.vector;
	out->exitinfo1 = e->event.has_error ? e->event.error : 0;
	if (e->event.vector == X86_PF)
		out->exitinfo2 = e->event.payload;
	/* APM vol. 2 15.12.2: DR6 as a handler of the exception would see it. */
	if (e->event.vector == X86_DB)
		cpu->x.st->dr6 = (cpu->x.st->dr6 & ~0xfull) | e->event.payload;
	if (e->event.kind == X86_EVENT_SOFT_EXCEPTION)
		out->nrip = cpu->x.rip + e->event.insn_len;
}

static void bytes(const struct cpu_exit *e, struct svm_exit *out)
{
	out->nr_bytes = e->nr_bytes;
	memcpy(out->bytes, e->bytes, e->nr_bytes);
}

static void translate(const struct cpu *cpu, struct svm_exit *out)
{
	const struct cpu_exit *e = &cpu->exit;

	if (e->vectoring)
		out->exitintinfo = event_info(&e->vectored);
	switch (e->cause) {
	case CPU_INTERCEPT:
		instruction_exit(cpu, e, out);
		break;
	case CPU_EXCEPTION:
		exception_exit(cpu, e, out);
		if (e->event.vector == X86_PF && !(e->event.error & SVM_NPF_FETCH))
			bytes(e, out);
		break;
	case CPU_NESTED:
		out->exitcode = SVM_EXIT_NPF;
		out->exitinfo1 = e->fault.info;
		out->exitinfo2 = e->fault.gpa.v;
		if (e->access != MMU_EXEC)
			bytes(e, out);
		break;
	case CPU_KICK:
		out->exitcode = SVM_EXIT_INTR;
		break;
	case CPU_SHUTDOWN:
		out->exitcode = SVM_EXIT_SHUTDOWN;
		break;
	case CPU_INTERRUPT_WINDOW:
	case CPU_NMI_WINDOW:
		out->exitcode = SVM_EXIT_VINTR;
		break;
	case CPU_WRITE_TRAP:
		out->exitcode = cpu->trap_code;
		out->exitinfo1 = cpu->trap_value;
		break;
	case CPU_TASK_SWITCH:	/* APM vol. 2 15.14.1: by IRET bit 36, by JMP bit 38 */
		out->exitcode = SVM_EXIT_TASK_SWITCH;
		out->exitinfo1 = e->info & 0xffff;
		out->exitinfo2 = (e->info >> 30 & 3) == 1 ? BIT(36) :
				 (e->info >> 30 & 3) == 2 ? BIT(38) : 0;
		if ((e->info >> 30 & 3) == 3 && e->vectoring && e->vectored.has_error)
			out->exitinfo2 |= BIT(44) | e->vectored.error;
		break;
	}
}

static void begin(struct cpu *cpu, const struct svm_control *c, struct x86_state *state)
{
	struct mmu_nested nested = {
		.asid = c->asid, .root = c->ncr3, .levels = c->nested_levels, .ad = true,
		.key = c->np_control & SVM_NP_SEV ? (keyslot_t)c->asid : 0,
		.snp = cpu->in_es && cpu->es->snp,
		.vmpl = cpu->in_es ? cpu->es->vmsa.vmpl : 0,
	};

	cpu->svm = c;
	cpu->vmx = NULL;
	cpu->attention = 0;
	cpu->int_window = c->intercept_vintr;
	cpu->nmi_window = c->v_nmi_pending;
	cpu->tsc_ratio = c->tsc_ratio;
	cpu->tsc_fraction = 32;
	cpu_begin(cpu, state, &nested, c->tsc_offset);
}

void svm_vmrun(struct cpu *cpu, const struct svm_control *control,
	       struct x86_state *state, struct svm_exit *exit)
{
	struct x86_event ev = parse_event(control->event_inj);
	bool es = control->np_control & SVM_NP_SEV_ES;

	*exit = (struct svm_exit){
		.exitcode = (uint64_t)SVM_EXIT_INVALID, .ghcb_gpa = control->ghcb_gpa,
		.v_tpr = control->v_tpr, .v_nmi_blocked = control->v_nmi_blocked,
		.v_nmi_pending = control->v_nmi_pending,
	};
	flush(cpu, control);
	if (!is_valid_control(cpu, control))
		return;
	if (es)
		state = svm_es_load(cpu, control);
	if (!state)
		return;
	if (!is_valid_state(state)) {
		if (es)
			svm_es_abandon(cpu, control);
		return;
	}
	cpu->in_es = es;
	begin(cpu, control, state);
	cpu_run(cpu, control->event_inj & SVM_EVENT_VALID ? &ev : NULL);
	cpu_end(cpu);
	exit->exitcode = 0;
	/* What was still being delivered when the write was done is in EXITINTINFO. */
	if (cpu->trapped)
		cpu->exit.cause = CPU_WRITE_TRAP;
	translate(cpu, exit);
	exit->v_nmi_pending = cpu->nmi_window;
	if (es)
		svm_es_save(cpu, control, exit);
	cpu->in_es = false;
	cpu->svm = NULL;
}
