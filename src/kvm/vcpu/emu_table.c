/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_table.c - the emulator's handler for each number.  Which instructions
 * get here at all is emu_forms.c's.
 */
#include "kvm/vcpu/emu.h"
#include "x86/handlers.h"

#define DECLARE(n) int emu_##n(struct x86_exec *x, const struct x86_op *op);
X86_HANDLERS(DECLARE)

static int refuse(struct x86_exec *x, const struct x86_op *op)
{
	emu_refuse(x);
	x->at = op;
	return X86_STOP;
}

/* What KVM does not do for every guest. */
#define ONLY(n, cond)							\
static int only_##n(struct x86_exec *x, const struct x86_op *op)	\
{									\
	return cond ? emu_##n(x, op) : refuse(x, op);			\
}
#define IN_REAL_MODE	(!(x->st->cr0 & X86_CR0_PE))
#define NOT_IN_64BIT	(!x86_in_64bit_mode(x->st))
ONLY(iret, IN_REAL_MODE)
ONLY(sysenter, NOT_IN_64BIT)
ONLY(fxsave, NOT_IN_64BIT)
ONLY(fxrstor, NOT_IN_64BIT)

#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Woverride-init"
#pragma GCC diagnostic ignored "-Winitializer-overrides"
const struct x86_handlers emu_handlers = {
	.fn = {
#define ROW(n) [X86_H_##n] = emu_##n,
		X86_HANDLERS(ROW)
#define ROW_ONLY(n) [X86_H_##n] = only_##n,
		ROW_ONLY(iret) ROW_ONLY(sysenter) ROW_ONLY(fxsave) ROW_ONLY(fxrstor)
		/* KVM does not look at F3 before BSF and BSR. */
		[X86_H_tzcnt] = emu_bsf,
		[X86_H_lzcnt] = emu_bsr,
		[X86_H_int_n] = emu_real_int_n,
		[X86_H_int3] = emu_real_int3,
		[X86_H_into] = emu_real_into,
		[X86_H_ins] = emu_string_io,
		[X86_H_outs] = emu_string_io,
	},
};
