/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/gmem/store.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/page.h"
#include "hw/insn/phys.h"
#include "os/memory.h"

#define HUGE_PAGES	PG_LEVEL_PAGES(PG_LEVEL_2M)
#define MAX_CHUNK_PAGES	(1ull << (30 - PAGE_SHIFT))

/* Bitmaps of chunk_pages bits behind one another: bits[which * words() + page / 64]. */
enum {
	ALLOCATED,
	PREPARED,
	LEAKED,
	HUGE,			/* of the first page: the 512 came as one, and none has gone */
	NR_BITMAPS
};

struct gmem_chunk {
	struct gmem_chunk *next;	/* in store->made; constant once there */
	uint64_t	 first;		/* its first page in the file */
	char		*base;
	uint64_t	 bits[];
};

static size_t words(const struct gmem_store *s)
{
	return (s->chunk_pages + 63) / 64;
}

static size_t table_size(const struct gmem_store *s)
{
	return ALIGN_UP(s->nr_chunks * sizeof(*s->chunks), PAGE_SIZE);
}

/* The word of bitmap @which that has the page @at of the chunk. */
static uint64_t *word_of(const struct gmem_store *s, const struct gmem_chunk *c, unsigned which,
			 uint64_t at)
{
	return (uint64_t *)&c->bits[which * words(s) + at / 64];
}

static bool has(const struct gmem_store *s, const struct gmem_chunk *c, unsigned which, uint64_t at)
{
	return sync_word_load(word_of(s, c, which, at)) & BIT(at % 64);
}

int gmem_store_init(struct gmem_store *s, struct hw *hw, uint64_t size, bool huge)
{
	*s = (struct gmem_store){ .hw = hw, .nr_pages = size >> PAGE_SHIFT, .chunk_pages = 1,
				  .huge = huge };
	while (s->chunk_pages < s->nr_pages && s->chunk_pages < MAX_CHUNK_PAGES)
		s->chunk_pages *= 2;
	s->nr_chunks = (s->nr_pages + s->chunk_pages - 1) / s->chunk_pages;
	s->chunks = os_map_private(table_size(s), PAGE_SIZE);
	return s->chunks ? 0 : -ENOMEM;
}

static size_t shared_size(const struct gmem_store *s)
{
	return s->nr_chunks * s->chunk_pages << PAGE_SHIFT;
}

int gmem_store_init_shared(struct gmem_store *s, struct hw *hw, uint64_t size, int fd)
{
	int r = gmem_store_init(s, hw, size, false);

	if (r)
		return r;
	s->shared = os_map_shared_private(fd, shared_size(s));
	if (s->shared)
		return 0;
	os_unmap(s->chunks, table_size(s));
	return -ENOMEM;
}

/* Of the VMM's mapping only, which is split for a store beside a guest's page (kvm/host/tables.h). */
static bool map_large(const struct gmem_store *s, const struct gmem_chunk *c)
{
	uint64_t nr = ALIGN_DOWN(MIN(s->nr_pages - c->first, s->chunk_pages), HUGE_PAGES);

	return !nr || phys_state_mapping(s->hw, c->base, nr << PAGE_SHIFT, PHYS_THP);
}

static struct gmem_chunk *chunk_create(const struct gmem_store *s, uint64_t first)
{
	size_t size = s->chunk_pages << PAGE_SHIFT;
	struct gmem_chunk *c = calloc(1, sizeof(*c) + NR_BITMAPS * words(s) * sizeof(c->bits[0]));

	if (!c)
		return NULL;
	/* Aligned to its size: what is aligned in the file is aligned in memory. */
	c->base = s->shared ? s->shared + (first << PAGE_SHIFT) : os_map_private(size, size);
	if (!c->base) {
		free(c);
		return NULL;
	}
	c->first = first;
	if (s->shared && s->large && !map_large(s, c)) {
		free(c);
		return NULL;
	}
	return c;
}

/*
 * Runs of pages of [@from, @to) that are not leaked: those stay where they are, and
 * as they are, for ever.
 */
