/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * call.c - what leaves have in common: operands in the module's order, locks that are
 * held to the end, and how an entry is told of.
 */
#include "hw/tdx/tdx_priv.h"

#define GPA_LEVEL	BITS(2, 0)
#define GPA_BITS	BITS(51, 12)

uint64_t call_page(struct seam_call *c, enum seam_gpr reg, uint8_t level, hpa_t *page)
{
	*page = HPA(c->in[reg]);
	if ((page->v & (sept_span(level) - 1)) || page->v >> machine_phys_bits(c->m->hw))
		return TDX_OPERAND_INVALID | reg;
	return TDX_SUCCESS;
}

static struct pamt_held *next_held(struct seam_call *c)
{
	return &c->held[c->nr_held];
}

/* A page is held only if it was got. */
static uint64_t keep(struct seam_call *c, uint64_t status, struct pamt_held **out)
{
	if (!status)
		*out = &c->held[c->nr_held++];
	return status;
}

uint64_t call_hold(struct seam_call *c, hpa_t page, uint8_t level, enum tdx_page_type type,
		   enum tdx_lock_mode mode, uint32_t operand, struct pamt_held **out)
{
	if (!tdx_may_use(c->m, page))
		return TDX_OPERAND_ADDR_RANGE_ERROR | operand;
	return keep(c, pamt_hold(&c->m->pamt, page, level, type, mode, operand, next_held(c)), out);
}

uint64_t call_hold_free(struct seam_call *c, hpa_t page, uint8_t level, uint32_t operand,
			struct pamt_held **out)
{
	if (!tdx_may_use(c->m, page))
		return TDX_OPERAND_ADDR_RANGE_ERROR | operand;
	return keep(c, pamt_hold_free(&c->m->pamt, page, level, operand, next_held(c)), out);
}

uint64_t call_hold_found(struct seam_call *c, hpa_t page, uint8_t level, uint32_t operand,
			 struct pamt_held **out)
{
	return keep(c, pamt_hold_found(&c->m->pamt, page, level, TDX_EXCLUSIVE, operand,
				       next_held(c)), out);
}

uint64_t call_tdr(struct seam_call *c, enum seam_gpr reg, enum tdx_lock_mode mode)
{
	struct pamt_held *h;
	hpa_t tdr;

	TRY(call_page(c, reg, TDX_4K, &tdr));
	TRY(call_hold(c, tdr, TDX_4K, TDX_PT_TDR, mode, reg, &h));
	c->td = h->entry->object;
	return TDX_SUCCESS;
}

uint64_t call_owner(struct seam_call *c, const struct pamt_entry *of, enum tdx_lock_mode mode)
{
	struct pamt_held *h;

	TRY(keep(c, pamt_hold_found(&c->m->pamt, HPA(of->owner), TDX_4K, mode, TDX_OPERAND_TDR,
				    next_held(c)), &h));
	c->td = h->entry->object;
	return TDX_SUCCESS;
}

uint64_t call_state(struct seam_call *c, unsigned states, bool lock)
{
	struct td *td = c->td;

	if (atomic32_load(&td->fatal))
		return TDX_TD_FATAL;
	if (td->life != TD_KEYS_CONFIGURED)
		return TDX_TD_KEYS_NOT_CONFIGURED;
	if (td->nr_tdcx < TDX_TDCS_PAGES)
		return TDX_TDCS_NOT_ALLOCATED;
	if (lock) {
		if (tdx_try_host(&td->op_lock, TDX_SHARED) != TDX_LOCKED)
			return TDX_OPERAND_BUSY | TDX_OPERAND_OP_STATE;
		c->op = &td->op_lock;
	}
	return OP_IN(td->op_state) & states ? TDX_SUCCESS : TDX_OP_STATE_INCORRECT;
}

uint64_t call_other(struct seam_call *c, struct tdx_lock *l, enum tdx_lock_mode mode, uint64_t busy)
{
	if (tdx_try(l, mode) != TDX_LOCKED)
		return busy;
	c->others[c->nr_others] = l;
	c->other_modes[c->nr_others++] = mode;
	return TDX_SUCCESS;
}

uint64_t call_tree(struct seam_call *c, enum tdx_lock_mode mode)
{
	if (tdx_try(&c->td->sept_lock, mode) != TDX_LOCKED)
		return TDX_OPERAND_BUSY | TDX_OPERAND_SEPT_TREE;
	c->tree = &c->td->sept_lock;
	c->tree_mode = mode;
	return TDX_SUCCESS;
}

