/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * exec_alu.c - arithmetic and shifts, on this processor's TLB.
 */
#include "hw/cpu/access.h"
#include "x86/exec/begin.inc"

#include "x86/exec/arith.inc"
#include "x86/exec/alu.inc"
#include "x86/exec/shift.inc"