static void each_good_run(struct gmem_store *s, struct gmem_chunk *c, uint64_t from, uint64_t to,
			  void (*fn)(struct gmem_store *s, void *bytes, size_t size))
{
	uint64_t at = atomic64_load_acquire(&s->nr_leaked) ? from : to;

	for (; at < to; at++) {
		if (!has(s, c, LEAKED, at))
			continue;
		if (at > from)
			fn(s, c->base + (from << PAGE_SHIFT), (at - from) << PAGE_SHIFT);
		from = at + 1;
	}
	if (to > from)
		fn(s, c->base + (from << PAGE_SHIFT), (to - from) << PAGE_SHIFT);
}

static void give_up(struct gmem_store *s, void *bytes, size_t size)
{
	phys_retire(s->hw, bytes, size);
	if (!s->shared)
		os_unmap(bytes, size);
}

static void chunk_destroy(struct gmem_store *s, struct gmem_chunk *c)
{
	each_good_run(s, c, 0, s->chunk_pages, give_up);
	free(c);
}

void gmem_store_fini(struct gmem_store *s)
{
	struct gmem_chunk *c = atomicptr_load_acquire(&s->made), *next;

	for (; c; c = next) {
		next = c->next;
		chunk_destroy(s, c);
	}
	/* With a leaked page in it, it stays. */
	if (s->shared && !atomic64_load_acquire(&s->nr_leaked))
		os_unmap(s->shared, shared_size(s));
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
	fresh = chunk_create(s, ALIGN_DOWN(index, s->chunk_pages));
	if (!fresh)
		return NULL;
	if (atomicptr_cas(at, &c, fresh)) {
		chunk_chain(s, fresh);
		return fresh;
	}
	if (s->shared)
		free(fresh);		/* its bytes are the winner's, too */
	else
		chunk_destroy(s, fresh);
	return c;
}

static char *bytes_of(const struct gmem_store *s, const struct gmem_chunk *c, uint64_t index)
{
	return c->base + (index % s->chunk_pages << PAGE_SHIFT);
}

static void set_allocated(struct gmem_store *s, struct gmem_chunk *c, uint64_t at, uint64_t mask)
{
	uint64_t old = sync_word_or(word_of(s, c, ALLOCATED, at), mask);

	if (mask & ~old)
		atomic64_add(&s->nr_allocated, __builtin_popcountll(mask & ~old));
}

/* None of the 512 pages from @head on is there, or leaked. */
static bool is_free(const struct gmem_store *s, const struct gmem_chunk *c, uint64_t head)
{
	for (uint64_t i = 0; i < HUGE_PAGES; i += 64)
		if (sync_word_load(word_of(s, c, ALLOCATED, head + i)) ||
		    sync_word_load(word_of(s, c, LEAKED, head + i)))
			return false;
	return true;
}

/* Whoever maps 2 MiB relies on the frames of all of it. */
static bool publish_huge(struct gmem_store *s, const struct gmem_chunk *c, uint64_t head)
{
	for (uint64_t i = 0; i < HUGE_PAGES; i++)
		if (!hpa_is_valid(phys_publish(s->hw, c->base + ((head + i) << PAGE_SHIFT))))
			return false;
	return true;
}

/* The 512 pages around @at come together, unless some are there already. */
static bool is_huge(struct gmem_store *s, struct gmem_chunk *c, uint64_t at)
{
	uint64_t head = at & ~(HUGE_PAGES - 1);

	if (!s->huge || c->first + head + HUGE_PAGES > s->nr_pages)
		return false;
	if (has(s, c, HUGE, head))
		return true;
	if (!is_free(s, c, head))
		return false;
	for (uint64_t i = 0; i < HUGE_PAGES; i += 64)
		set_allocated(s, c, head + i, ~0ull);
	if (!publish_huge(s, c, head))
		return false;
	sync_word_or(word_of(s, c, HUGE, head), BIT(head % 64));
	return true;
}

int gmem_store_page(struct gmem_store *s, uint64_t index, struct gmem_page *out)
{
	struct gmem_chunk *c = chunk_of(s, index, true);
	uint64_t at = index % s->chunk_pages;

	if (!c)
		return -ENOMEM;
	if (unlikely(has(s, c, LEAKED, at)))
		return -EHWPOISON;
	out->level = is_huge(s, c, at) ? PG_LEVEL_2M : PG_LEVEL_4K;
	/* Look first: a bitmap that nobody writes is in every cache. */
	if (!has(s, c, ALLOCATED, at))
		set_allocated(s, c, at, BIT(at % 64));
	out->prepared = has(s, c, PREPARED, at);
	out->bytes = bytes_of(s, c, index);
	return 0;
}

