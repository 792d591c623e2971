/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mem_range.c - what guests may translate: TDH.MEM.RANGE.BLOCK, UNBLOCK, TRACK.
 *
 * BLOCK takes an entry from walks to come, and notes the epoch.  Translations of before
 * are gone when every vCPU that had entered in that epoch has left once: TRACK begins
 * another, and who enters in it flushes.
 */
#include "hw/tdx/tdx_priv.h"

#define EPOCH_MAX	((1ull << 63) - 1)

/* Pages of the range change their answer, not their bytes or their place. */
static uint64_t begin(struct seam_call *c, unsigned states)
{
	return call_begin(c, TDX_4K, TDX_256T, TDX_EXCLUSIVE, states);
}

/* What had been accepted of a large page has been for nothing. */
static uint64_t blocked(uint64_t entry, uint8_t level)
{
	if (level != TDX_4K && (sept_state(entry) & SEPT_IS_PENDING))
		entry &= ~FIELD_MASK(SEPT_ACCEPTED);
	return (entry & ~SEPT_RWX) | SEPT_TDB;
}

uint64_t tdh_mem_range_block(struct seam_call *c)
{
	struct pamt_entry *e;
	uint8_t level;

	TRY(begin(c, SEPT_IS_NL | SEPT_IS_LEAF));
	if (sept_state(c->at.entry) & SEPT_ARE_BLOCKED)
		return call_details(c, TDX_GPA_RANGE_ALREADY_BLOCKED);
	level = sept_state(c->at.entry) & SEPT_IS_LEAF ? c->at.level : TDX_4K;
	e = pamt_entry(&c->m->pamt, sept_page(c->at.entry, level), level);
	/* The epoch is in its place before anybody can have the entry's lock again. */
	e->bepoch = atomic64_load(&c->td->epoch);
	call_put(c, blocked(c->at.entry, c->at.level));
	return TDX_SUCCESS;
}

static uint64_t unblocked(uint64_t entry)
{
	entry &= ~SEPT_TDB;
	return entry & SEPT_TDP ? entry : entry | SEPT_RWX;
}

uint64_t tdh_mem_range_unblock(struct seam_call *c)
{
	TRY(begin(c, SEPT_ARE_BLOCKED));
	TRY(call_tracked(c));
	call_put(c, unblocked(c->at.entry));
	return TDX_SUCCESS;
}

uint64_t tdh_mem_track(struct seam_call *c)
{
	uint64_t status = TDX_SUCCESS, epoch;
	struct td *td;

	TRY(call_tdr(c, SEAM_RCX, TDX_SHARED));
	TRY(call_state(c, OP_ANY, true));
	td = c->td;
	if (tdx_try(&td->epoch_lock, TDX_EXCLUSIVE) != TDX_LOCKED)
		return TDX_OPERAND_BUSY | TDX_OPERAND_TD_EPOCH;
	epoch = atomic64_load(&td->epoch);
	if (epoch >= EPOCH_MAX)
		status = td_is_fatal(td);
	else if (atomic32_load(&td->in_epoch[(epoch - 1) & 1]))
		status = TDX_PREVIOUS_TLB_EPOCH_BUSY;
	else
		atomic64_store(&td->epoch, epoch + 1);
	tdx_unlock(&td->epoch_lock, TDX_EXCLUSIVE);
	return status;
}
