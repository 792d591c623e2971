/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * exec_move.c - moves, multiplication, bits and strings, on this processor's TLB.
 */
#include "hw/cpu/access.h"
#include "x86/exec/begin.inc"

#include "x86/exec/arith.inc"
#include "x86/exec/cond.inc"
#include "x86/exec/mov.inc"
#include "x86/exec/muldiv.inc"
#include "x86/exec/bits.inc"
#include "x86/exec/string.inc"
