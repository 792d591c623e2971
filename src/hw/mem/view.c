/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * view.c - who asks for which view of a frame; move.c makes it so.
 */
#include "hw/mem/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "hw/insn/view.h"
#include "hw/mem/gate_priv.h"
#include "hw/mem/machine.h"
#include "hw/mem/view_priv.h"
#include "os/memory.h"
#include "os/uaccess.h"
#include "sync/rcu.h"

/* -- The object -- */

static size_t table_size(size_t entries)
{
	return ALIGN_UP(entries * sizeof(void *), PAGE_SIZE);
}

static size_t key_views_size(const struct views *v)
{
	return table_size(v->frames->nr_regions);
}

static void view_give(struct views *v, struct key_view *kv)
	REQUIRES(v->lock)
{
	kv->next = v->free_views;
	v->free_views = kv;
}

static void drop_views(struct views *v, struct mem_key *k)
	REQUIRES(v->lock)
{
	for (struct key_view *kv = k->list, *next; kv; kv = next) {
		next = kv->next;
		rcu_assign_pointer(*views_slot(v, kv->host), NULL);
		rcu_assign_pointer(k->views[kv->region], NULL);
		os_unmap((void *)(uintptr_t)kv->host, REGION_SIZE);
		view_give(v, kv);
	}
	k->list = NULL;
}

static void key_end(struct views *v, struct mem_key *k) NO_LOCK_ANALYSIS
{
	drop_views(v, k);
	os_unmap(k->views, key_views_size(v));
	key_free(k);
	free(k);
}

void views_destroy(struct views *v)
{
	if (v->slots)
		os_unmap(v->slots, table_size(KEY_SLOTS));
	for (uint32_t i = 1; i <= v->nr_keys; i++)
		key_end(v, v->keys[i]);
	for (struct key_view *kv = v->free_views, *next; kv; kv = next) {
		next = kv->next;
		free(kv);
	}
	if (v->keys) {
		os_holds_none(v->keys, table_size(KEY_OBJECTS));
		os_unmap(v->keys, table_size(KEY_OBJECTS));
	}
	for (unsigned i = 0; v->by_host && i < 1u << VIEWS_BY_HOST_BITS; i++)
		if (v->by_host[i])
			os_unmap(v->by_host[i], VIEWS_BY_HOST_SIZE);
	if (v->by_host)
		os_unmap(v->by_host, VIEWS_BY_HOST_SIZE);
	gates_destroy(v);
	veil_destroy(v->veil);
	free(v);
}

static struct views *views_create(struct hw *hw)
{
	struct views *v = aligned_alloc(64, sizeof(*v));

	if (!v)
		return NULL;
	memset(v, 0, sizeof(*v));
	v->frames = &hw->frames;
	v->counters = hw->config.counters;
	v->veil = veil_create(!hw->config.no_userfaults);
	v->slots = os_map_private(table_size(KEY_SLOTS), PAGE_SIZE);
	v->keys = os_map_private(table_size(KEY_OBJECTS), PAGE_SIZE);
	v->by_host = os_map_private(VIEWS_BY_HOST_SIZE, PAGE_SIZE);
	spin_init(&v->lock, "views.lock", RANK_LEAF);
	if (v->keys)
		os_holds_pointers(v->keys, table_size(KEY_OBJECTS));
	if (v->veil && v->slots && v->keys && v->by_host)
		return v;
	views_destroy(v);
	return NULL;
}

struct views *views_make(struct hw *hw)
{
	struct views *v = views_of(&hw->frames);

	if (v)
		return v;
	v = views_create(hw);
	if (!v)
		return NULL;
	mutex_lock(&hw->lock);
	if (!hw->frames.views) {
		rcu_assign_pointer(hw->frames.views, v);
		mutex_unlock(&hw->lock);
		return v;
	}
	mutex_unlock(&hw->lock);
	views_destroy(v);
	return views_of(&hw->frames);
}

/* -- Views of a key -- */

static bool link_view(struct views *v, struct key_view *kv)
	REQUIRES(v->lock)
{
	uint64_t gb = kv->host >> REGION_SHIFT;

	if (gb >> (2 * VIEWS_BY_HOST_BITS))
		return false;
	if (!v->by_host[gb >> VIEWS_BY_HOST_BITS]) {
		struct key_view **leaf = os_map_private(VIEWS_BY_HOST_SIZE, PAGE_SIZE);

		if (!leaf)
			return false;
		rcu_assign_pointer(v->by_host[gb >> VIEWS_BY_HOST_BITS], leaf);
	}
	rcu_assign_pointer(*views_slot(v, kv->host), kv);
	return true;
}

static struct key_view *view_take(struct views *v)
	REQUIRES(v->lock)
{
	struct key_view *kv = v->free_views;

	if (!kv)
		return calloc(1, sizeof(*kv));
	v->free_views = kv->next;
	return kv;
}

