/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * op.h - one instruction, decoded once and executed many times.
 *
 * 32 bytes.  Registers are byte offsets into x86_exec.r, so that AH..BH and
 * every width need no arithmetic.  Values without state; an op belongs to the
 * block (or the array) that it was decoded into.
 */
#pragma once
#include <stdint.h>

#include "base/macros.h"

struct x86_exec;
struct x86_op;

/* What a handler answers. */
enum x86_ret {
	X86_DONE,		/* the block is over; x->rip is where to go on */
	X86_STOP,		/* the instruction at x->at did not happen: see x->why */
};

/*
 * Executes @op and, unless it ends a block, all that follow it up to the
 * block's end (each handler jumps to the next one's).
 */
typedef int (*x86_fn)(struct x86_exec *x, const struct x86_op *op);

/* Offsets into x86_exec.r of what is no general-purpose register. */
#define X86_OFF_BASE	(16 * 8)	/* linear RIP of the block's first byte */
#define X86_OFF_ZERO	(17 * 8)	/* always 0 */
#define X86_OFF_2G	(18 * 8)	/* always 1 << 31: makes up for a disp that overflows */
#define X86_NR_REGS	19
#define X86_OFF_NONE	0xff

/* flags */
#define X86_OP_A16	0x01	/* 16-bit addressing */
#define X86_OP_A32	0x02	/* 32-bit addressing */
#define X86_OP_LEGACY	0x04	/* not 64-bit mode: segment limits and rights count */
#define X86_OP_LOCK	0x08
#define X86_OP_REPE	0x10	/* F3 */
#define X86_OP_REPNE	0x20	/* F2 */
#define X86_OP_MEM	0x40	/* has a memory operand (base, index, scale, disp, seg) */
#define X86_OP_MEM_DST	0x80	/* and it is the first operand */
#define X86_OP_SLOW_EA	(X86_OP_A16 | X86_OP_A32 | X86_OP_LEGACY)

struct x86_op {
	x86_fn		fn;
	int32_t		imm;		/* sign-extended by who uses it */
	int32_t		disp;		/* RIP-relative: counted from the block's first byte */
	uint8_t		dst, src;	/* first and second register operand */
	uint8_t		base, index;
	uint8_t		scale;		/* shift, 0 to 3 */
	uint8_t		seg;		/* enum x86_seg of the memory operand */
	uint8_t		flags;
	uint8_t		len;		/* of the instruction, in bytes */
	uint16_t	off;		/* of the instruction, from the block's first byte */
	uint8_t		nr;		/* 1 for the block's first instruction */
	uint8_t		width;		/* log2 of the operand size in bytes */
	uint16_t	id;		/* enum x86_handler */
	uint16_t	aux;		/* condition, row of a table, third register */
};

static_assert(sizeof(struct x86_op) == 32, "two ops in a cache line");

/* MOV r64,imm64 and MOV moffs: 64 bits in imm and disp together. */
static inline uint64_t x86_op_imm64(const struct x86_op *op)
{
	return (uint32_t)op->imm | (uint64_t)(uint32_t)op->disp << 32;
}
