/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_vector.c - the emulator's instantiation of vector instructions: of all
 * of them emu_table.c offers the moves.
 */
#include "kvm/vcpu/emu_access.h"
#include "sync/atomic.h"
#include "x86/exec/begin.inc"

#include "x86/exec/simd.inc"