static bool make_view(struct views *v, struct mem_key *k, uint64_t region)
	REQUIRES(v->lock)
{
	struct key_view *kv = view_take(v);
	void *p;

	if (!kv)
		return false;
	p = veil_reserve(v->veil, REGION_SIZE, REGION_SIZE, &kv->way);
	kv->key = k;
	kv->region = region;
	kv->host = (uintptr_t)p;
	if (!p || !link_view(v, kv)) {
		if (p)
			os_unmap(p, REGION_SIZE);
		view_give(v, kv);
		return false;
	}
	kv->next = k->list;
	k->list = kv;
	rcu_assign_pointer(k->views[region], kv);
	return true;
}

bool view_prepare(struct views *v, struct region *r, struct mem_key *k)
{
	bool ok = true;

	if (rcu_dereference(r->view) && (!k || rcu_dereference(k->views[r->index])))
		return true;
	spin_lock(&v->lock);
	if (!r->view) {
		struct view_region *w = os_map_private(sizeof(*w), PAGE_SIZE);

		ok = w;
		rcu_assign_pointer(r->view, w);
	}
	if (ok && k && !k->views[r->index])
		ok = make_view(v, k, r->index);
	spin_unlock(&v->lock);
	return ok;
}

/* -- Keys -- */

/* From a signal handler, too: only put aside. */
void key_put(struct views *v, struct mem_key *k, uint32_t n)
{
	struct mem_key *first;

	if (atomic32_sub(&k->refs, n) != n)
		return;
	do {
		first = rcu_dereference(v->dead);
		k->next_dead = first;
	} while (!sync_word_cas((uint64_t *)(void *)&v->dead, (uint64_t *)(void *)&first,
				(uintptr_t)k));
}

/* Those whose last frame has gone. */
static void bury(struct views *v)
	REQUIRES(v->lock)
{
	uint64_t dead = sync_word_xchg((uint64_t *)(void *)&v->dead, 0);

	for (struct mem_key *k = (void *)(uintptr_t)dead, *next; k; k = next) {
		next = k->next_dead;
		drop_views(v, k);
		k->next_dead = v->free_keys;
		v->free_keys = k;
	}
}

static struct mem_key *key_take(struct views *v)
	REQUIRES(v->lock)
{
	struct mem_key *k = v->free_keys;

	if (k) {
		v->free_keys = k->next_dead;
		return k;
	}
	if (v->nr_keys + 1 >= KEY_OBJECTS)
		return NULL;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->views = os_map_private(key_views_size(v), PAGE_SIZE);
	if (!k->views || !key_make(k)) {
		if (k->views)
			os_unmap(k->views, key_views_size(v));
		free(k);
		return NULL;
	}
	k->index = ++v->nr_keys;
	rcu_assign_pointer(v->keys[k->index], k);
	return k;
}

bool view_key_install(struct hw *hw, keyslot_t slot, const uint8_t key[MEM_KEY_BYTES])
{
	struct views *v = slot ? views_make(hw) : NULL;
	struct mem_key *k;
	bool ok = false;

	if (!v)
		return false;
	spin_lock(&v->lock);
	bury(v);
	k = v->slots[slot] ? NULL : key_take(v);
	if (k) {
		ok = key_set(k, key);
		if (ok) {
			atomic32_store(&k->refs, 1);
			rcu_assign_pointer(v->slots[slot], k);
		} else {
			k->next_dead = v->free_keys;
			v->free_keys = k;
		}
	}
	spin_unlock(&v->lock);
	return ok;
}

void view_key_remove(struct hw *hw, keyslot_t slot)
{
	struct views *v = views_of(&hw->frames);
	struct mem_key *k;

	if (!v)
		return;
	spin_lock(&v->lock);
	k = v->slots[slot];
	rcu_assign_pointer(v->slots[slot], NULL);
	if (k)
		key_put(v, k, 1);
	bury(v);
	spin_unlock(&v->lock);
}

static struct mem_key *key_in(const struct views *v, keyslot_t slot)
{
	return slot ? rcu_dereference(v->slots[slot]) : NULL;
}

struct mem_key *key_get(struct views *v, keyslot_t slot)
{
	struct mem_key *k;

	while ((k = key_in(v, slot))) {
		if (!key_try_get(k))
			continue;	/* it is being replaced */
		if (key_in(v, slot) == k)
			return k;
		key_put(v, k, 1);
	}
	return NULL;
}

/* -- Frames -- */