uint64_t call_gpa(struct seam_call *c, uint8_t low, uint8_t high, uint64_t *gpa, uint8_t *level)
{
	uint64_t in = IN(c, RCX);

	*gpa = in & GPA_BITS;
	*level = (uint8_t)(in & GPA_LEVEL);
	if (in & ~(GPA_BITS | GPA_LEVEL) || *level < low || *level > high ||
	    (*gpa & (sept_span(*level) - 1)) || *gpa >> (c->td->gpaw - 1))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	return TDX_SUCCESS;
}

uint64_t call_details(struct seam_call *c, uint64_t status)
{
	OUT(c, RCX) = sept_shown(c->at.entry);
	OUT(c, RDX) = c->at.level | (uint64_t)sept_code(sept_state(c->at.entry)) << 8;
	return status | TDX_OPERAND_RCX;
}

uint64_t call_entry(struct seam_call *c, uint64_t gpa, uint8_t level, unsigned states)
{
	if (!sept_walk(c->td, gpa, level, &c->at))
		return call_details(c, TDX_EPT_WALK_FAILED);
	if (sept_lock_host(c->td, &c->at) != TDX_LOCKED)
		return call_details(c, TDX_OPERAND_BUSY);
	c->locked = true;
	if (!(sept_state(c->at.entry) & states))
		return call_details(c, TDX_EPT_ENTRY_STATE_INCORRECT);
	return TDX_SUCCESS;
}

uint64_t call_begin(struct seam_call *c, uint8_t low, uint8_t high, enum tdx_lock_mode tree,
		    unsigned states)
{
	uint64_t gpa;
	uint8_t level;

	TRY(call_tdr(c, SEAM_RDX, TDX_SHARED));
	TRY(call_state(c, OP_ANY, true));
	TRY(call_gpa(c, low, MIN(high, (uint8_t)(c->td->sept_levels - 1)), &gpa, &level));
	TRY(call_tree(c, tree));
	return call_entry(c, gpa, level, states);
}

void call_put(struct seam_call *c, uint64_t entry)
{
	sept_put(c->td, &c->at, entry);
	c->locked = false;
}

bool td_needs_tracking(const struct td *td)
{
	return td->op_state == TD_RUNNABLE;
}

uint64_t td_is_fatal(struct td *td)
{
	atomic32_store(&td->fatal, 1);
	return TDX_TD_FATAL;
}

/* Nobody who entered before the block is inside any more. */
static bool is_tracked(const struct td *td, uint64_t bepoch)
{
	uint64_t now = atomic64_load(&td->epoch);

	return bepoch + 1 < now ||
	       (bepoch + 1 == now && !atomic32_load(&td->in_epoch[bepoch & 1]));
}

/* The page that has the epoch of a block: the leaf's own, or the table's. */
static uint64_t block_epoch(const struct seam_call *c)
{
	bool leaf = sept_state(c->at.entry) & SEPT_IS_LEAF;
	uint8_t level = leaf ? c->at.level : TDX_4K;

	return pamt_entry(&c->m->pamt, sept_page(c->at.entry, level), level)->bepoch;
}

uint64_t call_tracked(struct seam_call *c)
{
	if (!td_needs_tracking(c->td))
		return TDX_SUCCESS;
	if (!(sept_state(c->at.entry) & SEPT_ARE_BLOCKED))
		return call_details(c, TDX_GPA_RANGE_NOT_BLOCKED);
	if (!is_tracked(c->td, block_epoch(c)))
		return TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_RCX;
	return TDX_SUCCESS;
}

void td_owns(struct td *td, struct pamt_held *h, enum tdx_page_type type, void *object)
{
	pamt_give(h, type, td->tdr, object);
	atomic64_add(&td->chldcnt, sept_span(h->level) >> PAGE_SHIFT);
}

void td_owns_not(struct td *td, struct pamt_held *h)
{
	pamt_free(h);
	atomic64_sub(&td->chldcnt, sept_span(h->level) >> PAGE_SHIFT);
}

void call_end(struct seam_call *c)
{
	if (c->locked)
		sept_unlock(c->td, &c->at);
	if (c->tree)
		tdx_unlock(c->tree, c->tree_mode);
	if (c->op)
		tdx_unlock(c->op, TDX_SHARED);
	while (c->nr_others--)
		tdx_unlock(c->others[c->nr_others], c->other_modes[c->nr_others]);
	while (c->nr_held)
		pamt_drop(&c->held[--c->nr_held]);
}
