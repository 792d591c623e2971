/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/snp/firmware.h"

#include "hw/snp/snp_priv.h"

/* Bits 38:36 of the page number of a page of the secure processor say what it is. */
#define NUMBER_HI	47
#define NUMBER_LO	12
#define TYPE_HI		50
#define TYPE_LO		48
#define TYPE_METADATA	1u
#define TYPE_IOMMU	2u

/* Assigned, immutable, and no guest's. */
static enum snp_state firmware_state(const struct rmp_entry *e)
{
	uint64_t type = FIELD_GET(TYPE, e->gpa), page = FIELD_GET(NUMBER, e->gpa);

	if (e->validated)
		return SNP_STATE_INVALID;
	if (!type && !page)
		return e->vmsa ? SNP_STATE_CONTEXT : SNP_STATE_FIRMWARE;
	if (type == TYPE_METADATA && page)
		return SNP_STATE_METADATA;
	return type == TYPE_IOMMU && page == 1 && !e->vmsa ? SNP_STATE_FIRMWARE_IOMMU
							   : SNP_STATE_INVALID;
}

enum snp_state snp_state_of(const struct rmp_entry *e)
{
	if (!e->covered)
		return SNP_STATE_DEFAULT;
	if (!e->assigned && (e->asid || e->validated))
		return SNP_STATE_INVALID;
	if (!e->assigned)
		return e->immutable ? SNP_STATE_HV_FIXED : SNP_STATE_HYPERVISOR;
	if (!e->asid && e->immutable)
		return firmware_state(e);
	if (!e->asid)
		return e->validated ? SNP_STATE_INVALID : SNP_STATE_RECLAIM;
	if (e->immutable)
		return e->validated ? SNP_STATE_PRE_SWAP : SNP_STATE_PRE_GUEST;
	return e->validated ? SNP_STATE_GUEST_VALID : SNP_STATE_GUEST_INVALID;
}

struct rmp_entry snp_page(struct hw *hw, hpa_t page)
{
	struct rmp_look look;

	if (!hw->frames.rmp)
		return (struct rmp_entry){ 0 };
	do
		rmp_look(hw->frames.rmp, page, 0, &look);
	while (look.page.busy);
	look.page.entry.gpa = look.page.gpa;
	return look.page.entry;
}

/* SNP_MOVED, with the 2 MiB locked. */
static enum snp_move lock_page(struct hw *hw, hpa_t page, bool large, struct rmp_locked *l)
{
	enum rmp_lock got;
	bool fits;

	if (!hw->frames.rmp || page.v & (PAGE_SIZE - 1))
		return SNP_BAD_ADDRESS;
	if (!rmp_covers(hw->frames.rmp, page))
		return SNP_BAD_STATE;
	do
		got = rmp_lock(hw->frames.rmp, page, large, true, l);
	while (got == RMP_LOCK_SAME || got == RMP_LOCK_OTHER);
	if (got != RMP_LOCKED)
		return SNP_BAD_ADDRESS;
	fits = snp_is_2m(l) == large;
	if (fits && (!large || !l->page))
		return SNP_MOVED;
	rmp_unlock(l);
	return fits ? SNP_BAD_ADDRESS : SNP_BAD_SIZE;
}

/* @now in the place of the locked page's entry, of the same size. */
static void change(struct hw *hw, hpa_t page, struct rmp_locked *l, struct rmp_words now,
		   enum rmp_event event)
{
	const uint64_t keep = RMP_2M | RMP_IN_USE | FIELD_MASK(RMP_SUBPAGES);
	struct rmp_words was = rmp_load(l, l->page);
	unsigned nr = was.lo & RMP_2M ? RMP_PAGES : 1;

	now.lo = (now.lo & ~keep) | (was.lo & keep);
	snp_count(hw, was, now, nr);
	rmp_store(l, l->page, now);
	rmp_note(l, l->page, nr, event, now);
	snp_unlock_forget(hw, page, l, l->page, nr);
}

