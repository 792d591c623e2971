/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_vector.c - the emulator's instantiation of vector instructions, of
 * which KVM takes a few moves (emu_forms.c), and x87.
 */
#include "kvm/vcpu/emu_access.h"
#include "x86/exec/begin.inc"

#include "x86/exec/simd.inc"
