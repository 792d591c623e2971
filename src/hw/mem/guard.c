/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guard.c - the RMP and the program's own pointers.
 *
 * Who gives a page to a guest changes the RMP first and then, with the frame's
 * lock, stops stores; who lets stores go through looks at the RMP with that lock.
 * Pages that come back are let through by the next store's trap.
 */
#include "hw/mem/guard.h"

#include "hw/insn/view.h"
#include "hw/mem/machine.h"
#include "hw/mem/rmp.h"
#include "hw/mem/rmp_check.h"
#include "hw/mem/view_priv.h"

/* A host store of 4K in user mode is a #PF for what the RMP says. */
static bool rmp_denies(const struct rmp *t, hpa_t a, struct rmp_look *l)
{
	const struct rmp_access store = { .who = RMP_HOST, .what = RMP_WRITE,
					  .level = PG_LEVEL_4K, .user = true };

	rmp_look(t, a, 0, l);
	return rmp_check(&l->page, &store).verdict != RMP_PASS;
}

static hpa_t address_of(const struct region *r, uint64_t page)
{
	return HPA(r->index << REGION_SHIFT | page << PAGE_SHIFT);
}

bool frame_is_denied(const struct frames *f, const struct region *r, uint64_t page, uint32_t w)
{
	struct rmp_look l;

	return (w & OWNER_GUARD) && f->rmp && rmp_denies(f->rmp, address_of(r, page), &l);
}

static bool guard_one(struct hw *hw, struct views *v, char *host)
{
	hpa_t a = frames_publish(&hw->frames, host);
	struct region *r = hpa_is_valid(a) ? frames_region(&hw->frames, a) : NULL;
	uint64_t page = page_in_region(a.v), mask;
	bool ok = true;
	uint32_t w;

	if (!r || !view_prepare(v, r, NULL))
		return false;
	veil_enter(&mask);
	w = frame_lock(owner_word(r, page)) | OWNER_GUARD;
	if (!(w & OWNER_KEY) && frame_is_denied(&hw->frames, r, page, w))
		ok = frame_close(v, r, page, &w);
	frame_unlock(owner_word(r, page), ok ? w : w & ~OWNER_GUARD);
	veil_leave(&mask);
	return ok;
}

bool view_guard(struct hw *hw, void *host, size_t size)
{
	struct views *v = views_make(hw);
	bool ok = v;

	for (size_t at = 0; ok && at < size; at += PAGE_SIZE)
		ok = guard_one(hw, v, (char *)host + at);
	return ok;
}

void guard_assigned(struct hw *hw, hpa_t a, unsigned nr)
{
	struct views *v = views_of(&hw->frames);
	struct region *r = v ? frames_region(&hw->frames, a) : NULL;
	uint64_t first = page_in_region(a.v), mask;

	if (likely(!r || !rcu_dereference(r->view)))
		return;
	for (uint64_t page = first; page < first + nr; page++) {
		uint32_t w;

		if (likely(!(atomic32_load(owner_word(r, page)) & OWNER_GUARD)))
			continue;
		veil_enter(&mask);
		w = frame_lock(owner_word(r, page));
		if ((w & (OWNER_GUARD | OWNER_KEY)) == OWNER_GUARD &&
		    frame_is_denied(&hw->frames, r, page, w))
			(void)!frame_close(v, r, page, &w);
		frame_unlock(owner_word(r, page), w);
		veil_leave(&mask);
	}
}

bool guard_denies(struct hw *hw, const void *host, struct view_denial *out)
{
	const struct region *r = frames_region_of_host(&hw->frames, (uintptr_t)host);
	uint64_t page = page_in_region((uintptr_t)host);
	const struct view_region *words = r ? rcu_dereference(r->view) : NULL;
	struct rmp_look l;

	if (!words || !hw->frames.rmp || !(atomic32_load(&words->owner[page]) & OWNER_GUARD) ||
	    !rmp_denies(hw->frames.rmp, address_of(r, page), &l))
		return false;
	*out = (struct view_denial){ .gfn = l.page.gpa >> PAGE_SHIFT, .is_first = true };
	rmp_describe(hw->frames.rmp, address_of(r, page), out->text, sizeof(out->text));
	return true;
}
