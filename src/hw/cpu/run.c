/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run.c - the fetch and execute loop.
 *
 * Between two blocks nothing translated is held and the state is whole: there
 * the kick is seen, windows are checked, traps are taken.
 */
#include "hw/cpu/cpu_priv.h"

#include <string.h>

#include "hw/mem/machine.h"
#include "os/uaccess.h"
#include "trace/counters.h"

bool cpu_leave(struct cpu *cpu, enum cpu_cause cause)
{
	cpu->exit.cause = cause;
	cpu->x.why = cause == CPU_SHUTDOWN ? X86_WHY_SHUTDOWN : X86_WHY_EXIT;
	return false;
}

bool cpu_nested_fault(struct cpu *cpu, uint64_t lin, enum mmu_access access,
		      const struct mmu_fault *fault)
{
	if (unlikely(fault->result == MMU_GUEST_VC)) {
		cpu->x.st->cr2 = lin;
		return x86_fault(&cpu->x, X86_VC, fault->pf_error);
	}
	if (unlikely(cpu->in_es) && (fault->info & SVM_NPF_RSVD))
		return x86_fault(&cpu->x, X86_VC, SVM_EXIT_NPF);
	cpu->exit.fault = *fault;
	cpu->exit.linear = lin;
	cpu->exit.access = access;
	return cpu_leave(cpu, CPU_NESTED);
}

/* Interrupts are possible: IF and no shadow. */
static bool interrupts_open(const struct x86_state *s)
{
	return (s->rflags & X86_FLAGS_IF) && !(s->shadow & (X86_SHADOW_STI | X86_SHADOW_MOV_SS));
}

/* Virtual NMI, APM vol. 2 15.21.10: the processor takes it by itself.  False: left. */
static MUST_CHECK bool take_virtual_nmi(struct cpu *cpu)
{
	struct x86_event nmi = { .kind = X86_EVENT_NMI, .vector = X86_NMI };

	cpu->nmi_window = false;
	return cpu_deliver(cpu, nmi);
}

/* False: left. */
static MUST_CHECK bool check_windows(struct cpu *cpu)
{
	const struct x86_state *s = cpu->x.st;

	if (cpu->trapped)
		return cpu_leave(cpu, CPU_WRITE_TRAP);
	if (cpu->nmi_window &&
	    !(s->shadow & (X86_SHADOW_NMI | X86_SHADOW_MOV_SS | X86_SHADOW_STI))) {
		if (!cpu->svm)
			return cpu_leave(cpu, CPU_NMI_WINDOW);
		if (!take_virtual_nmi(cpu))
			return false;
	}
	if (cpu->int_window && interrupts_open(s))
		return cpu_leave(cpu, CPU_INTERRUPT_WINDOW);
	return true;
}

/* The instruction at x->at, or the fetch at x->rip, did not happen.  False: left. */
static NOINLINE MUST_CHECK bool stopped(struct cpu *cpu, const struct x86_op *at)
{
	struct x86_exec *x = &cpu->x;
	enum x86_why why = x->why;

	if (at) {
		x->rip = x86_op_rip(x, at);
		if (at->flags & X86_OP_LEGACY)
			x->rip = (uint32_t)x->rip;
		x->retired += at->nr - 1u;
	}
	x->why = X86_WHY_NONE;
	if (why != X86_WHY_EVENT) {
		x->why = why;
		cpu->exit.len = at ? at->len : 0;
		return false;
	}
	x->event.insn_len = at ? at->len : 0;
	return cpu_deliver(cpu, x->event);
}

static uint64_t linear_rip(const struct x86_exec *x)
{
	uint64_t lin = x->rip + x->seg_base[X86_CS];

	return x86_in_64bit_mode(x->st) ? lin : (uint32_t)lin;
}

/* @dr6: the bits that it sets. */
static struct x86_event debug_exception(uint64_t dr6)
{
	return (struct x86_event){ .kind = X86_EVENT_EXCEPTION, .vector = X86_DB, .payload = dr6 };
}

/* What a load of SS has held back is still there. */
static void arm_watch(struct cpu *cpu)
{
	if (!(cpu->x.st->shadow & X86_SHADOW_MOV_SS))
		cpu->watch_hits = 0;
	if (unlikely(cpu->watching) || unlikely(cpu->x.st->dr7 & CPU_DR7_ENABLES))
		breakpoints_watch(cpu);
}

