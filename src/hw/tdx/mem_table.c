/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* mem_table.c - tables of the secure EPT come and go: TDH.MEM.SEPT.ADD, REMOVE, RD. */
#include "hw/tdx/tdx_priv.h"

#define ALLOW_EXISTING	BIT(0)
#define NO_PAGE		(~0ull)

/* No L2 VMs here, so version 1 has no pages for them. */
static uint64_t no_l2_pages(const struct seam_call *c)
{
	const bool v1 = IN(c, RAX) >> 16 & 0xff;

	for (enum seam_gpr r = SEAM_R9; v1 && r <= SEAM_R11; r++)
		if (c->in[r] != NO_PAGE)
			return TDX_OPERAND_INVALID | r;
	return TDX_SUCCESS;
}

uint64_t tdh_mem_sept_add(struct seam_call *c)
{
	const bool again = IN(c, RDX) & ALLOW_EXISTING;
	struct pamt_held *h;
	uint64_t gpa;
	uint8_t level;
	hpa_t page;

	c->in[SEAM_RDX] &= ~ALLOW_EXISTING;
	TRY(call_tdr(c, SEAM_RDX, TDX_SHARED));
	TRY(call_state(c, OP_ANY, true));
	TRY(call_gpa(c, TDX_2M, c->td->sept_levels - 1, &gpa, &level));
	TRY(call_page(c, SEAM_R8, TDX_4K, &page));
	TRY(no_l2_pages(c));
	TRY(call_tree(c, TDX_SHARED));
	TRY(call_entry(c, gpa, level, SEPT_IS_FREE | (again ? SEPT_IS_NL_MAPPED : 0)));
	if (sept_state(c->at.entry) & SEPT_IS_NL_MAPPED)
		return TDX_SUCCESS;
	TRY(call_hold_free(c, page, TDX_4K, TDX_OPERAND_R8, &h));
	if (!sept_table_make(c->td, page))
		return TDX_OPERAND_INVALID | TDX_OPERAND_R8;
	td_owns(c->td, h, TDX_PT_EPT, NULL);
	call_put(c, SEPT_RAW_NL_MAPPED | page.v);
	return TDX_SUCCESS;
}

static bool is_empty(const struct td *td, hpa_t table)
{
	for (unsigned i = 0; i < 512; i++)
		if (sept_state(sept_read(td, table, i)) != SEPT_IS_FREE)
			return false;
	return true;
}

uint64_t tdh_mem_sept_remove(struct seam_call *c)
{
	struct pamt_held *h;
	hpa_t page;

	TRY(call_begin(c, TDX_2M, TDX_256T, TDX_EXCLUSIVE, SEPT_IS_NL));
	TRY(call_tracked(c));
	page = sept_page(c->at.entry, TDX_4K);
	TRY(call_hold_found(c, page, TDX_4K, TDX_OPERAND_RCX, &h));
	if (!is_empty(c->td, page))
		return TDX_EPT_PAGE_NOT_FREE | TDX_OPERAND_RCX;
	td_owns_not(c->td, h);
	call_put(c, SEPT_RAW_FREE);
	OUT(c, RCX) = page.v;
	return TDX_SUCCESS;
}

uint64_t tdh_mem_sept_rd(struct seam_call *c)
{
	TRY(call_begin(c, TDX_4K, TDX_256T, TDX_SHARED, ~0u));
	(void)call_details(c, TDX_SUCCESS);
	return TDX_SUCCESS;
}
