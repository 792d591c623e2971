/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_table.c - the emulator's handler for each number.  What is not in the
 * groups below ends in an emulation failure.
 */
#include "kvm/vcpu/emu.h"
#include "x86/handlers.h"

static int refuse(struct x86_exec *x, const struct x86_op *op)
{
	emu_of(x)->refused = true;
	x->why = X86_WHY_EXIT;
	x->at = op;
	return X86_STOP;
}

/* After the one instruction of a block. */
static int end(struct x86_exec *x, const struct x86_op *op)
{
	x->rip = x86_op_rip(x, op);
	if (op->flags & X86_OP_LEGACY)
		x->rip = (uint32_t)x->rip;
	return X86_DONE;
}

#define VECTOR_MOVES(X)							\
	X(movups_rm) X(movups_mr) X(movaps_rm) X(movaps_mr)		\
	X(movq_rm) X(movq_mr) X(movd_rm) X(movd_mr)

#define GROUPS(X)							\
	X86_HANDLERS_ALU(X) X86_HANDLERS_MOV(X) X86_HANDLERS_SHIFT(X)	\
	X86_HANDLERS_MULDIV(X) X86_HANDLERS_BITS(X) X86_HANDLERS_STRING(X)	\
	VECTOR_MOVES(X)

#define DECLARE(n) int emu_##n(struct x86_exec *x, const struct x86_op *op);
GROUPS(DECLARE)

/* The default for all, then those that are there. */
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Woverride-init"
#pragma GCC diagnostic ignored "-Winitializer-overrides"
const struct x86_handlers emu_handlers = {
	.fn = {
		[0 ... X86_NR_HANDLERS - 1] = refuse,
#define ROW(n) [X86_H_##n] = emu_##n,
		GROUPS(ROW)
		[X86_H_ins] = emu_string_io,
		[X86_H_outs] = emu_string_io,
		[X86_H_end] = end,
	},
};
