/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * trap.c - what happens to views from outside: a touch of one that is absent,
 * and the end of frames.
 */
#include <stdlib.h>

#include "hw/insn/view.h"
#include "hw/mem/gate_priv.h"
#include "hw/mem/guard.h"
#include "hw/mem/machine.h"
#include "hw/mem/view_priv.h"
#include "os/memory.h"

/* -- A touch -- */

enum verdict { NOT_OURS, GO_ON, DENIED };

/* Frame @page of @r was touched through @k's view, at @host if that is the raw one. */
static enum verdict touched(struct views *v, struct region *r, uint64_t page, struct mem_key *k,
			    uint64_t host, bool write)
{
	atomic32_t *word = owner_word(r, page);
	enum verdict verdict = NOT_OURS;
	uint32_t w = frame_lock(word);

	/* VIEW-4; and the region may stand for another gigabyte by now. */
	if (!region_has(r, page << PAGE_SHIFT) ||
	    (!k && !r->bank && r->host != (host & ~(uint64_t)(REGION_SIZE - 1))))
		goto out;
	if (!k && write && frame_is_denied(v->frames, r, page, w)) {
		verdict = DENIED;
		goto out;
	}
	if (!k && write && (w & OWNER_GUARD) && !(w & OWNER_KEY))
		frame_reopen(v, r, page, w);	/* it has come back */
	if ((w & OWNER_KEY) == (k ? k->index : 0))
		verdict = frame_mend(v, r, page, w, write) ? GO_ON : NOT_OURS;
	else
		verdict = frame_move(v, r, page, &w, k, no_patch(), false) ? GO_ON : NOT_OURS;
out:
	frame_unlock(word, w);
	return verdict;
}

static enum verdict key_touched(struct views *v, uint64_t host, bool write)
{
	struct key_view *kv = view_of_host(v, host);
	struct mem_key *k = kv->key;
	enum verdict verdict = NOT_OURS;
	struct region *r;

	if (!key_try_get(k))
		return NOT_OURS;
	r = frames_region(v->frames, HPA(kv->region << REGION_SHIFT));
	/* With a reference in hand it is still what it was. */
	if (r && rcu_dereference(r->view) && view_of_host(v, host) == kv && kv->key == k)
		verdict = touched(v, r, page_in_region(host), k, host, write);
	key_put(v, k, 1);
	return verdict;
}

static bool has_words(const struct region *r)
{
	return r && rcu_dereference(r->view);
}

static bool is_hidden_at(struct views *v, uint64_t host)
{
	struct region *r = frames_region_of_host(v->frames, host);

	return has_words(r) &&
	       (atomic32_load(owner_word(r, page_in_region(host))) & OWNER_KEY);
}

/* @host, or another mapping of its page of a file: in a region with words; the first, then the next. */
static bool next_frame(struct views *v, uint64_t host, size_t *iter, bool *begun, uint64_t *at)
{
	void *alias;

	if (!*begun) {
		*begun = true;
		*at = host;
		if (has_words(frames_region_of_host(v->frames, host)))
			return true;
	}
	while ((alias = veil_next_alias(v->veil, (void *)(uintptr_t)host, iter))) {
		*at = (uintptr_t)alias;
		if (has_words(frames_region_of_host(v->frames, *at)))
			return true;
	}
	return false;
}

/* Nobody has it, and it is not there: it was never touched, or its bytes were given back. */
static enum verdict fill_with_zeros(struct views *v, uint64_t host, bool write)
{
	bool begun = false, ok;
	atomic32_t *word = NULL;
	size_t iter = 0;
	uint32_t w = 0;
	uint64_t at;

	/* Not while somebody takes it: the lock of one frame of it that has one. */
	while (next_frame(v, host, &iter, &begun, &at)) {
		struct region *r = frames_region_of_host(v->frames, at);

		if (!has_words(r))
			continue;
		word = owner_word(r, page_in_region(at));
		if (region_has(r, at & (REGION_SIZE - 1)))
			break;
	}
	if (word)
		w = frame_lock(word);
	ok = (w & OWNER_KEY) || veil_zero(v->veil, (void *)(uintptr_t)host) ||
	     veil_is_open(v->veil, (void *)(uintptr_t)host, write);
	if (word)
		frame_unlock(word, w);
	return ok ? GO_ON : NOT_OURS;
}

/* Memory of the machine's own, which nobody finds by its host address: a VMSA that KVM writes to. */
static enum verdict dram_touched(struct views *v, uint64_t host, bool write)
{
	uint64_t nr = sync_word_load(&v->frames->next_index);

	for (uint64_t i = 0; i < nr; i++) {
		struct region *r = frames_region(v->frames, HPA(i << REGION_SHIFT));

		if (has_words(r) && r->bank && host >= r->host && host - r->host < REGION_SIZE &&
		    region_has(r, host - r->host))
			return touched(v, r, (host - r->host) >> PAGE_SHIFT, NULL, host, write);
	}
	return NOT_OURS;
}

