/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * exec_simd.c - vectors and x87, on this processor's TLB.
 */
#include "hw/cpu/access.h"
#include "x86/exec/begin.inc"

#include "x86/exec/simd.inc"
