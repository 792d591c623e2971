/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/gmem/store.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/page.h"
#include "hw/insn/phys.h"
#include "os/memory.h"

#define MAX_CHUNK_PAGES	(1ull << (30 - PAGE_SHIFT))

struct gmem_chunk {
	struct gmem_chunk *next;	/* in store->made; constant once there */
	uint64_t	 first;		/* its first page in the file */
	char		*base;
	uint64_t	*prepared;	/* bitmap, behind @allocated */
	uint64_t	 allocated[];	/* bitmap */
};

static size_t words(const struct gmem_store *s)
{
	return (s->chunk_pages + 63) / 64;
}

static size_t table_size(const struct gmem_store *s)
{
	return ALIGN_UP(s->nr_chunks * sizeof(*s->chunks), PAGE_SIZE);
}

int gmem_store_init(struct gmem_store *s, struct hw *hw, uint64_t size)
{
	*s = (struct gmem_store){ .hw = hw, .nr_pages = size >> PAGE_SHIFT, .chunk_pages = 1 };
	while (s->chunk_pages < s->nr_pages && s->chunk_pages < MAX_CHUNK_PAGES)
		s->chunk_pages *= 2;
	s->nr_chunks = (s->nr_pages + s->chunk_pages - 1) / s->chunk_pages;
	s->chunks = os_map_private(table_size(s), PAGE_SIZE);
	return s->chunks ? 0 : -ENOMEM;
}

static struct gmem_chunk *chunk_create(const struct gmem_store *s)
{
	size_t size = s->chunk_pages << PAGE_SHIFT;
	struct gmem_chunk *c = calloc(1, sizeof(*c) + 2 * words(s) * sizeof(uint64_t));

	if (!c)
		return NULL;
	c->prepared = c->allocated + words(s);
	/* Aligned to its size: what is aligned in the file is aligned in memory. */
	c->base = os_map_private(size, size);
	if (!c->base) {
		free(c);
		return NULL;
	}
	return c;
}

static void chunk_destroy(const struct gmem_store *s, struct gmem_chunk *c)
{
	size_t size = s->chunk_pages << PAGE_SHIFT;

	phys_retire(s->hw, c->base, size);
	os_unmap(c->base, size);
	free(c);
}

void gmem_store_fini(struct gmem_store *s)
{
	struct gmem_chunk *c = atomicptr_load_acquire(&s->made), *next;

	for (; c; c = next) {
		next = c->next;
		chunk_destroy(s, c);
	}
	os_unmap(s->chunks, table_size(s));
}

static void chunk_chain(struct gmem_store *s, struct gmem_chunk *c)
{
	void *head = atomicptr_load_acquire(&s->made);

	do
		c->next = head;
	while (!atomicptr_cas(&s->made, &head, c));
}

/* NULL: there is none yet (or, with @make, no memory for it). */
static struct gmem_chunk *chunk_of(struct gmem_store *s, uint64_t index, bool make)
{
	atomicptr_t *at = &s->chunks[index / s->chunk_pages];
	void *c = atomicptr_load_acquire(at);
	struct gmem_chunk *fresh;

	if (c || !make)
		return c;
	fresh = chunk_create(s);
	if (!fresh)
		return NULL;
	fresh->first = ALIGN_DOWN(index, s->chunk_pages);
	if (atomicptr_cas(at, &c, fresh)) {
		chunk_chain(s, fresh);
		return fresh;
	}
	chunk_destroy(s, fresh);
	return c;
}

static char *bytes_of(const struct gmem_store *s, const struct gmem_chunk *c, uint64_t index)
{
	return c->base + (index % s->chunk_pages << PAGE_SHIFT);
}

void *gmem_store_page(struct gmem_store *s, uint64_t index, bool *prepared)
{
	struct gmem_chunk *c = chunk_of(s, index, true);
	uint64_t bit = index % s->chunk_pages, mask = BIT(bit % 64);

	if (!c)
		return NULL;
	/* Look first: a bitmap that nobody writes is in every cache. */
	if (!(sync_word_load(&c->allocated[bit / 64]) & mask) &&
	    !(sync_word_or(&c->allocated[bit / 64], mask) & mask))
		atomic64_add(&s->nr_allocated, 1);
	*prepared = sync_word_load(&c->prepared[bit / 64]) & mask;
	return bytes_of(s, c, index);
}

