/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rmp.c - the table itself: making, locking and reading entries.
 *
 * The lock's word of 2 MiB: bit 0 held, bits 10:1 by whom (number of the page, or
 * HOLDS_ALL), above them how often it has been given back.  On silicon the first
 * entry of the 2 MiB has such a bit.
 */
#include "hw/mem/rmp.h"

#include "hw/mem/machine.h"

#define PATIENCE	4096u
#define HELD		BIT(0)
#define HOLDER_HI	10
#define HOLDER_LO	1
#define HOLDS_ALL	1023u
#define COUNT		BIT(11)

bool rmp_make(struct hw *hw)
{
	uint64_t covered = hw->config.rmp_end, all = 1ull << machine_phys_bits(hw);
	struct rmp *t;

	mutex_lock(&hw->lock);
	t = machine_alloc_locked(hw, sizeof(*t));
	if (t) {
		t->hw = hw;
		t->end = covered ? MIN(covered, all) : all;
		t->nr_regions = all >> RMP_REGION_SHIFT;
		t->regions = machine_alloc_locked(hw, t->nr_regions * sizeof(*t->regions));
		t->asid_pages = machine_alloc_locked(hw, 65536 * sizeof(*t->asid_pages));
		t->validated = machine_alloc_locked(hw, RMP_VALIDATED_KEPT * sizeof(*t->validated));
		if (t->regions && t->asid_pages && t->validated)
			hw->frames.rmp = t;
	}
	mutex_unlock(&hw->lock);
	return hw->frames.rmp;
}

static struct rmp_region *region_of(const struct rmp *t, hpa_t a)
{
	return rcu_dereference(t->regions[a.v >> RMP_REGION_SHIFT]);
}

static struct rmp_region *region_make(struct rmp *t, hpa_t a)
{
	struct rmp_region **slot = &t->regions[a.v >> RMP_REGION_SHIFT];
	struct rmp_region *r;

	mutex_lock(&t->hw->lock);
	r = *slot;
	if (!r) {
		r = machine_alloc_locked(t->hw, sizeof(*r));
		if (r)
			rcu_assign_pointer(*slot, r);
	}
	mutex_unlock(&t->hw->lock);
	sync_fence();
	return r;
}

static unsigned head_of(hpa_t a)
{
	return (unsigned)(a.v >> 21) % RMP_REGION_HEADS;
}

static unsigned page_of(hpa_t a)
{
	return (unsigned)(a.v >> PAGE_SHIFT) % RMP_PAGES;
}

enum rmp_lock rmp_lock(struct rmp *t, hpa_t a, bool all, bool patient, struct rmp_locked *out)
{
	struct rmp_region *r = region_of(t, a);
	unsigned head = head_of(a), me = all ? HOLDS_ALL : page_of(a), holder = 0;
	uint64_t was;

	if (!r)
		r = region_make(t, a);
	if (!r)
		return RMP_LOCK_NO_MEMORY;
	for (unsigned i = 0; i < (patient ? PATIENCE : 1); i++) {
		was = atomic64_load_relaxed(&r->lock[head]);
		if (!(was & HELD) &&
		    atomic64_cas(&r->lock[head], &was, was | HELD | FIELD_PUT(HOLDER, me))) {
			*out = (struct rmp_locked){
				.region = r, .head = &r->entry[head * RMP_PAGES],
				.past = &r->past[head * RMP_PAGES], .lock = &r->lock[head],
				.was = was, .page = page_of(a),
			};
			return RMP_LOCKED;
		}
		holder = (unsigned)FIELD_GET(HOLDER, was);
		sync_relax();
	}
	return all || holder == HOLDS_ALL || holder == me ? RMP_LOCK_SAME : RMP_LOCK_OTHER;
}

void rmp_unlock(struct rmp_locked *l)
{
	atomic64_store(l->lock, l->was + COUNT);
}

struct rmp_words rmp_load(const struct rmp_locked *l, unsigned page)
{
	return (struct rmp_words){ sync_word_load(&l->head[page].lo),
				   sync_word_load(&l->head[page].hi) };
}

void rmp_store(const struct rmp_locked *l, unsigned page, struct rmp_words w)
{
	sync_word_store(&l->head[page].lo, w.lo);
	sync_word_store(&l->head[page].hi, w.hi);
}

struct rmp_entry rmp_entry_of(struct rmp_words w)
{
	return (struct rmp_entry){
		.covered = true,
		.assigned = w.lo & RMP_ASSIGNED, .is_2m = w.lo & RMP_2M,
		.immutable = w.lo & RMP_IMMUTABLE, .vmsa = w.lo & RMP_VMSA,
		.validated = w.lo & RMP_VALIDATED, .in_use = w.lo & RMP_IN_USE,
		.subpages = (uint16_t)FIELD_GET(RMP_SUBPAGES, w.lo),
		.asid = (uint16_t)FIELD_GET(RMP_ASID, w.hi), .gpa = w.lo & RMP_GPA,
		.perm = { (uint8_t)w.hi, (uint8_t)(w.hi >> 8), (uint8_t)(w.hi >> 16),
			  (uint8_t)(w.hi >> 24) },
	};
}