/* One instruction with everything that goes with it.  False: left. */
static NOINLINE MUST_CHECK bool step(struct cpu *cpu)
{
	struct x86_exec *x = &cpu->x;
	bool trap = x->st->rflags & X86_FLAGS_TF;
	uint64_t rf = x->st->rflags & X86_FLAGS_RF;
	unsigned shadow = x->st->shadow & (X86_SHADOW_STI | X86_SHADOW_MOV_SS);
	uint64_t before = x->retired;
	struct block *b;

	if (!check_windows(cpu))
		return false;
	if (unlikely(x->st->dr7 & CPU_DR7_ENABLES) && !rf) {
		uint64_t hits = breakpoints_on_fetch(cpu, linear_rip(x));

		if (hits)
			return cpu_deliver(cpu, debug_exception(hits));
	}
	arm_watch(cpu);
	b = code_fetch(cpu, true);
	if (!b)
		return stopped(cpu, NULL);
	x->r[X86_OFF_BASE / 8] = x->rip;
	/* RF is for one instruction too, unless it is IRET. */
	x->st->rflags &= ~rf;
	/* The shadow lasts for one instruction; the instruction may cast a new one. */
	x->st->shadow &= (uint8_t)~shadow;
	if (b->ops->fn(x, b->ops) == X86_STOP) {
		x->st->shadow |= (uint8_t)shadow;
		x->st->rflags |= rf;
		return stopped(cpu, x->at);
	}
	if (x->retired == before || (x->st->shadow & X86_SHADOW_MOV_SS))
		return true;
	if (trap || cpu->watch_hits)
		return cpu_deliver(cpu, debug_exception((trap ? BIT(14) : 0) | cpu->watch_hits));
	return true;
}

static ALWAYS_INLINE bool needs_step(const struct cpu *cpu)
{
	const struct x86_state *s = cpu->x.st;

	return (s->shadow & (X86_SHADOW_STI | X86_SHADOW_MOV_SS)) |
	       (s->rflags & (X86_FLAGS_TF | X86_FLAGS_RF)) | (s->dr7 & CPU_DR7_ENABLES);
}

/* A guest that never leaves is counted all the same: so many blocks behind at most. */
#define COUNT_EVERY	1024

static NOINLINE void count_retired(struct cpu *cpu)
{
	counter_add(cpu->hw->config.counters, COUNTER_GUEST_INSTRUCTIONS,
		    cpu->x.retired - cpu->counted);
	cpu->counted = cpu->x.retired;
}

void cpu_run(struct cpu *cpu, const struct x86_event *inject)
{
	struct x86_exec *x = &cpu->x;
	unsigned uncounted = COUNT_EVERY;
	struct block *b;

	if (inject && !cpu_deliver(cpu, *inject))
		return;
	for (;;) {
		if (unlikely(atomic32_load_relaxed(&cpu->kick))) {
			cpu_leave(cpu, CPU_KICK);
			return;
		}
		if (unlikely(!--uncounted)) {
			count_retired(cpu);
			uncounted = COUNT_EVERY;
		}
		if (unlikely(needs_step(cpu))) {
			if (!step(cpu))
				return;
			continue;
		}
		if (unlikely(cpu->attention) && !check_windows(cpu))
			return;
		b = code_fetch(cpu, false);
		if (unlikely(!b)) {
			if (!stopped(cpu, NULL))
				return;
			continue;
		}
		x->r[X86_OFF_BASE / 8] = x->rip;
		if (unlikely(b->ops->fn(x, b->ops) != X86_DONE) && !stopped(cpu, x->at))
			return;
	}
}

/* As many of @max bytes at @lin, in one page, as the processor can fetch again without a walk. */
static unsigned bytes_of_page(struct cpu *cpu, uint64_t lin, uint8_t *to, unsigned max)
{
	const struct tlb_entry *e = tlb_code(&cpu->mmu.tlb, lin, 1);
	unsigned n = (unsigned)MIN(PAGE_SIZE - (lin & ~PAGE_MASK), (uint64_t)max);

	return e && !os_copy_from(to, (const void *)(uintptr_t)(e->addend + lin), n) ? n : 0;
}

/* DecodeAssists: the bytes at RIP as far as they can be read without a fault. */
static void collect_bytes(struct cpu *cpu)
{
	uint64_t lin = cpu->x.rip + cpu->x.seg_base[X86_CS];
	unsigned n = bytes_of_page(cpu, lin, cpu->exit.bytes, X86_MAX_INSN);

	if (n && n < X86_MAX_INSN)
		n += bytes_of_page(cpu, lin + n, cpu->exit.bytes + n, X86_MAX_INSN - n);
	cpu->exit.nr_bytes = (uint8_t)n;
}

void cpu_begin(struct cpu *cpu, struct x86_state *state, const struct mmu_nested *nested,
	       uint64_t tsc_offset)
{
	memset(&cpu->exit, 0, sizeof(cpu->exit));
	cpu->tsc_offset = tsc_offset;
	x86_exec_enter(&cpu->x, state);
	mmu_enter(&cpu->mmu, nested, state);
}

void cpu_end(struct cpu *cpu)
{
	if (cpu->exit.cause == CPU_NESTED || cpu->exit.cause == CPU_EXCEPTION)
		collect_bytes(cpu);
	mmu_leave(&cpu->mmu);
	x86_exec_leave(&cpu->x);
	count_retired(cpu);
	counter_add(cpu->hw->config.counters, COUNTER_GUEST_ENTRIES, 1);
	cpu->code.page = 0;
}
