/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmx.c - VM entry and exit: the core's reasons in Intel's numbers.
 * SDM vol. 3C chapters 26 to 28.
 */
#include <string.h>

#include "hw/cpu/cpu_priv.h"

/* Writes to CR0 and CR4: only a change of a bit that the host owns leaves. */
static bool owned_write(struct cpu *cpu, uint64_t real, uint64_t mask, uint64_t shadow)
{
	uint64_t v = cpu->x.icpt_value;

	if ((v ^ shadow) & mask)
		return true;
	cpu->x.icpt_value = (v & ~mask) | (real & mask);
	return false;
}

static void owned_read(struct cpu *cpu, uint64_t mask, uint64_t shadow)
{
	cpu->x.icpt_value = (cpu->x.icpt_value & ~mask) | (shadow & mask);
}

static bool cr_intercepts(struct cpu *cpu, bool write, unsigned nr)
{
	const struct vmx_control *c = cpu->vmx;
	const struct x86_state *s = cpu->x.st;

	switch (nr) {
	case 0:
		if (write)
			return owned_write(cpu, s->cr0, c->cr0_mask, c->cr0_shadow);
		owned_read(cpu, c->cr0_mask, c->cr0_shadow);
		return false;
	case 3:
		return write ? c->cr3_load_exiting : c->cr3_store_exiting;
	case 4:
		if (write)
			return owned_write(cpu, s->cr4, c->cr4_mask, c->cr4_shadow);
		owned_read(cpu, c->cr4_mask, c->cr4_shadow);
		return false;
	case 8:
		return write ? c->cr8_load_exiting : c->cr8_store_exiting;
	default:
		return false;
	}
}

/* SDM vol. 3C 26.1.3, "CLTS" and "LMSW". */
static bool clts_intercepts(struct cpu *cpu)
{
	const struct vmx_control *c = cpu->vmx;

	if (!(c->cr0_mask & X86_CR0_TS))
		return false;
	cpu->x.icpt_value = cpu->x.st->cr0;
	return c->cr0_shadow & X86_CR0_TS;
}

static bool lmsw_intercepts(struct cpu *cpu)
{
	const struct vmx_control *c = cpu->vmx;
	uint64_t v = cpu->x.icpt_value, differs = (v ^ c->cr0_shadow) & c->cr0_mask;

	if (differs & (X86_CR0_MP | X86_CR0_EM | X86_CR0_TS))
		return true;
	if ((differs & X86_CR0_PE) && (v & X86_CR0_PE))
		return true;
	cpu->x.icpt_value = (v & ~c->cr0_mask) | (cpu->x.st->cr0 & c->cr0_mask);
	return false;
}

bool vmx_intercepts(struct cpu *cpu, enum x86_intercept what, uint64_t info)
{
	const struct vmx_control *c = cpu->vmx;

	switch (what) {
	case X86_ICPT_CR_READ:
	case X86_ICPT_CR_WRITE:
		return cr_intercepts(cpu, what == X86_ICPT_CR_WRITE, info & 15);
	case X86_ICPT_CLTS:
		return clts_intercepts(cpu);
	case X86_ICPT_LMSW:
		return lmsw_intercepts(cpu);
	case X86_ICPT_SMSW:
		owned_read(cpu, c->cr0_mask, c->cr0_shadow);
		return false;
	case X86_ICPT_DR_READ:
	case X86_ICPT_DR_WRITE:
		return c->mov_dr_exiting;
	case X86_ICPT_INVLPG:
		return c->invlpg_exiting;
	case X86_ICPT_PAUSE:
		return c->pause_exiting;
	case X86_ICPT_IRET:
		return false;
	default:
		return cpu_always_intercepts(what);
	}
}

bool vmx_intercepts_exception(const struct cpu *cpu, const struct x86_event *ev)
{
	const struct vmx_control *c = cpu->vmx;
	bool bit;

	if (ev->kind == X86_EVENT_SOFT_INT)
		return false;
	bit = c->exception_bitmap >> ev->vector & 1;
	if (ev->vector == X86_PF && ev->kind == X86_EVENT_EXCEPTION)
		return bit == ((ev->error & c->pf_mask) == c->pf_match);
	return bit;
}

#define INTR_TYPE_PRIVILEGED_SOFT (5u << 8)

static uint32_t event_info(const struct x86_event *ev)
{
	static const uint32_t types[] = {
		[X86_EVENT_EXCEPTION] = VMX_INTR_TYPE_HARD_EXCEPTION,
		[X86_EVENT_SOFT_INT] = VMX_INTR_TYPE_SOFT_INT,
		[X86_EVENT_SOFT_EXCEPTION] = VMX_INTR_TYPE_SOFT_EXCEPTION,
		[X86_EVENT_ICEBP] = INTR_TYPE_PRIVILEGED_SOFT,
		[X86_EVENT_EXTERNAL] = VMX_INTR_TYPE_EXTERNAL,
		[X86_EVENT_NMI] = VMX_INTR_TYPE_NMI,
	};

	return (uint32_t)(VMX_INTR_VALID | types[ev->kind] | ev->vector |
			  (ev->has_error ? VMX_INTR_HAS_ERROR : 0));
}

