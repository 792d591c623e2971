/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * svm.c - VMRUN: the core's reasons in AMD's numbers.  APM vol. 2 chapter 15.
 */
#include <string.h>

#include "hw/cpu/cpu_priv.h"

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
static bool is_valid(const struct svm_control *c, const struct x86_state *s)
{
	uint64_t type = c->event_inj >> 8 & 7;

	if (!c->asid || s->cr0 >> 32 || s->dr6 >> 32 || s->dr7 >> 32)
		return false;
	if (!(s->cr0 & X86_CR0_CD) && (s->cr0 & X86_CR0_NW))
		return false;
	if ((s->efer & X86_EFER_LME) && (s->cr0 & X86_CR0_PG)) {
		if (!(s->cr4 & X86_CR4_PAE) || !(s->cr0 & X86_CR0_PE))
			return false;
		if ((s->seg[X86_CS].ar & X86_AR_L) && (s->seg[X86_CS].ar & X86_AR_DB))
			return false;
	}
	return !(c->event_inj & SVM_EVENT_VALID) || type == 0 || type == 2 || type == 3 || type == 4;
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

	out->exitcode = SVM_EXIT_IOIO;
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
static void register_exit(const struct cpu_exit *e, uint64_t code, struct svm_exit *out)
{
	out->exitcode = code + (e->info & 15);
	out->exitinfo1 = e->info >> 8 & 15;
	if (code < SVM_EXIT_DR0_READ)
		out->exitinfo1 |= BIT(63);
}

static void instruction_exit(const struct cpu *cpu, const struct cpu_exit *e, struct svm_exit *out)
{
	static const uint16_t codes[X86_NR_ICPTS] = {
		[X86_ICPT_CPUID] = SVM_EXIT_CPUID, [X86_ICPT_HLT] = SVM_EXIT_HLT,
		[X86_ICPT_RDMSR] = SVM_EXIT_MSR, [X86_ICPT_WRMSR] = SVM_EXIT_MSR,
		[X86_ICPT_CLTS] = SVM_EXIT_CR0_WRITE, [X86_ICPT_LMSW] = SVM_EXIT_CR0_WRITE,
		[X86_ICPT_SMSW] = SVM_EXIT_CR0_READ, [X86_ICPT_RDPMC] = SVM_EXIT_RDPMC,
		[X86_ICPT_INVD] = SVM_EXIT_INVD, [X86_ICPT_WBINVD] = SVM_EXIT_WBINVD,
		[X86_ICPT_MONITOR] = SVM_EXIT_MONITOR, [X86_ICPT_MWAIT] = SVM_EXIT_MWAIT,
		[X86_ICPT_XSETBV] = SVM_EXIT_XSETBV, [X86_ICPT_PAUSE] = SVM_EXIT_PAUSE,
		[X86_ICPT_IRET] = SVM_EXIT_IRET, [X86_ICPT_VMMCALL] = SVM_EXIT_VMMCALL,
	};

	out->nrip = cpu->x.rip + e->len;
	switch (e->what) {
	case X86_ICPT_IO:
		io_exit(e, out);
		break;
	case X86_ICPT_CR_READ:
		register_exit(e, SVM_EXIT_CR0_READ, out);
		break;
	case X86_ICPT_CR_WRITE:
		register_exit(e, SVM_EXIT_CR0_WRITE, out);
		break;
	case X86_ICPT_DR_READ:
		register_exit(e, SVM_EXIT_DR0_READ, out);
		break;
	case X86_ICPT_DR_WRITE:
		register_exit(e, SVM_EXIT_DR0_WRITE, out);
		break;
	case X86_ICPT_SVM:
		out->exitcode = e->info;
		break;
	default:
		out->exitcode = codes[e->what];
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

void svm_vmrun(struct cpu *cpu, const struct svm_control *control,
	       struct x86_state *state, struct svm_exit *exit)
{
	struct mmu_nested nested = {
		.asid = control->asid, .root = control->ncr3,
		.levels = control->nested_levels, .ad = true,
	};
	struct x86_event ev = parse_event(control->event_inj);

	memset(exit, 0, sizeof(*exit));
	flush(cpu, control);
	if (!is_valid(control, state)) {
		exit->exitcode = (uint64_t)SVM_EXIT_INVALID;
		return;
	}
	cpu->svm = control;
	cpu->vmx = NULL;
	cpu->int_window = control->intercept_vintr;
	cpu->nmi_window = control->v_nmi_pending;
	cpu->tsc_ratio = control->tsc_ratio;
	cpu->tsc_fraction = 32;
	cpu_begin(cpu, state, &nested, control->tsc_offset);
	cpu_run(cpu, control->event_inj & SVM_EVENT_VALID ? &ev : NULL);
	cpu_end(cpu);
	translate(cpu, exit);
	exit->v_nmi_pending = cpu->nmi_window;
	cpu->svm = NULL;
}
