/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_system.c - the emulator's instantiation of transfers, segments and the system.
 */
#include "kvm/vcpu/emu_access.h"
#include "x86/exec/begin.inc"

#include "x86/exec/cond.inc"
#include "x86/exec/branch.inc"
#include "x86/exec/stack.inc"
#include "x86/exec/system.inc"
#include "x86/exec/control.inc"
#include "x86/exec/descriptor.inc"
#include "x86/exec/segment.inc"
#include "x86/exec/transfer.inc"

/* Real mode: FLAGS, CS and IP go to the stack, the vector table has the target. */
static int int_real(struct x86_exec *x, const struct x86_op *op, uint8_t vector)
{
	uint64_t sp = x->r[X86_RSP], flags = x86_rflags(x);
	uint16_t target[2];

	if (!push_value(x, op, 1, flags) ||
	    !push_value(x, op, 1, x->st->seg[X86_CS].selector) ||
	    !push_value(x, op, 1, x86_next_rip(x, op)) ||
	    !acc_sys_load(x, op, x->st->idtr.base + vector * 4u, target, 4)) {
		x->r[X86_RSP] = sp;
		X86_STOPPED;
	}
	x86_set_rflags(x, flags & ~(X86_FLAGS_IF | X86_FLAGS_TF | X86_FLAGS_AC));
	set_real_cs(x, target[1]);
	return x86_goto(x, op, target[0]);
}

/* KVM does no interrupt through a protected mode's IDT. */
static int soft_int(struct x86_exec *x, const struct x86_op *op, uint8_t vector)
{
	if (!(x->st->cr0 & X86_CR0_PE))
		return int_real(x, op, vector);
	emu_refuse(x);
	X86_STOPPED;
}

int emu_real_int_n(struct x86_exec *x, const struct x86_op *op)
{
	return soft_int(x, op, (uint8_t)op->imm);
}

int emu_real_int3(struct x86_exec *x, const struct x86_op *op)
{
	return soft_int(x, op, X86_BP);
}

int emu_real_into(struct x86_exec *x, const struct x86_op *op)
{
	if (x->fl & X86_FL_OF)
		return soft_int(x, op, X86_OF);
	X86_END;
}
