/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * retire.c - frames cease to exist, and whoever still translates to them has
 * broken the rule that a flush comes first.
 *
 * Only processors in guest mode count: what another remembers is stale, but
 * nobody uses it before the flush that must precede its next entry.
 */
#include "hw/insn/phys.h"

#include "hw/mem/machine.h"
#include "hw/mem/view.h"
#include "hw/mmu/tlb_priv.h"

struct gone {
	struct hw	*hw;
	uint64_t	start, size;	/* host addresses */
};

static void check_entries(const struct gone *g, const struct tlb *t, const struct tlb_entry *e,
			  size_t n, uint64_t tag, uint64_t global_tag)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t key = sync_word_load(&e[i].key), page = key & PAGE_MASK;
		uint64_t host = view_raw_address(g->hw, sync_word_load(&e[i].addend) + page);

		if (!key || ((key ^ page) != tag && (key ^ page) != global_tag) ||
		    host - g->start >= g->size)
			continue;
		hw_finding(g->hw, g->hw->config.vendor == HW_VENDOR_AMD ? "APM vol. 2 15.16"
									: "SDM vol. 3 29.4.3.4",
			   "retired frame is still in a TLB at %#llx (ASID or VPID %u)",
			   (unsigned long long)page, t->asid);
	}
}

void phys_retire(struct hw *hw, const void *host, size_t size)
{
	struct gone g = { hw, (uintptr_t)host & PAGE_MASK, size };

	bool found;

	/* Before, while the region is still there; after, who has learnt it meanwhile (FRAMES-G4). */
	frames_forget_mapping(&hw->frames, host, size);
	found = size && frames_retire(&hw->frames, host, size);
	frames_forget_mapping(&hw->frames, host, size);
	if (!found)
		return;
	g.size = ALIGN_UP((uintptr_t)host + size, PAGE_SIZE) - g.start;
	for (const struct tlb *t = rcu_dereference(hw->tlbs); t; t = t->next) {
		uint64_t tag = sync_word_load(&t->tag), gtag = sync_word_load(&t->global_tag);

		if (tag == TLB_NO_TAG)
			continue;
		check_entries(&g, t, t->data, TLB_DATA_ENTRIES, tag, gtag);
		check_entries(&g, t, t->code, TLB_CODE_ENTRIES, tag, gtag);
	}
}
