/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* phymem.c - pages and caches, whoever's they are: the TDH.PHYMEM leaves. */
#include "hw/cpu/seam.h"
#include "hw/tdx/tdx_priv.h"

#define RESUME		1u
#define CACHE_STEPS	16u	/* interrupts are looked at between them */

/* Every key id that is to go and has lines here has none any more. */
static void keys_are_flushed(struct tdx *m)
{
	for (unsigned i = 0; i < m->nr_keys; i++)
		m->keys[i].to_flush = 0;
}

static bool is_any_to_flush(const struct tdx *m)
{
	for (unsigned i = 0; i < m->nr_keys; i++)
		if (m->keys[i].to_flush)
			return true;
	return false;
}

static uint64_t write_back(struct seam_call *c)
{
	struct tdx *m = c->m;

	if (IN(c, RCX) == RESUME && !m->cache_wb_at)
		return TDX_WBCACHE_RESUME_ERROR;
	if (!is_any_to_flush(m))
		return TDX_NO_HKID_READY_TO_WBCACHE;
	if (IN(c, RCX) != RESUME)
		m->cache_wb_at = 0;
	while (m->cache_wb_at++ < CACHE_STEPS)
		if (cpu_interrupt_is_pending(c->cpu))
			return TDX_INTERRUPTED_RESUMABLE;
	m->cache_wb_at = 0;
	keys_are_flushed(m);
	return TDX_SUCCESS;
}

uint64_t tdh_phymem_cache_wb(struct seam_call *c)
{
	if (IN(c, RCX) > RESUME)
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	TRY(call_other(c, &c->m->wbt, TDX_EXCLUSIVE, TDX_OPERAND_BUSY | TDX_OPERAND_WBCACHE));
	TRY(call_other(c, &c->m->kot, TDX_SHARED, TDX_OPERAND_BUSY | TDX_OPERAND_KOT));
	return write_back(c);
}

uint64_t tdh_phymem_page_rdmd(struct seam_call *c)
{
	struct pamt_entry *e;
	uint8_t level = 0;
	hpa_t page;

	TRY(call_page(c, SEAM_RCX, TDX_4K, &page));
	e = pamt_find(&c->m->pamt, page, &level);
	OUT(c, RCX) = e ? e->type : TDX_PT_NDA;
	OUT(c, RDX) = e ? e->owner : 0;
	OUT(c, R8) = level;
	OUT(c, R9) = e ? e->bepoch : 0;
	return TDX_SUCCESS;
}

/* The TDR itself: the last one. */
static uint64_t reclaim_td(struct pamt_held *h)
{
	struct td *td = h->entry->object;

	if (td->life != TD_TEARDOWN)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (atomic64_load(&td->chldcnt))
		return TDX_TD_ASSOCIATED_PAGES_EXIST;
	pamt_free(h);
	td_free(td);
	return TDX_SUCCESS;
}

static uint64_t reclaim_page(struct seam_call *c, struct pamt_held *h)
{
	struct td *td;

	TRY(call_owner(c, h->entry, TDX_SHARED));
	td = c->td;
	if (td->life != TD_TEARDOWN)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (h->entry->type == TDX_PT_TDVPR)
		td_vcpu_free(h->entry->object);
	td_owns_not(td, h);
	return TDX_SUCCESS;
}

uint64_t tdh_phymem_page_reclaim(struct seam_call *c)
{
	enum tdx_page_type type;
	struct pamt_held *h;
	struct pamt_entry *e;
	uint64_t owner;
	uint8_t level;
	hpa_t page;

	TRY(call_page(c, SEAM_RCX, TDX_4K, &page));
	e = pamt_find(&c->m->pamt, page, &level);
	if (!e || e->type == TDX_PT_NDA || e->type == TDX_PT_RSVD)
		return TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_RCX;
	if (page.v % sept_span(level))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	type = e->type;
	TRY(call_hold(c, page, level, type, TDX_EXCLUSIVE, TDX_OPERAND_RCX, &h));
	owner = h->entry->owner;
	TRY(type == TDX_PT_TDR ? reclaim_td(h) : reclaim_page(c, h));
	OUT(c, RCX) = type;
	OUT(c, RDX) = owner;
	OUT(c, R8) = level;
	return TDX_SUCCESS;
}

uint64_t tdh_phymem_page_wbinvd(struct seam_call *c)
{
	const unsigned bits = machine_phys_bits(c->m->hw);
	const uint64_t hkid = IN(c, RCX) >> bits;
	struct pamt_held *h;
	hpa_t page;

	c->in[SEAM_RCX] &= BITS(bits - 1, 0);
	TRY(call_page(c, SEAM_RCX, TDX_4K, &page));
	if (!tdx_key(c->m, (unsigned)hkid))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	return call_hold(c, page, TDX_4K, TDX_PT_NDA, TDX_SHARED, TDX_OPERAND_RCX, &h);
}
