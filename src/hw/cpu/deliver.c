/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * deliver.c - exceptions and interrupts through the IDT or the real-mode table.
 *
 * SDM vol. 3 chapter 6, APM vol. 2 chapter 8.  Delivery reads and checks all,
 * writes the stack frame (below the stack pointer, where nobody may look), and
 * only then changes the state.
 */
#include "hw/cpu/access.h"
#include "x86/exec/descriptor.inc"

#define EXT	1u
#define IDT	2u

static bool is_soft(const struct x86_event *ev)
{
	return ev->kind == X86_EVENT_SOFT_INT || ev->kind == X86_EVENT_SOFT_EXCEPTION;
}

/* What delivery works on. */
struct delivery {
	struct cpu	*cpu;
	const struct x86_event *ev;
	uint32_t	ext;		/* EXT bit of error codes */
	uint64_t	return_rip;
	/* from the gate */
	uint16_t	selector;
	uint64_t	offset;
	unsigned	type, ist;
	/* from the code segment */
	struct x86_segment cs;
	unsigned	cpl;
	/* the new stack */
	uint16_t	ss_selector;
	struct x86_segment ss;
	uint64_t	sp;
	bool		switched;
};

static bool fault(struct delivery *d, uint8_t vector, uint32_t error)
{
	return x86_fault(&d->cpu->x, vector, error);
}

static MUST_CHECK bool read_gate(struct delivery *d)
{
	struct x86_state *s = d->cpu->x.st;
	bool lm = x86_in_long_mode(s);
	unsigned size = lm ? 16 : 8, vector = d->ev->vector, dpl;
	uint32_t code = vector * 8 + IDT + d->ext;
	uint64_t g[2] = { 0, 0 };

	if (vector * size + size - 1 > s->idtr.limit)
		return fault(d, X86_GP, code);
	if (!acc_sys_load(&d->cpu->x, NULL, s->idtr.base + vector * size, g, size))
		return false;
	d->type = g[0] >> 40 & 0x1f;
	dpl = g[0] >> 45 & 3;
	d->selector = (uint16_t)(g[0] >> 16);
	d->offset = (g[0] & 0xffff) | (g[0] >> 32 & 0xffff0000) | g[1] << 32;
	d->ist = lm ? g[0] >> 32 & 7 : 0;
	if (lm ? d->type != 0xe && d->type != 0xf :
	    d->type != 5 && d->type != 6 && d->type != 7 && d->type != 0xe && d->type != 0xf)
		return fault(d, X86_GP, code);
	if (is_soft(d->ev) && dpl < s->cpl)
		return fault(d, X86_GP, vector * 8 + IDT);
	if (!(g[0] >> 47 & 1))
		return fault(d, X86_NP, code);
	if (d->type == 6 || d->type == 7)
		d->offset &= 0xffff;
	return true;
}

static MUST_CHECK bool read_code_segment(struct delivery *d)
{
	struct x86_exec *x = &d->cpu->x;
	uint32_t code = (d->selector & 0xfffcu) + d->ext;
	unsigned dpl;

	if (!(d->selector & 0xfffc))
		return fault(d, X86_GP, d->ext);
	if (!desc_read(x, NULL, d->selector, X86_GP, code, &d->cs))
		return false;
	dpl = FIELD_GET(X86_AR_DPL, d->cs.ar);
	if (!(d->cs.ar & X86_AR_S) || !(d->cs.ar & 8) || dpl > x->st->cpl)
		return fault(d, X86_GP, code);
	if (x86_in_long_mode(x->st) && (!(d->cs.ar & X86_AR_L) || (d->cs.ar & X86_AR_DB)))
		return fault(d, X86_GP, code);
	if (!(d->cs.ar & X86_AR_P))
		return fault(d, X86_NP, code);
	d->cpl = d->cs.ar & 4 ? x->st->cpl : dpl;	/* conforming: stays */
	d->cs.selector = (uint16_t)((d->selector & ~3u) | d->cpl);
	return true;
}

/* A field of the TSS; beyond its limit #TS. */
static MUST_CHECK bool tss_field(struct delivery *d, unsigned at, unsigned size, void *p)
{
	const struct x86_segment *tr = &d->cpu->x.st->seg[X86_TR];

	if (at + size - 1 > tr->limit)
		return fault(d, X86_TS, (tr->selector & 0xfffcu) + d->ext);
	return acc_sys_load(&d->cpu->x, NULL, tr->base + at, p, size);
}