static struct x86_event parse_event(const struct vmx_control *c)
{
	static const uint8_t kinds[8] = {
		[0] = X86_EVENT_EXTERNAL, [2] = X86_EVENT_NMI, [3] = X86_EVENT_EXCEPTION,
		[4] = X86_EVENT_SOFT_INT, [5] = X86_EVENT_ICEBP, [6] = X86_EVENT_SOFT_EXCEPTION,
	};

	return (struct x86_event){
		.kind = kinds[c->entry_intr_info >> 8 & 7], .vector = (uint8_t)c->entry_intr_info,
		.injected = true, .has_error = c->entry_intr_info & VMX_INTR_HAS_ERROR,
		.error = c->entry_error_code, .insn_len = (uint8_t)c->entry_insn_len,
	};
}

/* SDM vol. 3C 27.3.1, as far as the state that KVM can set goes. */
static bool is_valid(const struct x86_state *s)
{
	bool lm = s->efer & X86_EFER_LMA, vm = s->rflags & X86_FLAGS_VM;

	if (s->cr0 >> 32 || ((s->cr0 & X86_CR0_PG) && !(s->cr0 & X86_CR0_PE)))
		return false;
	if (lm && (!(s->cr4 & X86_CR4_PAE) || !(s->cr0 & X86_CR0_PG) || vm))
		return false;
	if (lm != ((s->efer & X86_EFER_LME) && (s->cr0 & X86_CR0_PG)))
		return false;
	if (!lm && (s->cr4 & X86_CR4_PCIDE))
		return false;
	if (!(s->rflags & X86_FLAGS_FIXED) || s->rflags & (BIT(3) | BIT(5) | BIT(15)) ||
	    s->rflags >> 22)
		return false;
	if (s->seg[X86_TR].ar & X86_AR_UNUSABLE || s->seg[X86_CS].ar & X86_AR_UNUSABLE)
		return false;
	if (lm && (s->seg[X86_CS].ar & X86_AR_L) && (s->seg[X86_CS].ar & X86_AR_DB))
		return false;
	if (!x86_in_64bit_mode(s))
		return !(s->rip >> 32);
	return x86_is_canonical(s, s->rip);
}

/* Exit qualification of I/O, SDM table 28-5; instruction information, table 28-8. */
static void io_exit(const struct cpu_exit *e, struct vmx_exit *out)
{
	unsigned address = e->info >> 24 & 15;

	out->reason = VMX_EXIT_IO;
	out->qualification = ((e->info >> 16 & 7) - 1) | (e->info & X86_IO_IN ? VMX_IO_IN : 0) |
			     (e->info & X86_IO_STRING ? VMX_IO_STRING : 0) |
			     (e->info & X86_IO_REP ? VMX_IO_REP : 0) |
			     (e->info & X86_IO_IMM ? BIT(6) : 0) | (e->info & 0xffff) << 16;
	if (e->info & X86_IO_STRING)
		out->insn_info = (address == 8 ? 2u : address == 4 ? 1u : 0u) << 7 |
				 (uint32_t)(e->info >> 28 & 7) << 15;
}

/* SDM table 28-3: number, type (0 to, 1 from, 2 CLTS, 3 LMSW), register, LMSW's source. */
static void cr_exit(const struct cpu_exit *e, struct vmx_exit *out)
{
	out->reason = VMX_EXIT_CR_ACCESS;
	switch (e->what) {
	case X86_ICPT_CLTS:
		out->qualification = 2 << 4;
		break;
	case X86_ICPT_LMSW:
		out->qualification = 3 << 4 | (e->info & 0xffff) << 16;
		break;
	default:
		out->qualification = (e->info & 0xf0f) |
				     (e->what == X86_ICPT_CR_READ ? 1u << 4 : 0);
	}
}

static void instruction_exit(const struct cpu_exit *e, struct vmx_exit *out)
{
	static const uint8_t reasons[X86_NR_ICPTS] = {
		[X86_ICPT_CPUID] = VMX_EXIT_CPUID, [X86_ICPT_HLT] = VMX_EXIT_HLT,
		[X86_ICPT_RDMSR] = VMX_EXIT_RDMSR, [X86_ICPT_WRMSR] = VMX_EXIT_WRMSR,
		[X86_ICPT_RDPMC] = VMX_EXIT_RDPMC, [X86_ICPT_INVD] = VMX_EXIT_INVD,
		[X86_ICPT_WBINVD] = VMX_EXIT_WBINVD, [X86_ICPT_MONITOR] = VMX_EXIT_MONITOR,
		[X86_ICPT_MWAIT] = VMX_EXIT_MWAIT, [X86_ICPT_XSETBV] = VMX_EXIT_XSETBV,
		[X86_ICPT_PAUSE] = VMX_EXIT_PAUSE, [X86_ICPT_VMCALL] = VMX_EXIT_VMCALL,
	};

	out->insn_len = e->len;
	switch (e->what) {
	case X86_ICPT_IO:
		io_exit(e, out);
		break;
	case X86_ICPT_CR_READ:
	case X86_ICPT_CR_WRITE:
	case X86_ICPT_CLTS:
	case X86_ICPT_LMSW:
		cr_exit(e, out);
		break;
	case X86_ICPT_DR_READ:
	case X86_ICPT_DR_WRITE:
		out->reason = VMX_EXIT_DR_ACCESS;
		out->qualification = (e->info & 0xf0f) |
				     (e->what == X86_ICPT_DR_READ ? 1u << 4 : 0);
		break;
	case X86_ICPT_INVLPG:
		out->reason = VMX_EXIT_INVLPG;
		out->qualification = e->info;
		break;
	case X86_ICPT_VMX:
		out->reason = (uint32_t)e->info;
		break;
	default:
		out->reason = reasons[e->what];
	}
}

