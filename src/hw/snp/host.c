/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * host.c - RMPUPDATE, PSMASH and RMPREAD: APM vol. 3, vol. 2 15.36.5, 15.36.6
 * and 15.36.11.
 *
 * Each checks everything, then commits: nothing is written before the last
 * check has passed.
 */
#include "hw/insn/rmp.h"

#include "hw/mem/guard.h"
#include "hw/mem/rmp_check.h"
#include "hw/mmu/forget.h"
#include "hw/snp/snp_priv.h"

void snp_unlock_forget(struct hw *hw, hpa_t a, struct rmp_locked *l, unsigned page, unsigned nr)
{
	hpa_t first = HPA((a.v & ~(SIZE_2M - 1)) + page * PAGE_SIZE);
	struct rmp_region *r = l->region;
	uint32_t tlb;

	rmp_unlock(l);
	if (unlikely(!atomic32_load_acquire(&r->ready))) {
		/* TLBs filled before the region was made are noted nowhere. */
		mmu_forget_frames(hw, HPA(ALIGN_DOWN(a.v, 1ull << RMP_REGION_SHIFT)),
				  1ull << RMP_REGION_SHIFT, RMP_ALL_TLBS);
		atomic32_store(&r->ready, 1);
		return;
	}
	tlb = rmp_take_remembered(l, page, nr);
	if (tlb)
		mmu_forget_frames(hw, first, nr * PAGE_SIZE, tlb);
}

static void count(struct hw *hw, struct rmp_words w, uint64_t n)
{
	uint64_t asid = FIELD_GET(RMP_ASID, w.hi);

	if ((w.lo & RMP_ASSIGNED) && asid)
		sync_count_shared(&hw->frames.rmp->asid_pages[asid], n);
}

void snp_count(struct hw *hw, struct rmp_words was, struct rmp_words now, unsigned nr)
{
	if (FIELD_GET(RMP_ASID, was.hi) == FIELD_GET(RMP_ASID, now.hi))
		return;
	count(hw, was, -(uint64_t)nr);
	count(hw, now, nr);
}

/* Checks of the operand alone, and that there is an entry. */
static enum rmp_status operand_check(const struct hw *hw, hpa_t page, const struct rmp_operand *to)
{
	bool large = to->page_size & RMP_OPERAND_2M;
	uint64_t size = large ? SIZE_2M : PAGE_SIZE;

	if (to->assigned & ~1u || to->page_size & ~RMP_OPERAND_2M || to->immutable & ~1u ||
	    to->reserved || to->gpa & ~RMP_GPA & PAGE_MASK)
		return RMP_FAIL_INPUT;
	if (page.v & (size - 1))
		return RMP_FAIL_INPUT;
	if (!to->assigned && (to->immutable || to->asid))
		return RMP_FAIL_INPUT;
	if ((to->assigned && to->gpa & (size - 1)) || to->asid > hw->config.nr_keys)
		return RMP_FAIL_INPUT;
	if (!rmp_covers(hw->frames.rmp, HPA(page.v + size - 1)))
		return RMP_FAIL_INPUT;
	return RMP_SUCCESS;
}

/* Has one of [@page, @page + @nr) some of @bits? */
static bool any_has(const struct rmp_locked *l, unsigned page, unsigned nr, uint64_t bits)
{
	for (unsigned i = page; i < page + nr; i++)
		if (rmp_load(l, i).lo & bits)
			return true;
	return false;
}

/* Checks of the entries as they are, in the manual's order. */
static enum rmp_status update_check(const struct rmp_locked *l, bool large)
{
	unsigned first = large ? 0 : l->page, nr = large ? RMP_PAGES : 1;

	if (any_has(l, first, nr, RMP_IN_USE))
		return RMP_FAIL_INUSE;
	if (any_has(l, first, nr, RMP_IMMUTABLE) || (snp_is_2m(l) && any_has(l, 0, 1, RMP_IMMUTABLE)))
		return RMP_FAIL_PERMISSION;
	if (!large)
		return snp_is_2m(l) ? RMP_FAIL_OVERLAP : RMP_SUCCESS;
	return snp_subpages(rmp_load(l, 0)) ? RMP_FAIL_OVERLAP : RMP_SUCCESS;
}

