/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * raise.c - faults of instructions, segmentation, and the working state's
 * comings and goings.
 */
#include "x86/raise.h"

#include <string.h>

bool x86_fault(struct x86_exec *x, uint8_t vector, uint32_t error)
{
	x->why = X86_WHY_EVENT;
	x->event = (struct x86_event){ .kind = X86_EVENT_EXCEPTION, .vector = vector,
				       .has_error = true, .error = error };
	return false;
}

bool x86_page_fault(struct x86_exec *x, uint64_t linear, uint32_t error)
{
	x86_fault(x, X86_PF, error);
	x->event.payload = linear;
	return false;
}

int x86_raise(struct x86_exec *x, const struct x86_op *op, uint8_t vector)
{
	x86_fault(x, vector, 0);
	x->event.has_error = false;
	x->at = op;
	return X86_STOP;
}

int x86_raise_error(struct x86_exec *x, const struct x86_op *op, uint8_t vector, uint32_t error)
{
	x86_fault(x, vector, error);
	x->at = op;
	return X86_STOP;
}

/* Type field: bit 3 code, bit 2 expand-down (data), bit 1 writable or readable. */
static bool segment_allows(const struct x86_segment *s, uint64_t offset, unsigned size, bool write)
{
	uint64_t last = offset + size - 1;
	unsigned type = s->ar & 15;

	if (s->ar & X86_AR_UNUSABLE || !(s->ar & X86_AR_P))
		return false;
	if (type & 8)
		return !write && (type & 2) && last <= s->limit;
	if (write && !(type & 2))
		return false;
	if (type & 4)		/* valid above the limit */
		return offset > s->limit && last <= (s->ar & X86_AR_DB ? 0xffffffffu : 0xffffu);
	return last <= s->limit;
}

bool x86_lin_seg(struct x86_exec *x, unsigned seg, uint64_t offset, unsigned size, bool write,
		 uint64_t *lin)
{
	const struct x86_segment *s = &x->st->seg[seg];
	bool real = !(x->st->cr0 & X86_CR0_PE) || (x->st->rflags & X86_FLAGS_VM);

	if (real ? offset + size - 1 > s->limit : !segment_allows(s, offset, size, write))
		return x86_fault(x, seg == X86_SS ? X86_SS_FAULT : X86_GP, 0);
	*lin = (uint32_t)(s->base + offset);
	return true;
}

bool x86_lin_slow(struct x86_exec *x, const struct x86_op *op, uint64_t ea, unsigned size,
		  bool write, uint64_t *lin)
{
	if (op->flags & X86_OP_A16)
		ea = (uint16_t)ea;
	else if (op->flags & X86_OP_A32)
		ea = (uint32_t)ea;
	if (op->flags & X86_OP_LEGACY)
		return x86_lin_seg(x, op->seg, ea, size, write, lin);
	*lin = ea + x->seg_base[op->seg];
	return true;
}

/* SDM vol. 1 11.6 and vol. 3 tables 14-1, 24-1: who may use vector and x87 registers. */
static void refresh_traps(struct x86_exec *x)
{
	const struct x86_state *s = x->st;
	bool em = s->cr0 & X86_CR0_EM, ts = s->cr0 & X86_CR0_TS;

	x->simd_trap = em || !(s->cr4 & X86_CR4_OSFXSR) ? X86_UD : ts ? X86_NM : 0;
	x->mmx_trap = em ? X86_UD : ts ? X86_NM : 0;
	x->x87_trap = em || ts ? X86_NM : 0;
	x->unmasked_xm = s->cr4 & X86_CR4_OSXMMEXCPT;
}

void x86_exec_refresh(struct x86_exec *x)
{
	bool flat = x86_in_64bit_mode(x->st);
	unsigned i;

	for (i = 0; i < X86_NR_SEGS; i++)
		x->seg_base[i] = flat && i != X86_FS && i != X86_GS ? 0 : x->st->seg[i].base;
	refresh_traps(x);
}

void x86_exec_enter(struct x86_exec *x, struct x86_state *st)
{
	x->st = st;
	memcpy(x->r, st->gpr, sizeof(st->gpr));
	x->r[X86_OFF_ZERO / 8] = 0;
	x->r[X86_OFF_2G / 8] = 1ull << 31;
	x->rip = st->rip;
	x->fl = x86_fl_from_flags(st->rflags);
	x->why = X86_WHY_NONE;
	x->at = NULL;
	x86_exec_refresh(x);
}

void x86_exec_leave(struct x86_exec *x)
{
	memcpy(x->st->gpr, x->r, sizeof(x->st->gpr));
	x->st->rip = x->rip;
	x->st->rflags = x86_rflags(x);
}