static enum verdict raw_touched(struct views *v, uint64_t host, bool write)
{
	enum verdict verdict = NOT_OURS;
	bool begun = false;
	size_t iter = 0;
	uint64_t at;

	while (next_frame(v, host, &iter, &begun, &at)) {
		struct region *r = frames_region_of_host(v->frames, at);

		if ((at == host || is_hidden_at(v, at)) && has_words(r))
			verdict = touched(v, r, page_in_region(at), NULL, at, write);
		if (verdict != NOT_OURS)
			return verdict;
	}
	if (dram_touched(v, host, write) == GO_ON)
		return GO_ON;
	return fill_with_zeros(v, host, write);
}

/* False: no gate is there. */
static bool at_gate(struct views *v, void *host, bool write, enum verdict *verdict)
{
	uint64_t offset;
	unsigned section;
	struct gate *g = veil_gate_enter(v->veil, host, &offset, &section);

	if (!g)
		return false;
	*verdict = gate_touched(v, g, offset >> PAGE_SHIFT, host, write) ? GO_ON : NOT_OURS;
	veil_gate_leave(v->veil, section);
	return true;
}

bool view_trap(struct hw *hw, void *host, bool write)
{
	struct views *v = views_of(&hw->frames);
	uint64_t at = (uintptr_t)host, mask;
	enum verdict verdict;

	if (likely(!v) || !veil_is_here(v->veil))
		return false;
	veil_enter(&mask);
	if (!at_gate(v, host, write, &verdict))
		verdict = view_of_host(v, at) ? key_touched(v, at, write)
					      : raw_touched(v, at, write);
	veil_leave(&mask);
	return verdict == GO_ON;
}

bool view_denies(struct hw *hw, void *host, bool write, bool is_bus, struct view_denial *out)
{
	struct views *v = views_of(&hw->frames);
	unsigned section;
	uint64_t offset;
	struct gate *g;
	bool denies;

	if (likely(!v) || !veil_is_here(v->veil))
		return false;
	g = veil_gate_enter(v->veil, host, &offset, &section);
	if (!g)
		return write && guard_denies(hw, host, out);
	/* The VMM's own protection is its own business. */
	denies = is_bus && gate_denies(g, offset >> PAGE_SHIFT, out);
	veil_gate_leave(v->veil, section);
	return denies;
}

bool view_is_hidden(struct hw *hw, const void *host)
{
	struct views *v = views_of(&hw->frames);
	size_t iter = 0;
	void *alias;

	/* What a gate lets through is found by a touch, and what it does not is not there. */
	if (likely(!v) || gate_is_there(hw, host, 1))
		return false;
	if (is_hidden_at(v, (uintptr_t)host))
		return true;
	while ((alias = veil_next_alias(v->veil, host, &iter)))
		if (is_hidden_at(v, (uintptr_t)alias))
			return true;
	return false;
}

/* The key whose ciphertext lies raw in the page; NULL: it does not. */
static const struct mem_key *left_by(struct views *v, struct region *r, uint64_t page)
{
	uint64_t left = atomic64_load(&rcu_dereference(r->view)->left[page]), mask;
	const struct mem_key *k;
	uint8_t bytes[PAGE_SIZE];
	uint32_t w;
	bool ok;

	if (likely(!left))
		return NULL;
	veil_enter(&mask);
	w = frame_lock(owner_word(r, page));
	ok = !(w & OWNER_KEY) && region_has(r, page << PAGE_SHIFT) &&
	     frame_read(v, r, page, w, 0, bytes, PAGE_SIZE);
	frame_unlock(owner_word(r, page), w);
	veil_leave(&mask);
	k = rcu_dereference(v->keys[left >> LEFT_KEY_SHIFT]);
	return ok && view_left(k, bytes) == left ? k : NULL;
}

bool view_is_left(struct hw *hw, const void *host)
{
	struct views *v = views_of(&hw->frames);
	struct region *r = v ? frames_region_of_host(v->frames, (uintptr_t)host) : NULL;

	return has_words(r) && left_by(v, r, page_in_region((uintptr_t)host));
}

uint32_t view_owner_at(struct hw *hw, const void *host)
{
	struct views *v = views_of(&hw->frames);
	const uint64_t page = page_in_region((uintptr_t)host);
	const struct mem_key *k;
	struct region *r;

	if (!v || !has_words(r = frames_region_of_host(v->frames, (uintptr_t)host)))
		return 0;
	k = frame_key(v, atomic32_load(owner_word(r, page)));
	if (!k)
		k = left_by(v, r, page);
	for (uint32_t slot = 1; k && slot <= hw->config.nr_keys; slot++)
		if (rcu_dereference(v->slots[slot]) == k)
			return slot;
	return k ? VIEW_OWNER_GONE : 0;
}