struct rmp_words rmp_words_of(const struct rmp_entry *e)
{
	struct rmp_words w = {
		.lo = (e->assigned ? RMP_ASSIGNED : 0) | (e->is_2m ? RMP_2M : 0) |
		      (e->immutable ? RMP_IMMUTABLE : 0) | (e->vmsa ? RMP_VMSA : 0) |
		      (e->validated ? RMP_VALIDATED : 0) | (e->in_use ? RMP_IN_USE : 0) |
		      FIELD_PUT(RMP_SUBPAGES, e->subpages) | (e->gpa & RMP_GPA),
		.hi = FIELD_PUT(RMP_ASID, e->asid),
	};

	for (unsigned i = 0; i < RMP_NR_VMPLS; i++)
		w.hi |= (uint64_t)e->perm[i] << 8 * i;
	return w;
}

/* One state of the page's entry and of the first one of its 2 MiB.  False: busy. */
static bool read_both(struct rmp_region *r, hpa_t a, struct rmp_words *head,
		      struct rmp_words *own, uint64_t *seq)
{
	const struct rmp_words *e = &r->entry[head_of(a) * RMP_PAGES], *p = e + page_of(a);
	atomic64_t *lock = &r->lock[head_of(a)];

	for (unsigned i = 0; i < PATIENCE; i++) {
		*seq = atomic64_load(lock);
		if (!(*seq & HELD)) {
			*head = (struct rmp_words){ sync_word_load(&e->lo), sync_word_load(&e->hi) };
			*own = (struct rmp_words){ sync_word_load(&p->lo), sync_word_load(&p->hi) };
			if (atomic64_load(lock) == *seq)
				return true;
		}
		sync_relax();
	}
	return false;
}

static void remember(struct rmp_region *r, hpa_t a, uint32_t tlb)
{
	atomic32_t *m = &r->remembered[(a.v >> PAGE_SHIFT) % RMP_REGION_PAGES];
	uint32_t was = 0;

	if (!atomic32_cas(m, &was, tlb) && was != tlb)
		atomic32_store(m, RMP_ALL_TLBS);
	sync_fence();
}

static void page_make(struct rmp_page *p, struct rmp_words head, struct rmp_words own,
		      unsigned page)
{
	p->entry = rmp_entry_of(head.lo & RMP_2M ? head : own);
	p->gpa = p->entry.gpa + (head.lo & RMP_2M ? page * PAGE_SIZE : 0);
	p->entry.in_use = own.lo & RMP_IN_USE;
	p->assigned = own.lo & RMP_ASSIGNED;
	p->any_assigned = p->assigned || (head.lo & (RMP_ASSIGNED | FIELD_MASK(RMP_SUBPAGES)));
	p->busy = false;
}

struct rmp_page rmp_page_of(const struct rmp_locked *l)
{
	struct rmp_page p;

	page_make(&p, rmp_load(l, 0), rmp_load(l, l->page), l->page);
	return p;
}

void rmp_look(const struct rmp *t, hpa_t a, uint32_t tlb, struct rmp_look *out)
{
	struct rmp_words head, own;
	struct rmp_page *p = &out->page;

	*out = (struct rmp_look){ .page.entry.covered = rmp_covers(t, a) };
	out->region = p->entry.covered ? region_of(t, a) : NULL;
	if (!out->region)
		return;
	if (tlb)
		remember(out->region, a, tlb);
	if (!read_both(out->region, a, &head, &own, &out->seq)) {
		p->busy = true;
		return;
	}
	page_make(p, head, own, page_of(a));
}

bool rmp_is_still(const struct rmp *t, hpa_t a, const struct rmp_look *seen)
{
	struct rmp_region *r;

	if (!seen->page.entry.covered)
		return true;
	sync_fence();
	r = region_of(t, a);
	if (!seen->region)
		return !r;
	/* Whoever took the note away may have looked into the TLB too early. */
	return atomic32_load(&r->remembered[(a.v >> PAGE_SHIFT) % RMP_REGION_PAGES]) &&
	       atomic64_load(&r->lock[head_of(a)]) == seen->seq;
}

uint32_t rmp_take_remembered(const struct rmp_locked *l, unsigned page, unsigned nr)
{
	size_t first = (size_t)(l->head - l->region->entry) + page;
	uint32_t all = 0;

	sync_fence();
	for (size_t i = first; i < first + nr; i++) {
		atomic32_t *at = &l->region->remembered[i];
		uint32_t m = atomic32_load_relaxed(at) ? atomic32_xchg(at, 0) : 0;

		if (!m)
			continue;
		all = !all || all == m ? m : RMP_ALL_TLBS;
	}
	return all;
}