/* One frame locked, in @k's view.  *@w is its word.  False: unlocked, no frame or no memory. */
static bool lock_in_view(struct views *v, struct region *r, uint64_t page, struct mem_key *k,
			 uint32_t *w)
{
	atomic32_t *word;

	if (!view_prepare(v, r, k))
		return false;
	if (k)
		sync_word_store(&rcu_dereference(k->views[r->index])->raw, r->host);
	word = owner_word(r, page);
	*w = frame_lock(word);
	if (region_has(r, page << PAGE_SHIFT) &&
	    ((*w & OWNER_KEY) == (k ? k->index : 0) || frame_move(v, r, page, w, k, no_patch(), true)))
		return true;
	frame_unlock(word, *w);
	return false;
}

static NOINLINE uint8_t *host_slowly(struct views *v, struct region *r, hpa_t a, keyslot_t slot)
{
	struct mem_key *k = key_get(v, slot);
	uint8_t *p = NULL;
	uint64_t mask;
	uint32_t w;

	veil_enter(&mask);
	if (lock_in_view(v, r, page_in_region(a.v), k, &w)) {
		uint64_t base = k ? rcu_dereference(k->views[r->index])->host : r->host;

		p = (uint8_t *)(uintptr_t)base + (a.v & (REGION_SIZE - 1));
		frame_unlock(owner_word(r, page_in_region(a.v)), w);
	}
	veil_leave(&mask);
	if (k)
		key_put(v, k, 1);
	return p;
}

uint8_t *view_host(struct hw *hw, hpa_t a, keyslot_t slot)
{
	struct views *v = views_of(&hw->frames);
	struct region *r = v ? frames_region(&hw->frames, a) : NULL;
	struct view_region *words;
	struct mem_key *k;
	uint64_t offset = a.v & (REGION_SIZE - 1);
	uint32_t w;

	if (!v)
		return frames_host(&hw->frames, a);
	if (!r || !region_has(r, offset))
		return NULL;
	words = rcu_dereference(r->view);
	k = key_in(v, slot);
	w = words ? atomic32_load_relaxed(&words->owner[page_in_region(a.v)]) : 0;
	if ((w & (OWNER_KEY | OWNER_LOCK)) != (k ? k->index : 0))
		return host_slowly(v, r, a, slot);
	if (k) {
		const struct key_view *kv = rcu_dereference(k->views[r->index]);

		return kv ? (uint8_t *)(uintptr_t)kv->host + offset : host_slowly(v, r, a, slot);
	}
	return (uint8_t *)(uintptr_t)r->host + offset;
}

struct piece {
	struct region	*r;
	uint64_t	 page;
	unsigned	 offset;
	size_t		 size;
};

/* What of [@a, @a + @len) lies in one page; false: there is no frame. */
static bool piece_at(struct hw *hw, hpa_t a, size_t len, struct piece *p)
{
	p->r = frames_region(&hw->frames, a);
	p->page = page_in_region(a.v);
	p->offset = a.v & (PAGE_SIZE - 1);
	p->size = MIN(len, PAGE_SIZE - p->offset);
	return p->r && region_has(p->r, a.v & (REGION_SIZE - 1));
}

static bool copy_piece(struct hw *hw, const struct piece *p, struct mem_key *k, void *bytes, bool write)
{
	struct views *v = views_of(&hw->frames);
	uint64_t mask;
	uint32_t w;
	bool ok;

	if (!v) {
		uint8_t *at = (uint8_t *)(uintptr_t)p->r->host + p->page * PAGE_SIZE + p->offset;

		return !(write ? os_copy_to(at, bytes, p->size) : os_copy_from(bytes, at, p->size));
	}
	veil_enter(&mask);
	ok = lock_in_view(v, p->r, p->page, k, &w);
	if (ok) {
		ok = write ? frame_write(v, p->r, p->page, w, p->offset, bytes, p->size)
			   : frame_read(v, p->r, p->page, w, p->offset, bytes, p->size);
		frame_unlock(owner_word(p->r, p->page), w);
	}
	veil_leave(&mask);
	return ok;
}

static bool copy(struct hw *hw, hpa_t a, keyslot_t slot, void *bytes, size_t len, bool write)
{
	struct views *v = views_of(&hw->frames);
	struct mem_key *k = v ? key_get(v, slot) : NULL;
	struct piece p;
	bool ok = true;

	for (size_t done = 0; ok && done < len; done += p.size)
		ok = piece_at(hw, HPA(a.v + done), len - done, &p) &&
		     copy_piece(hw, &p, k, (char *)bytes + done, write);
	if (k)
		key_put(v, k, 1);
	return ok;
}

bool view_read(struct hw *hw, hpa_t a, keyslot_t slot, void *to, size_t len)
{
	return copy(hw, a, slot, to, len, false);
}

bool view_write(struct hw *hw, hpa_t a, keyslot_t slot, const void *from, size_t len)
{
	return copy(hw, a, slot, (void *)(uintptr_t)from, len, true);
}