bool view_may_hide(struct hw *hw, const void *host, size_t size)
{
	struct views *v = views_of(&hw->frames);
	uint64_t at = (uintptr_t)host, end = at + size;
	const struct region *r;

	if (likely(!v))
		return false;
	for (; (r = frames_next_region(v->frames, at, end)); at = r->host + REGION_SIZE)
		if (has_words(r))
			return true;
	return veil_has_aliases(v->veil, host, size) || gate_is_there(hw, host, size);
}

uint64_t view_raw_address(const struct hw *hw, uint64_t host)
{
	struct views *v = views_of(&hw->frames);
	const struct key_view *kv = likely(!v) ? NULL : view_of_host(v, host);

	return kv ? sync_word_load(&kv->raw) + (host & (REGION_SIZE - 1)) : host;
}

/* All of it that is hidden is looked at. */
static void show(struct hw *hw, char *host, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE_SIZE)
		if (view_is_hidden(hw, host + at))
			(void)!view_trap(hw, host + at, false);
}

void view_mapped(struct hw *hw, void *host, size_t size)
{
	struct views *v = views_of(&hw->frames);
	uint64_t mask;

	if (likely(!v))
		return;
	veil_enter(&mask);
	veil_mapped(v->veil, host, size);
	veil_leave(&mask);
	if (!veil_has_faults(v->veil))
		show(hw, host, size);
}

/* -- The end -- */

/* Frames [@page, @page + @n), locked, of one owner. */
static void forget(struct views *v, struct region *r, uint64_t page, unsigned n, uint32_t w)
{
	struct mem_key *k = frame_key(v, w);
	const struct key_view *kv = k ? rcu_dereference(k->views[r->index]) : NULL;
	void *raw = (void *)(uintptr_t)(r->host + page * PAGE_SIZE);

	if (k)
		veil_hide(v->veil, (void *)(uintptr_t)(kv->host + page * PAGE_SIZE), n * PAGE_SIZE,
			  kv->way);
	if (k && (w & OWNER_PROTECT))
		veil_restore(v->veil, raw, n * PAGE_SIZE);
	/* What the VMM has taken back is no more, or comes anew; our own stays. */
	for (unsigned i = 0; k && r->bank && !(w & (OWNER_PROTECT | OWNER_OPEN)) && i < n; i++)
		(void)veil_zero(v->veil, (char *)raw + i * PAGE_SIZE);
	for (unsigned i = 0; i < n; i++)
		frame_unlock(owner_word(r, page + i), 0);
	if (k)
		key_put(v, k, n);
}

#define RUN	512u

void view_retire(struct frames *f, struct region *r, uint64_t first, uint64_t end)
{
	struct views *v = views_of(f);
	uint64_t mask;

	if (likely(!v) || !rcu_dereference(r->view))
		return;
	veil_enter(&mask);
	for (uint64_t page = first; page < end;) {
		uint32_t w, next;
		unsigned n = 1;

		/* Also one that is only locked: who moves it has seen that it exists. */
		if (!atomic32_load(owner_word(r, page))) {
			page++;
			continue;
		}
		w = frame_lock(owner_word(r, page));
		while (page + n < end && n < RUN &&
		       ((next = atomic32_load(owner_word(r, page + n))) & ~OWNER_LOCK) == w) {
			next = frame_lock(owner_word(r, page + n));
			if (next != w) {
				frame_unlock(owner_word(r, page + n), next);
				break;
			}
			n++;
		}
		forget(v, r, page, n, w);
		page += n;
	}
	veil_leave(&mask);
}

void view_discarded(const struct frames *f, const struct region *r, void *host, size_t size)
{
	struct views *v = views_of(f);

	if (unlikely(v) && rcu_dereference(r->view))
		veil_unwatch(v->veil, host, size);
}

/* The VMM's own protection for what nobody will ever fill again. */
static void open_protected(struct views *v, struct region *r)
{
	for (uint64_t page = 0; r->view && page < REGION_FRAMES; page++) {
		uint32_t w = atomic32_load(&r->view->owner[page]);

		if ((w & OWNER_KEY) && (w & OWNER_PROTECT))
			veil_restore(v->veil, (void *)(uintptr_t)(r->host + page * PAGE_SIZE),
				     PAGE_SIZE);
	}
}

static void free_words(struct region *r)
{
	if (r->view)
		os_unmap(r->view, sizeof(*r->view));
	r->view = NULL;
}

void view_fini(struct hw *hw)
{
	struct frames *f = &hw->frames;
	struct views *v = views_of(f);

	if (!v)
		return;
	for (uint64_t i = 0; i < f->next_index; i++) {
		if (!f->regions[i])
			continue;
		open_protected(v, f->regions[i]);
		free_words(f->regions[i]);
	}
	for (struct region *r = f->free_regions; r; r = r->next)
		free_words(r);
	f->views = NULL;
	views_destroy(v);
}