static void exception_exit(const struct cpu_exit *e, struct vmx_exit *out)
{
	out->reason = VMX_EXIT_EXCEPTION_NMI;
	out->intr_info = event_info(&e->event);
	out->intr_error = e->event.has_error ? e->event.error : 0;
	if (e->event.vector == X86_PF || e->event.vector == X86_DB)
		out->qualification = e->event.payload;
	if (e->event.kind != X86_EVENT_EXCEPTION)
		out->insn_len = e->event.insn_len;
}

static void translate(const struct cpu *cpu, struct vmx_exit *out)
{
	const struct cpu_exit *e = &cpu->exit;

	if (e->vectoring) {
		out->idt_info = event_info(&e->vectored);
		out->idt_error = e->vectored.has_error ? e->vectored.error : 0;
		if (e->vectored.kind == X86_EVENT_SOFT_INT ||
		    e->vectored.kind == X86_EVENT_SOFT_EXCEPTION ||
		    e->vectored.kind == X86_EVENT_ICEBP)
			out->insn_len = e->vectored.insn_len;
	}
	switch (e->cause) {
	case CPU_INTERCEPT:
		instruction_exit(e, out);
		break;
	case CPU_EXCEPTION:
		exception_exit(e, out);
		break;
	case CPU_NESTED:
		out->reason = e->fault.result == MMU_NESTED_MISCONFIG ? VMX_EXIT_EPT_MISCONFIG
								      : VMX_EXIT_EPT_VIOLATION;
		out->gpa = e->fault.gpa;
		if (e->fault.result != MMU_NESTED_MISCONFIG) {
			out->qualification = e->fault.info;
			out->gla = GVA(e->linear);
		}
		break;
	case CPU_KICK:
		out->reason = VMX_EXIT_EXTERNAL_INTERRUPT;
		break;
	case CPU_SHUTDOWN:
		out->reason = VMX_EXIT_TRIPLE_FAULT;
		break;
	case CPU_INTERRUPT_WINDOW:
		out->reason = VMX_EXIT_INTERRUPT_WINDOW;
		break;
	case CPU_NMI_WINDOW:
		out->reason = VMX_EXIT_NMI_WINDOW;
		break;
	case CPU_TASK_SWITCH:
		out->reason = VMX_EXIT_TASK_SWITCH;
		out->qualification = e->info;
		break;
	case CPU_WRITE_TRAP:	/* AMD's alone */
		break;
	}
}

/* EPTP, SDM table 25-9: walk length less one in 5:3, accessed and dirty flags in 6. */
#define EPTP_LEVELS_HI	5
#define EPTP_LEVELS_LO	3
#define EPTP_ROOT_HI	51
#define EPTP_ROOT_LO	12

void vmx_enter(struct cpu *cpu, const struct vmx_control *control,
	       struct x86_state *state, struct vmx_exit *exit)
{
	struct mmu_nested nested = {
		.asid = control->vpid,
		.root = HPA(control->eptp & FIELD_MASK(EPTP_ROOT)),
		.shared_root = HPA(control->shared_eptp & FIELD_MASK(EPTP_ROOT)),
		.shared_bit = control->shared_bit ? BIT(control->shared_bit) : 0,
		.levels = (uint8_t)(FIELD_GET(EPTP_LEVELS, control->eptp) + 1),
		.ad = control->eptp & BIT(6),
	};
	struct x86_event ev = parse_event(control);

	memset(exit, 0, sizeof(*exit));
	if (!control->vpid || !is_valid(state)) {
		exit->reason = VMX_EXIT_INVALID_STATE | (uint32_t)VMX_EXIT_FAILED_ENTRY;
		return;
	}
	cpu->vmx = control;
	cpu->svm = NULL;
	cpu->int_window = control->interrupt_window_exiting;
	cpu->nmi_window = control->nmi_window_exiting;
	cpu->tsc_ratio = control->tsc_multiplier;
	cpu->tsc_fraction = 48;
	cpu_begin(cpu, state, &nested, control->tsc_offset);
	cpu_run(cpu, control->entry_intr_info & VMX_INTR_VALID ? &ev : NULL);
	cpu_end(cpu);
	translate(cpu, exit);
	cpu->vmx = NULL;
}