/* 15.36.7: all to VMPL0, nothing to the others; never validated, never a VMSA. */
static struct rmp_words words_of(const struct rmp_operand *to)
{
	struct rmp_entry e = { .assigned = true, .immutable = to->immutable,
			       .is_2m = to->page_size & RMP_OPERAND_2M, .gpa = to->gpa,
			       .asid = (uint16_t)to->asid, .perm = { RMP_PERM_ALL } };

	return to->assigned ? rmp_words_of(&e) : (struct rmp_words){ 0, 0 };
}

static enum rmp_event event_of(const struct rmp_operand *to)
{
	if (!to->assigned)
		return RMP_EVENT_RELEASED;
	return to->immutable ? RMP_EVENT_PREPARED : RMP_EVENT_ASSIGNED;
}

static void update_4k(struct hw *hw, const struct rmp_locked *l, struct rmp_words now)
{
	struct rmp_words was = rmp_load(l, l->page), head = rmp_load(l, 0);
	unsigned n = snp_subpages(head);

	snp_count(hw, was, now, 1);
	if (!l->page) {
		rmp_store(l, 0, snp_with_subpages(now, n));
		return;
	}
	n += (now.lo & RMP_ASSIGNED ? 1 : 0) - (was.lo & RMP_ASSIGNED ? 1 : 0);
	rmp_store(l, 0, snp_with_subpages(head, n));
	rmp_store(l, l->page, now);
}

static void update_2m(struct hw *hw, const struct rmp_locked *l, struct rmp_words now)
{
	struct rmp_words was = rmp_load(l, 0), sub = { now.lo & RMP_ASSIGNED, 0 };
	unsigned nr_was = was.lo & RMP_2M ? RMP_PAGES : 1;

	snp_count(hw, was, (struct rmp_words){ 0, 0 }, nr_was);
	snp_count(hw, (struct rmp_words){ 0, 0 }, now, RMP_PAGES);
	for (unsigned i = 1; i < RMP_PAGES; i++)
		rmp_store(l, i, sub);
	rmp_store(l, 0, now);
}

/* RMP-G1: who holds the lock is soon gone. */
static enum rmp_status lock_status(enum rmp_lock got)
{
	if (got == RMP_LOCK_NO_MEMORY)
		return RMP_FAIL_INPUT;
	return got == RMP_LOCK_OTHER ? RMP_FAIL_OVERLAP : RMP_FAIL_INUSE;
}

enum rmp_status rmpupdate(struct hw *hw, hpa_t page, const struct rmp_operand *to)
{
	bool large = to->page_size & RMP_OPERAND_2M;
	enum rmp_status status;
	struct rmp_locked l;
	enum rmp_lock got;

	if (!hw->frames.rmp)
		return RMP_UD;
	page = HPA(page.v & PAGE_MASK);
	status = operand_check(hw, page, to);
	if (status != RMP_SUCCESS)
		return status;
	got = rmp_lock(hw->frames.rmp, page, large, false, &l);
	if (got != RMP_LOCKED)
		return lock_status(got);
	status = update_check(&l, large);
	if (status != RMP_SUCCESS) {
		rmp_unlock(&l);
		return status;
	}
	if (large)
		update_2m(hw, &l, words_of(to));
	else
		update_4k(hw, &l, words_of(to));
	rmp_note(&l, l.page, large ? RMP_PAGES : 1, event_of(to), words_of(to));
	snp_unlock_forget(hw, page, &l, l.page, large ? RMP_PAGES : 1);
	if (to->assigned & 1)
		guard_assigned(hw, page, large ? RMP_PAGES : 1);
	return RMP_SUCCESS;
}

/* All 512 as the one was, each with its own part of the GPA. */
static void smash(const struct rmp_locked *l)
{
	struct rmp_words w = rmp_load(l, 0);

	w.lo &= ~RMP_2M;
	rmp_note(l, 0, RMP_PAGES, RMP_EVENT_SMASHED, w);
	for (unsigned i = 1; i < RMP_PAGES; i++)
		rmp_store(l, i, (struct rmp_words){ w.lo + i * PAGE_SIZE, w.hi });
	rmp_store(l, 0, snp_with_subpages(w, RMP_PAGES - 1));
}

