/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_string.c - the emulator's instantiation of string instructions.
 */
#include "kvm/vcpu/emu_access.h"

#include "x86/exec/begin.inc"
#include "x86/exec/cond.inc"
#include "x86/exec/string.inc"