const void *gmem_store_peek(const struct gmem_store *s, uint64_t index, uint8_t *level)
{
	const struct gmem_chunk *c = index < s->nr_pages
				   ? atomicptr_load_acquire(&s->chunks[index / s->chunk_pages]) : NULL;
	uint64_t at = index % s->chunk_pages;

	if (!c || !has(s, c, ALLOCATED, at))
		return NULL;
	*level = has(s, c, HUGE, at & ~(HUGE_PAGES - 1)) ? PG_LEVEL_2M : PG_LEVEL_4K;
	return bytes_of(s, c, index);
}

void gmem_store_set_prepared(struct gmem_store *s, uint64_t index)
{
	struct gmem_chunk *c = chunk_of(s, index, false);
	uint64_t at = index % s->chunk_pages;

	if (c)
		sync_word_or(word_of(s, c, PREPARED, at), BIT(at % 64));
}

/* The bits of word @w that stand for [from, to). */
static uint64_t mask_in_word(uint64_t w, uint64_t from, uint64_t to)
{
	uint64_t lo = MAX(from, w * 64) - w * 64, hi = MIN(to, w * 64 + 64) - w * 64;

	return (~0ull << lo) & (~0ull >> (64 - hi));
}

/* Pages [@from, @to) of the chunk. */
static void expect_whole(const struct gmem_store *s, const struct gmem_chunk *c, uint64_t from,
			 uint64_t to)
{
	from = ALIGN_UP(from, HUGE_PAGES);
	to = ALIGN_DOWN(to, HUGE_PAGES);
	if (from < to)
		os_prefer_huge(bytes_of(s, c, from), (to - from) << PAGE_SHIFT);
}

void gmem_store_expect(struct gmem_store *s, uint64_t index, uint64_t n)
{
	struct gmem_chunk *c = chunk_of(s, index, true);
	uint64_t from = index % s->chunk_pages;

	if (c)
		expect_whole(s, c, from, MIN(from + n, s->chunk_pages));
}

/* What is allocated already may be in a key's view: not to be touched. */
static int populate_missing(const struct gmem_store *s, const struct gmem_chunk *c, uint64_t from,
			    uint64_t to)
{
	int r = 0;

	while (!r && from < to) {
		uint64_t n = 0;

		while (from + n < to && !has(s, c, ALLOCATED, from + n) &&
		       !has(s, c, LEAKED, from + n))
			n++;
		if (n)
			r = os_populate(bytes_of(s, c, from), n << PAGE_SHIFT);
		from += n + 1;
	}
	return r;
}

int gmem_store_allocate(struct gmem_store *s, uint64_t start, uint64_t end)
{
	struct gmem_chunk *c = chunk_of(s, start, true);
	uint64_t from = start % s->chunk_pages, to = from + (end - start);
	int r;

	if (!c)
		return -ENOMEM;
	expect_whole(s, c, from, to);
	r = populate_missing(s, c, from, to);
	if (r)
		return r;
	for (uint64_t at = ALIGN_UP(from, HUGE_PAGES); at + HUGE_PAGES <= to; at += HUGE_PAGES)
		is_huge(s, c, at);
	for (uint64_t w = from / 64; w <= (to - 1) / 64; w++)
		set_allocated(s, c, w * 64, mask_in_word(w, from, to) &
					    ~sync_word_load(word_of(s, c, LEAKED, w * 64)));
	return 0;
}

struct discard {
	struct gmem_store *store;
	gmem_freed_fn	*freed;
	void		*arg;
	uint64_t	 first, n;	/* a run of the chunk that is to be told */
};

/* The bits of the run are cleared already. */
static void tell_freed(struct discard *d, struct gmem_chunk *c)
{
	while (d->n) {
		uint64_t good = d->freed(d->arg, c->base + (d->first << PAGE_SHIFT), d->n);

		if (good >= d->n)
			break;
		sync_word_or(word_of(d->store, c, LEAKED, d->first + good),
			     BIT((d->first + good) % 64));
		atomic64_add(&d->store->nr_leaked, 1);
		d->first += good + 1;
		d->n -= good + 1;
	}
	d->n = 0;
}