const void *gmem_store_peek(const struct gmem_store *s, uint64_t index)
{
	const struct gmem_chunk *c = index < s->nr_pages
				   ? atomicptr_load_acquire(&s->chunks[index / s->chunk_pages]) : NULL;
	uint64_t bit = index % s->chunk_pages;

	if (!c || !(sync_word_load(&c->allocated[bit / 64]) & BIT(bit % 64)))
		return NULL;
	return bytes_of(s, c, index);
}

void gmem_store_set_prepared(struct gmem_store *s, uint64_t index)
{
	struct gmem_chunk *c = chunk_of(s, index, false);
	uint64_t bit = index % s->chunk_pages;

	if (c)
		sync_word_or(&c->prepared[bit / 64], BIT(bit % 64));
}

/* The bits of word @w that stand for [from, to). */
static uint64_t mask_in_word(uint64_t w, uint64_t from, uint64_t to)
{
	uint64_t lo = MAX(from, w * 64) - w * 64, hi = MIN(to, w * 64 + 64) - w * 64;

	return (~0ull << lo) & (~0ull >> (64 - hi));
}

int gmem_store_allocate(struct gmem_store *s, uint64_t start, uint64_t end)
{
	struct gmem_chunk *c = chunk_of(s, start, true);
	uint64_t from = start % s->chunk_pages, to = from + (end - start);
	int r;

	if (!c)
		return -ENOMEM;
	r = os_populate(bytes_of(s, c, start), (end - start) << PAGE_SHIFT);
	if (r)
		return r;
	for (uint64_t w = from / 64; w <= (to - 1) / 64; w++) {
		uint64_t mask = mask_in_word(w, from, to);
		uint64_t old = sync_word_or(&c->allocated[w], mask);

		atomic64_add(&s->nr_allocated, __builtin_popcountll(mask & ~old));
	}
	return 0;
}

struct discard {
	struct gmem_store *store;
	void		(*freed)(void *arg, void *bytes, uint64_t n);
	void		*arg;
};

/* Pages [from, to) of @c, all in one word; the bits are cleared already. */
static void tell_freed(const struct discard *d, const struct gmem_chunk *c, uint64_t w,
		       uint64_t was_allocated)
{
	while (was_allocated) {
		unsigned first = __builtin_ctzll(was_allocated);
		uint64_t rest = ~(was_allocated >> first);
		unsigned n = rest ? __builtin_ctzll(rest) : 64;

		d->freed(d->arg, c->base + ((w * 64 + first) << PAGE_SHIFT), n);
		was_allocated &= n + first >= 64 ? 0 : ~0ull << (first + n);
	}
}

/* Pages [from, to) of one chunk. */
static void discard_in_chunk(const struct discard *d, struct gmem_chunk *c, uint64_t from,
			     uint64_t to)
{
	uint64_t nr_freed = 0;

	for (uint64_t w = from / 64; w <= (to - 1) / 64; w++) {
		uint64_t mask = mask_in_word(w, from, to), old;

		if (!(sync_word_load(&c->allocated[w]) & mask))
			continue;
		old = sync_word_and(&c->allocated[w], ~mask) & mask;
		sync_word_and(&c->prepared[w], ~mask);
		nr_freed += __builtin_popcountll(old);
		tell_freed(d, c, w, old);
	}
	if (!nr_freed)
		return;
	os_discard(c->base + (from << PAGE_SHIFT), (to - from) << PAGE_SHIFT);
	atomic64_sub(&d->store->nr_allocated, nr_freed);
}

void gmem_store_discard(struct gmem_store *s, uint64_t start, uint64_t end,
			void (*freed)(void *arg, void *bytes, uint64_t n), void *arg)
{
	struct discard d = { .store = s, .freed = freed, .arg = arg };

	for (struct gmem_chunk *c = atomicptr_load_acquire(&s->made); c; c = c->next) {
		uint64_t from = MAX(start, c->first) - c->first;
		uint64_t to = MIN(end, c->first + s->chunk_pages);

		if (to > c->first + from)
			discard_in_chunk(&d, c, from, to - c->first);
	}
}