enum snp_move snp_firmware_move(struct hw *hw, hpa_t page, bool large, enum snp_state from,
				const struct rmp_entry *to, enum rmp_event event)
{
	struct rmp_locked l;
	struct rmp_entry was;
	enum snp_move r = lock_page(hw, page, large, &l);

	if (r != SNP_MOVED)
		return r;
	was = rmp_entry_of(rmp_load(&l, l.page));
	if (snp_state_of(&was) != from || was.in_use || was.assigned != to->assigned) {
		rmp_unlock(&l);
		return SNP_BAD_STATE;
	}
	change(hw, page, &l, rmp_words_of(to), event);
	return SNP_MOVED;
}

enum snp_move snp_firmware_reclaim(struct hw *hw, hpa_t page, bool large)
{
	struct rmp_locked l;
	struct rmp_entry e;
	enum snp_move r = lock_page(hw, page, large, &l);

	if (r != SNP_MOVED)
		return r;
	e = rmp_entry_of(rmp_load(&l, l.page));
	switch (snp_state_of(&e)) {
	case SNP_STATE_HYPERVISOR:
	case SNP_STATE_RECLAIM:
	case SNP_STATE_GUEST_INVALID:
	case SNP_STATE_GUEST_VALID:
		rmp_unlock(&l);
		return SNP_MOVED;
	case SNP_STATE_FIRMWARE:
	case SNP_STATE_METADATA:
		e = (struct rmp_entry){ .assigned = true };
		break;
	case SNP_STATE_PRE_GUEST:
	case SNP_STATE_PRE_SWAP:
		e.immutable = false;
		break;
	default:
		rmp_unlock(&l);
		return SNP_BAD_STATE;
	}
	change(hw, page, &l, rmp_words_of(&e), RMP_EVENT_RECLAIMED);
	return SNP_MOVED;
}

/* All 512 alike, immutable, one guest's, no VMSA, their GPAs in a row. */
static bool can_unsmash(const struct rmp_locked *l)
{
	const uint64_t same = RMP_ASSIGNED | RMP_IMMUTABLE | RMP_VMSA | RMP_VALIDATED | RMP_IN_USE;
	struct rmp_words head = rmp_load(l, 0);
	uint64_t gpa = head.lo & RMP_GPA;

	if (!(head.lo & RMP_ASSIGNED) || !(head.lo & RMP_IMMUTABLE) ||
	    head.lo & (RMP_VMSA | RMP_IN_USE) || !FIELD_GET(RMP_ASID, head.hi) ||
	    gpa & (SIZE_2M - 1))
		return false;
	for (unsigned i = 1; i < RMP_PAGES; i++) {
		struct rmp_words w = rmp_load(l, i);

		if ((w.lo ^ head.lo) & same || w.hi != head.hi ||
		    (w.lo & RMP_GPA) != gpa + i * PAGE_SIZE)
			return false;
	}
	return true;
}

enum snp_move snp_firmware_unsmash(struct hw *hw, hpa_t page)
{
	struct rmp_locked l;
	struct rmp_words w;
	enum snp_move r;

	if (page.v & (SIZE_2M - 1))
		return SNP_BAD_ADDRESS;
	r = lock_page(hw, page, false, &l);
	if (r == SNP_BAD_SIZE)
		return SNP_BAD_STATE;
	if (r != SNP_MOVED)
		return r;
	if (!can_unsmash(&l)) {
		rmp_unlock(&l);
		return SNP_BAD_STATE;
	}
	w = snp_with_subpages(rmp_load(&l, 0), 0);
	w.lo |= RMP_2M;
	for (unsigned i = 1; i < RMP_PAGES; i++)
		rmp_store(&l, i, (struct rmp_words){ RMP_ASSIGNED, 0 });
	rmp_store(&l, 0, w);
	rmp_note(&l, 0, RMP_PAGES, RMP_EVENT_UNSMASHED, w);
	snp_unlock_forget(hw, page, &l, 0, RMP_PAGES);
	return SNP_MOVED;
}

enum snp_move snp_firmware_fix(struct hw *hw, hpa_t page)
{
	const struct rmp_entry fixed = { .immutable = true };

	return snp_firmware_move(hw, page, false, SNP_STATE_HYPERVISOR, &fixed, RMP_EVENT_FIRMWARE);
}
