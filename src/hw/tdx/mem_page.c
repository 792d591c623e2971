/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* mem_page.c - a TD's pages come, go and move: TDH.MEM.PAGE.ADD, AUG, REMOVE, RELOCATE. */
#include "hw/tdx/measure.h"
#include "hw/tdx/tdx_priv.h"

static uint64_t leaf_entry(uint64_t raw, hpa_t page)
{
	return raw | page.v;
}

/* A source page is the host's: key id 0, or a shared one, which is the same here. */
static uint64_t source_page(struct seam_call *c, hpa_t *page)
{
	*page = HPA(IN(c, R9));
	if (page->v & ~PAGE_MASK || page->v >> machine_phys_bits(c->m->hw))
		return TDX_OPERAND_INVALID | TDX_OPERAND_R9;
	return TDX_SUCCESS;
}

static bool copy_page(struct td *td, hpa_t to, hpa_t from, keyslot_t from_key)
{
	uint8_t bytes[PAGE_SIZE];

	return view_read(td->m->hw, from, from_key, bytes, PAGE_SIZE) &&
	       view_write(td->m->hw, to, td->hkid, bytes, PAGE_SIZE);
}

uint64_t tdh_mem_page_add(struct seam_call *c)
{
	struct pamt_held *target;
	hpa_t page, source;
	uint64_t gpa;
	uint8_t level;

	TRY(call_tdr(c, SEAM_RDX, TDX_EXCLUSIVE));
	TRY(call_state(c, OP_INITIALIZED, false));
	TRY(call_gpa(c, TDX_4K, TDX_4K, &gpa, &level));
	TRY(call_entry(c, gpa, level, SEPT_IS_FREE));
	TRY(source_page(c, &source));
	TRY(call_page(c, SEAM_R8, TDX_4K, &page));
	TRY(call_hold_free(c, page, TDX_4K, TDX_OPERAND_R8, &target));
	if (!copy_page(c->td, page, source, 0))
		return TDX_OPERAND_INVALID | TDX_OPERAND_R9;
	if (!measure_page_add(c->td->mr, gpa))
		return TDX_RND_NO_ENTROPY;
	td_owns(c->td, target, TDX_PT_REG, NULL);
	call_put(c, leaf_entry(SEPT_RAW_MAPPED, page));
	return TDX_SUCCESS;
}

uint64_t tdh_mem_page_aug(struct seam_call *c)
{
	struct pamt_held *target;
	hpa_t page;

	TRY(call_begin(c, TDX_4K, TDX_2M, TDX_SHARED, SEPT_IS_FREE));
	TRY(call_page(c, SEAM_R8, c->at.level, &page));
	TRY(call_hold_free(c, page, c->at.level, TDX_OPERAND_R8, &target));
	td_owns(c->td, target, TDX_PT_REG, NULL);
	call_put(c, leaf_entry(SEPT_RAW_PENDING, page));
	return TDX_SUCCESS;
}

uint64_t tdh_mem_page_remove(struct seam_call *c)
{
	struct pamt_held *target;
	hpa_t page;

	TRY(call_begin(c, TDX_4K, TDX_1G, TDX_SHARED, SEPT_IS_LEAF));
	page = sept_page(c->at.entry, c->at.level);
	TRY(call_hold_found(c, page, c->at.level, TDX_OPERAND_RCX, &target));
	TRY(call_tracked(c));
	td_owns_not(c->td, target);
	call_put(c, SEPT_RAW_FREE);
	OUT(c, RCX) = page.v;
	return TDX_SUCCESS;
}

uint64_t tdh_mem_page_relocate(struct seam_call *c)
{
	struct pamt_held *source, *target;
	uint64_t gpa, raw;
	uint8_t level;
	hpa_t page, from;

	TRY(call_tdr(c, SEAM_RDX, TDX_SHARED));
	TRY(call_state(c, OP_ANY, true));
	TRY(call_gpa(c, TDX_4K, TDX_4K, &gpa, &level));
	TRY(call_page(c, SEAM_R8, TDX_4K, &page));
	TRY(call_tree(c, TDX_SHARED));
	TRY(call_entry(c, gpa, level, SEPT_IS_LEAF));
	from = sept_page(c->at.entry, level);
	if (from.v == page.v)
		return TDX_OPERAND_INVALID | TDX_OPERAND_R8;
	TRY(call_hold_found(c, from, level, TDX_OPERAND_RCX, &source));
	TRY(call_tracked(c));
	TRY(call_hold_free(c, page, level, TDX_OPERAND_R8, &target));
	raw = c->at.entry & SEPT_TDP ? SEPT_RAW_PENDING : SEPT_RAW_MAPPED;
	if (raw == SEPT_RAW_MAPPED && !copy_page(c->td, page, from, c->td->hkid))
		return TDX_OPERAND_INVALID | TDX_OPERAND_R8;
	td_owns(c->td, target, TDX_PT_REG, NULL);
	td_owns_not(c->td, source);
	call_put(c, leaf_entry(raw, page));
	OUT(c, RCX) = from.v;
	return TDX_SUCCESS;
}
