/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * forget.c - see forget.h.  Another thread's entry is made to match nothing by
 * one store to its key; should its owner have put something else there
 * meanwhile, he misses once.
 */
#include "hw/mmu/forget.h"

#include "hw/mem/machine.h"
#include "hw/mem/rmp.h"
#include "hw/mmu/tlb_priv.h"

static void forget_in(struct tlb_entry *e, size_t n, uint64_t start, uint64_t size)
{
	for (size_t i = 0; i < n; i++)
		if ((sync_word_load(&e[i].frame) & PAGE_MASK) - start < size)
			sync_word_store(&e[i].key, 0);
}

void mmu_forget_frames(struct hw *hw, hpa_t a, uint64_t size, uint32_t tlb)
{
	for (struct tlb *t = rcu_dereference(hw->tlbs); t; t = t->next) {
		if (tlb != RMP_ALL_TLBS && t->number != tlb)
			continue;
		forget_in(t->data, TLB_DATA_ENTRIES, a.v, size);
		forget_in(t->code, TLB_CODE_ENTRIES, a.v, size);
	}
	sync_fence();
}