enum rmp_status psmash(struct hw *hw, hpa_t page)
{
	enum rmp_status status = RMP_SUCCESS;
	struct rmp_locked l;
	uint64_t head;

	if (!hw->frames.rmp)
		return RMP_UD;
	page = HPA(page.v & PAGE_MASK);
	if (!rmp_covers(hw->frames.rmp, page) || page.v & (SIZE_2M - 1))
		return RMP_FAIL_INPUT;
	if (rmp_lock(hw->frames.rmp, page, true, false, &l) != RMP_LOCKED)
		return RMP_FAIL_INUSE;
	head = rmp_load(&l, 0).lo;
	if (any_has(&l, 0, RMP_PAGES, RMP_IN_USE))
		status = RMP_FAIL_INUSE;
	else if (!(head & RMP_ASSIGNED) || !(head & RMP_2M))
		status = RMP_FAIL_BADADDR;
	else if (head & RMP_IMMUTABLE)
		status = RMP_FAIL_PERMISSION;
	if (status != RMP_SUCCESS) {
		rmp_unlock(&l);
		return status;
	}
	smash(&l);
	snp_unlock_forget(hw, page, &l, 0, RMP_PAGES);
	return RMP_SUCCESS;
}

enum rmp_status rmpread(struct hw *hw, hpa_t page, struct rmp_operand *out)
{
	struct rmp_locked l;
	struct rmp_entry e;
	bool others;

	if (!hw->frames.rmp)
		return RMP_UD;
	*out = (struct rmp_operand){ 0 };
	if (!rmp_covers(hw->frames.rmp, page))
		return RMP_FAIL_INPUT;
	if (!rcu_dereference(hw->frames.rmp->regions[page.v >> RMP_REGION_SHIFT]))
		return RMP_SUCCESS;
	if (rmp_lock(hw->frames.rmp, page, false, true, &l) != RMP_LOCKED)
		return RMP_FAIL_INUSE;
	e = rmp_entry_of(rmp_load(&l, l.page));
	others = !l.page && e.subpages;
	rmp_unlock(&l);
	*out = (struct rmp_operand){
		.gpa = e.gpa, .assigned = e.assigned, .immutable = e.immutable, .asid = e.asid,
		.page_size = (uint8_t)((e.is_2m ? RMP_OPERAND_2M : 0) |
				       (others ? RMP_OPERAND_OTHERS : 0)),
	};
	return RMP_SUCCESS;
}

/* The physical address of @host, if something that a mapping of @level reaches may be assigned. */
static hpa_t watched(struct hw *hw, const void *host, enum pg_level level)
{
	const struct region *r = frames_region_of_host(&hw->frames, (uintptr_t)host);
	uint64_t offset = (uintptr_t)host & (REGION_SIZE - 1);

	if (!r || r->index >= hw->frames.rmp->nr_regions ||
	    !rcu_dereference(hw->frames.rmp->regions[r->index]) ||
	    !(level > PG_LEVEL_4K ? region_has_near(r, offset) : region_has(r, offset)))
		return HPA_INVALID;
	return HPA(r->index << REGION_SHIFT | offset);
}

hpa_t snp_watched(struct hw *hw, const void *host, enum pg_level level)
{
	hpa_t a;

	rcu_read_lock();
	a = watched(hw, host, level);
	rcu_read_unlock();
	return a;
}

uint64_t rmp_host_store_at(struct hw *hw, const void *host, enum pg_level level, bool user)
{
	hpa_t a;

	if (likely(!hw->frames.rmp))
		return 0;
	a = snp_watched(hw, host, level);
	return hpa_is_valid(a) ? rmp_host_store(hw, a, level, user) : 0;
}

uint64_t rmp_host_store(struct hw *hw, hpa_t a, enum pg_level level, bool user)
{
	const struct rmp_access store = { .who = RMP_HOST, .what = RMP_WRITE, .level = level,
					  .user = user };
	struct rmp_look l;

	if (!hw->frames.rmp)
		return 0;
	rmp_look(hw->frames.rmp, a, 0, &l);
	return rmp_check(&l.page, &store).info;
}
