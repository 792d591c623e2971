/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * look.h - peek_tlb() for a processor's MMU; it must not be running.
 */
#pragma once
#include "hw/insn/peek.h"

struct mmu;

void mmu_peek_tlb(const struct mmu *m, void (*fn)(const struct peek_tlb_entry *e, void *arg),
		  void *arg);
