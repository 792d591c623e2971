/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_integer.c - the emulator's instantiation of integer and string instructions.
 */
#include "kvm/vcpu/emu_access.h"
#include "x86/exec/begin.inc"

#include "x86/exec/arith.inc"
#include "x86/exec/alu.inc"
#include "x86/exec/shift.inc"
#include "x86/exec/cond.inc"
#include "x86/exec/mov.inc"
#include "x86/exec/muldiv.inc"
#include "x86/exec/bits.inc"
#include "x86/exec/string.inc"
