/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * x87_priv.h - the x87 stack as x86_fpu keeps it: ST(0) first, so that a
 * change of TOP that moves no number turns the array.
 */
#pragma once
#include "x86/simd.h"

#define X87_FSW_TOP_HI		13
#define X87_FSW_TOP_LO		11
#define X87_FSW_ES		0x0080u
#define X87_FSW_B		0x8000u
#define X87_FSW_EXCEPTIONS	0x003fu
#define X87_FCW_INIT		0x037fu

/* FLDENV, FNSTENV, FRSTOR, FNSAVE: rows of x87_env.c.  As x86_x87_fn. */
int x87_fnstenv(uint8_t *mem, struct x86_x87 *x);
int x87_fldenv(uint8_t *mem, struct x86_x87 *x);
int x87_fnsave(uint8_t *mem, struct x86_x87 *x);
int x87_frstor(uint8_t *mem, struct x86_x87 *x);

/* Control and status words as the processor would hold them: fixed bits, ES and B. */
void x87_set_words(struct x86_fpu *fpu, uint16_t fcw, uint16_t fsw);
