/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * raise.h - how a body says that an instruction does not happen, and the
 * address arithmetic that is not worth inlining.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "x86/exec.h"

/* What compare-exchange accessors answer. */
enum x86_cas { X86_CAS_LOST, X86_CAS_WON, X86_CAS_STOP };

/* Record a fault of @op and answer X86_STOP. */
int x86_raise(struct x86_exec *x, const struct x86_op *op, uint8_t vector);
int x86_raise_error(struct x86_exec *x, const struct x86_op *op, uint8_t vector, uint32_t error);

/* Record only, answer false: for accessors and address computation. */
bool x86_fault(struct x86_exec *x, uint8_t vector, uint32_t error);
bool x86_page_fault(struct x86_exec *x, uint64_t linear, uint32_t error);

/*
 * The linear address of offset @ea (not yet truncated) in op->seg: legacy
 * modes and address sizes below 64 bits.  #GP(0) or #SS(0): false.  SDM vol. 3
 * 5.3, APM vol. 2 4.12.
 */
MUST_CHECK bool x86_lin_slow(struct x86_exec *x, const struct x86_op *op, uint64_t ea,
			     unsigned size, bool write, uint64_t *lin);

/* The same for segment @seg and an offset that is already truncated. */
MUST_CHECK bool x86_lin_seg(struct x86_exec *x, unsigned seg, uint64_t offset, unsigned size,
			    bool write, uint64_t *lin);

/* Canonical in the present paging mode (48 or 57 bits). */
static inline bool x86_is_canonical(const struct x86_state *s, uint64_t a)
{
	unsigned shift = s->cr4 & X86_CR4_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(a << shift) >> shift) == a;
}

static inline uint64_t x86_next_rip(const struct x86_exec *x, const struct x86_op *op)
{
	uint64_t rip = x86_op_rip(x, op) + op->len;

	return op->flags & X86_OP_LEGACY ? (uint32_t)rip : rip;
}
