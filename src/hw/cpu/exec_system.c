/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * exec_system.c - transfers, segments and the system, on this processor's TLB.
 */
#include "hw/cpu/access.h"
#include "x86/exec/begin.inc"

#include "x86/exec/cond.inc"
#include "x86/exec/branch.inc"
#include "x86/exec/stack.inc"
#include "x86/exec/system.inc"
#include "x86/exec/control.inc"
#include "x86/exec/descriptor.inc"
#include "x86/exec/segment.inc"
#include "x86/exec/transfer.inc"
