/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mem_size.c - one page becomes 512, and 512 one: TDH.MEM.PAGE.DEMOTE, PROMOTE.  Bytes
 * stay where they are.  A pending interrupt ends either before anything has changed.
 */
#include "hw/tdx/tdx_priv.h"

#include "hw/cpu/seam.h"

#define L2_SEPT_ADD_MODE BIT(0)

/* The leaf that a piece @i of @entry's page is. */
static uint64_t piece(uint64_t entry, uint8_t level, unsigned i)
{
	uint64_t raw = entry & SEPT_TDP ? SEPT_RAW_PENDING : SEPT_RAW_MAPPED;

	return raw | (sept_page(entry, level).v + i * sept_span(level - 1));
}

uint64_t tdh_mem_page_demote(struct seam_call *c)
{
	struct pamt_held *leaf, *table;
	uint64_t gpa;
	uint8_t level;
	hpa_t page;

	c->in[SEAM_RDX] &= ~L2_SEPT_ADD_MODE;
	TRY(call_tdr(c, SEAM_RDX, TDX_SHARED));
	TRY(call_state(c, OP_ANY, true));
	TRY(call_gpa(c, TDX_2M, TDX_1G, &gpa, &level));
	TRY(call_page(c, SEAM_R8, TDX_4K, &page));
	TRY(call_tree(c, TDX_SHARED));
	TRY(call_entry(c, gpa, level, SEPT_IS_LEAF));
	TRY(call_tracked(c));
	TRY(call_hold_found(c, sept_page(c->at.entry, level), level, TDX_OPERAND_RCX, &leaf));
	TRY(call_hold_free(c, page, TDX_4K, TDX_OPERAND_R8, &table));
	if (cpu_interrupt_is_pending(c->cpu))
		return TDX_INTERRUPTED_RESTARTABLE;
	if (!sept_table_make(c->td, page))
		return TDX_OPERAND_INVALID | TDX_OPERAND_R8;
	for (unsigned i = 0; i < 512; i++)
		sept_write(c->td, page, i, piece(c->at.entry, level, i));
	pamt_demote(&c->m->pamt, leaf);
	td_owns(c->td, table, TDX_PT_EPT, NULL);
	call_put(c, SEPT_RAW_NL_MAPPED | page.v);
	return TDX_SUCCESS;
}

struct children {
	struct sept_at	at;		/* of the next one */
	hpa_t		table;
	unsigned	nr;		/* locked so far */
};

static void let_go(struct seam_call *c, struct children *ch)
{
	while (ch->nr--) {
		ch->at.where = HPA(ch->table.v + 8ull * ch->nr);
		sept_unlock(c->td, &ch->at);
	}
}

/* All of them, locked, are the pieces that @first begins. */
static uint64_t lock_children(struct seam_call *c, struct children *ch, uint8_t level,
			      uint64_t *first)
{
	for (ch->nr = 0; ch->nr < 512; ch->nr++) {
		ch->at.where = HPA(ch->table.v + 8ull * ch->nr);
		if (sept_lock_host(c->td, &ch->at) != TDX_LOCKED)
			return TDX_OPERAND_BUSY | TDX_OPERAND_RCX;
		*first = ch->nr ? *first : ch->at.entry;
		if (ch->at.entry == *first + ch->nr * sept_span(level - 1) &&
		    (sept_state(*first) & (SEPT_IS_MAPPED | SEPT_IS_PENDING)) &&
		    !(*first & SEPT_HPA & (sept_span(level) - 1)))
			continue;
		ch->nr++;
		return TDX_EPT_INVALID_PROMOTE_CONDITIONS | TDX_OPERAND_RCX;
	}
	return TDX_SUCCESS;
}

static uint64_t merge(struct seam_call *c, uint8_t level, hpa_t table, uint64_t first)
{
	struct pamt_held *leaf, *gone;

	TRY(call_hold_found(c, table, TDX_4K, TDX_OPERAND_RCX, &gone));
	TRY(call_hold_found(c, sept_page(first, level), level, TDX_OPERAND_RCX, &leaf));
	if (cpu_interrupt_is_pending(c->cpu))
		return TDX_INTERRUPTED_RESTARTABLE;
	pamt_promote(&c->m->pamt, leaf);
	td_owns_not(c->td, gone);
	call_put(c, first);
	OUT(c, RCX) = table.v;
	return TDX_SUCCESS;
}

uint64_t tdh_mem_page_promote(struct seam_call *c)
{
	struct children ch = { 0 };
	uint64_t first = 0, status;

	TRY(call_begin(c, TDX_2M, TDX_1G, TDX_SHARED, SEPT_IS_NL));
	TRY(call_tracked(c));
	ch.table = sept_page(c->at.entry, TDX_4K);
	status = lock_children(c, &ch, c->at.level, &first);
	if (!status)
		status = merge(c, c->at.level, ch.table, first);
	/* Of a table that is gone nobody asks for a lock. */
	if (status)
		let_go(c, &ch);
	return status;
}