/* 64-bit: RSPn or an IST slot, aligned; SS becomes null when the CPL changes. */
static MUST_CHECK bool pick_stack_64(struct delivery *d)
{
	struct x86_state *s = d->cpu->x.st;

	d->sp = d->cpu->x.r[X86_RSP];
	d->ss = s->seg[X86_SS];
	if (d->ist) {
		if (!tss_field(d, 36 + (d->ist - 1) * 8, 8, &d->sp))
			return false;
	} else if (d->cpl < s->cpl) {
		if (!tss_field(d, 4 + d->cpl * 8, 8, &d->sp))
			return false;
	}
	if (d->cpl < s->cpl)
		d->ss = (struct x86_segment){ .selector = (uint16_t)d->cpl,
			.ar = (uint32_t)(X86_AR_UNUSABLE | FIELD_PUT(X86_AR_DPL, d->cpl)) };
	if (!x86_is_canonical(s, d->sp))
		return fault(d, X86_SS_FAULT, d->ext);
	d->sp &= ~15ull;
	return true;
}

/* 32-bit: SSn:ESPn of a 32- or 16-bit TSS. */
static MUST_CHECK bool pick_stack_32(struct delivery *d)
{
	struct x86_exec *x = &d->cpu->x;
	struct x86_state *s = x->st;
	bool big = s->seg[X86_TR].ar & 8;
	uint32_t esp = 0, error;
	uint16_t sel;

	d->sp = x->r[X86_RSP];
	d->ss = s->seg[X86_SS];
	d->switched = d->cpl < s->cpl || (s->rflags & X86_FLAGS_VM);
	if (!d->switched)
		return true;
	if (!tss_field(d, big ? 4 + d->cpl * 8 : 2 + d->cpl * 4, big ? 4 : 2, &esp) ||
	    !tss_field(d, big ? 8 + d->cpl * 8 : 4 + d->cpl * 4, 2, &sel))
		return false;
	error = (sel & 0xfffcu) + d->ext;
	if (!(sel & 0xfffc))
		return fault(d, X86_TS, d->ext);
	if (!desc_read(x, NULL, sel, X86_TS, error, &d->ss))
		return false;
	if ((sel & 3) != d->cpl || FIELD_GET(X86_AR_DPL, d->ss.ar) != d->cpl ||
	    !(d->ss.ar & X86_AR_S) || (d->ss.ar & 0xa) != 2)
		return fault(d, X86_TS, error);
	if (!(d->ss.ar & X86_AR_P))
		return fault(d, X86_SS_FAULT, error);
	d->ss.selector = sel;
	d->sp = esp;
	return true;
}

/* @n values of @size bytes, the last one at the lowest address. */
static MUST_CHECK bool push_frame(struct delivery *d, const uint64_t *v, unsigned n, unsigned size)
{
	struct x86_exec *x = &d->cpu->x;
	bool lm = x86_in_long_mode(x->st), big = lm || (d->ss.ar & X86_AR_DB);
	uint64_t sp = d->sp, mask = lm ? ~0ull : big ? 0xffffffffull : 0xffff, lin;
	enum mmu_access access = d->cpl == 3 ? MMU_WRITE : MMU_SYS_WRITE;
	unsigned i;

	for (i = 0; i < n; i++) {
		sp = (sp - size) & mask;
		lin = lm ? sp : (uint32_t)(d->ss.base + sp);
		if (!lm && !(d->ss.ar & 4) && sp + size - 1 > d->ss.limit)
			return fault(d, X86_SS_FAULT,
				     d->switched ? (d->ss.selector & 0xfffcu) + d->ext : d->ext);
		if (!access_store(x, NULL, lin, size, v[i], access, true))
			return false;
	}
	d->sp = (d->sp & ~mask) | sp;
	return true;
}

/* What is pushed as RFLAGS: RF set for faults, so that they restart past a breakpoint. */
static uint64_t flags_image(const struct delivery *d)
{
	uint64_t f = x86_rflags(&d->cpu->x);

	if (d->ev->kind == X86_EVENT_EXCEPTION && d->ev->vector != X86_DB)
		f |= X86_FLAGS_RF;
	return f;
}