/* Pages @was of the word @w were there: they make the run longer, or begin another. */
static void add_to_run(struct discard *d, struct gmem_chunk *c, uint64_t w, uint64_t was)
{
	while (was) {
		unsigned first = __builtin_ctzll(was);
		uint64_t rest = ~(was >> first);
		unsigned n = rest ? __builtin_ctzll(rest) : 64;

		if (d->n && d->first + d->n != w * 64 + first)
			tell_freed(d, c);
		if (!d->n)
			d->first = w * 64 + first;
		d->n += n;
		was &= n + first >= 64 ? 0 : ~0ull << (first + n);
	}
}

static void forget_bytes(struct gmem_store *s, void *bytes, size_t size)
{
	if (!s->shared)
		os_discard(bytes, size);
}

void gmem_store_punch_shared(struct gmem_store *s, uint64_t start, uint64_t end)
{
	if (s->shared)
		os_punch(s->shared + (start << PAGE_SHIFT), (end - start) << PAGE_SHIFT);
}

/* Pages [from, to) of one chunk. */
static void discard_in_chunk(struct discard *d, struct gmem_chunk *c, uint64_t from, uint64_t to)
{
	struct gmem_store *s = d->store;
	uint64_t nr_freed = 0;

	for (uint64_t at = from & ~(HUGE_PAGES - 1); s->huge && at < to; at += HUGE_PAGES)
		sync_word_and(word_of(s, c, HUGE, at), ~BIT(at % 64));
	for (uint64_t w = from / 64; w <= (to - 1) / 64; w++) {
		uint64_t mask = mask_in_word(w, from, to), old;

		if (!(sync_word_load(word_of(s, c, ALLOCATED, w * 64)) & mask))
			continue;
		old = sync_word_and(word_of(s, c, ALLOCATED, w * 64), ~mask) & mask;
		sync_word_and(word_of(s, c, PREPARED, w * 64), ~mask);
		nr_freed += __builtin_popcountll(old);
		/* A fault that was too late may have taken a leaked one again. */
		add_to_run(d, c, w, old & ~sync_word_load(word_of(s, c, LEAKED, w * 64)));
	}
	tell_freed(d, c);
	if (!nr_freed)
		return;
	each_good_run(s, c, from, to, forget_bytes);
	atomic64_sub(&s->nr_allocated, nr_freed);
}

void gmem_store_discard(struct gmem_store *s, uint64_t start, uint64_t end,
			gmem_freed_fn *freed, void *arg)
{
	struct discard d = { .store = s, .freed = freed, .arg = arg };

	for (struct gmem_chunk *c = atomicptr_load_acquire(&s->made); c; c = c->next) {
		uint64_t from = MAX(start, c->first) - c->first;
		uint64_t to = MIN(end, c->first + s->chunk_pages);

		if (to > c->first + from)
			discard_in_chunk(&d, c, from, to - c->first);
	}
}

static void release_in_chunk(struct discard *d, struct gmem_chunk *c, uint64_t from, uint64_t to)
{
	struct gmem_store *s = d->store;

	for (uint64_t w = from / 64; w <= (to - 1) / 64; w++) {
		uint64_t mask = mask_in_word(w, from, to), old;

		if (!(sync_word_load(word_of(s, c, PREPARED, w * 64)) & mask))
			continue;
		old = sync_word_and(word_of(s, c, PREPARED, w * 64), ~mask) & mask;
		add_to_run(d, c, w, old & ~sync_word_load(word_of(s, c, LEAKED, w * 64)));
	}
	tell_freed(d, c);
}

void gmem_store_release(struct gmem_store *s, uint64_t start, uint64_t end, gmem_freed_fn *freed,
			void *arg)
{
	struct discard d = { .store = s, .freed = freed, .arg = arg };

	for (struct gmem_chunk *c = atomicptr_load_acquire(&s->made); c; c = c->next) {
		uint64_t from = MAX(start, c->first) - c->first;
		uint64_t to = MIN(end, c->first + s->chunk_pages);

		if (to > c->first + from)
			release_in_chunk(&d, c, from, to - c->first);
	}
}

bool gmem_store_is_leaked(const struct gmem_store *s, uint64_t index)
{
	const struct gmem_chunk *c = atomicptr_load_acquire(&s->chunks[index / s->chunk_pages]);

	return c && has(s, c, LEAKED, index % s->chunk_pages);
}