static MUST_CHECK bool push_all(struct delivery *d)
{
	struct x86_state *s = d->cpu->x.st;
	bool lm = x86_in_long_mode(s), vm = s->rflags & X86_FLAGS_VM;
	uint64_t v[11];
	unsigned n = 0;

	if (vm) {
		v[n++] = s->seg[X86_GS].selector;
		v[n++] = s->seg[X86_FS].selector;
		v[n++] = s->seg[X86_DS].selector;
		v[n++] = s->seg[X86_ES].selector;
	}
	if (lm || d->switched) {
		v[n++] = s->seg[X86_SS].selector;
		v[n++] = d->cpu->x.r[X86_RSP];
	}
	v[n++] = flags_image(d);
	v[n++] = s->seg[X86_CS].selector;
	v[n++] = d->return_rip;
	if (d->ev->has_error)
		v[n++] = d->ev->error;
	return push_frame(d, v, n, lm ? 8 : d->type & 8 ? 4 : 2);
}

static void commit(struct delivery *d)
{
	struct x86_exec *x = &d->cpu->x;
	struct x86_state *s = x->st;
	uint64_t clear = X86_FLAGS_TF | X86_FLAGS_NT | X86_FLAGS_RF | X86_FLAGS_VM;
	bool vm = s->rflags & X86_FLAGS_VM;
	unsigned i;

	if (!(d->type & 1))
		clear |= X86_FLAGS_IF;
	s->rflags &= ~clear;
	for (i = 0; vm && i < X86_NR_SEGS; i++)
		if (i == X86_ES || i == X86_DS || i == X86_FS || i == X86_GS)
			s->seg[i] = (struct x86_segment){ .ar = X86_AR_UNUSABLE };
	s->seg[X86_CS] = d->cs;
	s->seg[X86_SS] = d->ss;
	s->cpl = (uint8_t)d->cpl;
	if (x86_in_long_mode(s) || (d->ss.ar & X86_AR_DB))
		x->r[X86_RSP] = x86_in_long_mode(s) ? d->sp : (uint32_t)d->sp;
	else
		x->r[X86_RSP] = (x->r[X86_RSP] & ~0xffffull) | (uint16_t)d->sp;
	x->rip = d->offset;
	x86_exec_refresh(x);
	mmu_mode_changed(&d->cpu->mmu);
}

static MUST_CHECK bool protected_mode(struct delivery *d)
{
	struct x86_state *s = d->cpu->x.st;

	if (!read_gate(d))
		return false;
	if (d->type == 5) {
		if (unlikely(d->cpu->in_es))
			return fault(d, X86_VC, SVM_EXIT_TASK_SWITCH);
		d->cpu->exit.info = d->selector | 3ull << 30;
		return cpu_leave(d->cpu, CPU_TASK_SWITCH);
	}
	if (!read_code_segment(d))
		return false;
	if ((s->rflags & X86_FLAGS_VM) && d->cpl)
		return fault(d, X86_GP, (d->selector & 0xfffcu) + d->ext);
	if (!(x86_in_long_mode(s) ? pick_stack_64(d) : pick_stack_32(d)))
		return false;
	if (x86_in_long_mode(s) ? !x86_is_canonical(s, d->offset) : d->offset > d->cs.limit)
		return fault(d, X86_GP, d->ext);
	if (!push_all(d) || !desc_set_accessed(&d->cpu->x, NULL, d->cs.selector, &d->cs))
		return false;
	commit(d);
	return true;
}

/* 16-bit everything: IP and CS from the table at IDTR.base. */
static MUST_CHECK bool real_mode(struct delivery *d)
{
	struct x86_exec *x = &d->cpu->x;
	struct x86_state *s = x->st;
	uint64_t v[3] = { x86_rflags(x), s->seg[X86_CS].selector, d->return_rip };
	uint16_t ip_cs[2];

	if (d->ev->vector * 4u + 3 > s->idtr.limit)
		return fault(d, X86_GP, d->ev->vector * 8 + IDT + d->ext);
	if (!acc_sys_load(x, NULL, s->idtr.base + d->ev->vector * 4u, ip_cs, 4))
		return false;
	d->ss = s->seg[X86_SS];
	d->sp = x->r[X86_RSP];
	d->cs = s->seg[X86_CS];
	if (!push_frame(d, v, 3, 2))
		return false;
	d->cs.selector = ip_cs[1];
	d->cs.base = (uint32_t)ip_cs[1] << 4;
	d->offset = ip_cs[0];
	d->type = 6;
	commit(d);
	s->rflags &= ~X86_FLAGS_AC;
	mmu_mode_changed(&d->cpu->mmu);
	return true;
}

/* One attempt.  False: x->why says whether another event arose or guest mode ended. */
static MUST_CHECK bool deliver_once(struct cpu *cpu, const struct x86_event *ev)
{
	struct delivery d = { .cpu = cpu, .ev = ev, .return_rip = cpu->x.rip };
	struct x86_state *s = cpu->x.st;
	bool ok;

	d.ext = ev->kind == X86_EVENT_SOFT_INT || ev->kind == X86_EVENT_SOFT_EXCEPTION ? 0 : EXT;
	if (is_soft(ev) || ev->kind == X86_EVENT_ICEBP)
		d.return_rip += ev->insn_len;
	ok = s->cr0 & X86_CR0_PE ? protected_mode(&d) : real_mode(&d);
	if (ok) {
		s->shadow &= (uint8_t)~(X86_SHADOW_STI | X86_SHADOW_MOV_SS);
		if (ev->kind == X86_EVENT_NMI)
			s->shadow |= X86_SHADOW_NMI;
	}
	return ok;
}

/* SDM table 6-5: what two exceptions in a row make. */
enum event_class { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum event_class class_of(const struct x86_event *ev)
{
	if (ev->kind != X86_EVENT_EXCEPTION)
		return BENIGN;
	switch (ev->vector) {
	case X86_DE: case X86_TS: case X86_NP: case X86_SS_FAULT: case X86_GP: case X86_CP:
	case X86_VC:
		return CONTRIBUTORY;
	case X86_PF: case X86_VE:
		return PAGE_FAULT;
	case X86_DF:
		return DOUBLE_FAULT;
	default:
		return BENIGN;
	}
}

static bool makes_double_fault(const struct x86_event *first, const struct x86_event *second)
{
	enum event_class a = class_of(first), b = class_of(second);

	return (a == CONTRIBUTORY && b == CONTRIBUTORY) ||
	       (a == PAGE_FAULT && (b == CONTRIBUTORY || b == PAGE_FAULT));
}

static bool intercepted(const struct cpu *cpu, const struct x86_event *ev)
{
	return cpu->svm ? svm_intercepts_exception(cpu, ev) : vmx_intercepts_exception(cpu, ev);
}

/* CR2, DR6 and DR7.GD change when an exception is really taken. */
static void take_payload(struct x86_state *s, const struct x86_event *ev)
{
	if (ev->kind != X86_EVENT_EXCEPTION || ev->injected)
		return;
	if (ev->vector == X86_PF)
		s->cr2 = ev->payload;
	if (ev->vector == X86_DB) {
		s->dr6 = (s->dr6 & ~0xfull) | ev->payload;
		s->dr7 &= ~BIT(13);
	}
}

/* Record how far delivery had come when guest mode ended. */
static bool left(struct cpu *cpu, const struct x86_event *first)
{
	if (first) {
		cpu->exit.vectoring = true;
		cpu->exit.vectored = *first;
	}
	cpu->exit.len = 0;
	return false;
}

static const struct x86_event double_fault = {
	.kind = X86_EVENT_EXCEPTION, .vector = X86_DF, .has_error = true,
};

bool cpu_deliver(struct cpu *cpu, struct x86_event ev)
{
	struct x86_exec *x = &cpu->x;
	struct x86_event first = ev;
	bool nested = false;

	for (;;) {
		/* An injected event is not intercepted; what its delivery raises is. */
		if (ev.kind != X86_EVENT_EXTERNAL && ev.kind != X86_EVENT_NMI &&
		    !(ev.injected && !nested) && intercepted(cpu, &ev)) {
			if (!svm_reflects_exception(cpu, &ev)) {
				cpu->exit.event = ev;
				cpu_leave(cpu, CPU_EXCEPTION);
				return left(cpu, nested ? &first : NULL);
			}
			if (nested && makes_double_fault(&first, &ev))
				ev = double_fault;
		}
		take_payload(x->st, &ev);
		x->why = X86_WHY_NONE;
		if (deliver_once(cpu, &ev))
			return true;
		if (x->why != X86_WHY_EVENT)
			return left(cpu, &ev);
		if (class_of(&ev) == DOUBLE_FAULT) {
			cpu_leave(cpu, CPU_SHUTDOWN);
			return left(cpu, NULL);
		}
		first = ev;
		nested = true;
		ev = x->event;
		if (makes_double_fault(&first, &ev))
			ev = double_fault;
	}
}
