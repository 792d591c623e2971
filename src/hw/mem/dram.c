/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dram.c - banks, blocks and shards; see dram.h.
 *
 * A page is free in a bank (its bit is set), in a shard, or handed out (its
 * frame exists).  A block that was never used, or went back to the operating
 * system, is clean: its pages read as zero without being written.
 */
#include "hw/mem/dram.h"

#include "hw/mem/view.h"
#include "os/memory.h"
#include "sync/wait.h"

#include <string.h>

#define BANK_SIZE	REGION_SIZE
#define BANK_SIZE_MIN	(64ull << 20)	/* where address space is tight */
#define BLOCK_SIZE	(DRAM_BLOCK_PAGES * PAGE_SIZE)
#define BLOCK_WORDS	(DRAM_BLOCK_PAGES / 64)
#define PAGE_IS_CLEAN	1ull

struct dram_block {
	uint16_t	nr_free;
	bool		dirty;
	uint64_t	free[BLOCK_WORDS];
};

struct dram_bank {
	struct dram_bank *next;
	struct region	*region;
	size_t		nr_blocks, nr_free;
	size_t		hint;			/* where a free page was last found */
	struct dram_block blocks[];
};

static size_t bank_storage(size_t nr_blocks)
{
	return ALIGN_UP(sizeof(struct dram_bank) + nr_blocks * sizeof(struct dram_block),
			PAGE_SIZE);
}

static struct dram_bank *bank_new(struct frames *f, size_t size)
{
	size_t nr_blocks = size / BLOCK_SIZE;
	struct dram_bank *b = os_map_private(bank_storage(nr_blocks), PAGE_SIZE);
	void *bytes = b ? os_map_private(size, BLOCK_SIZE) : NULL;

	if (bytes)
		b->region = frames_region_new(f, (uintptr_t)bytes, b);
	if (b && !b->region) {
		if (bytes)
			os_unmap(bytes, size);
		os_unmap(b, bank_storage(nr_blocks));
		return NULL;
	}
	if (!b)
		return NULL;
	/* a small machine stays within the first block, page by page */
	os_prefer_huge((uint8_t *)bytes + BLOCK_SIZE, size - BLOCK_SIZE);
	b->nr_blocks = nr_blocks;
	b->nr_free = nr_blocks * DRAM_BLOCK_PAGES;
	for (size_t i = 0; i < nr_blocks; i++) {
		b->blocks[i].nr_free = DRAM_BLOCK_PAGES;
		memset(b->blocks[i].free, 0xff, sizeof(b->blocks[i].free));
	}
	return b;
}

void dram_init(struct dram *d, struct frames *f)
{
	memset(d, 0, sizeof(*d));
	d->frames = f;
	spin_init(&d->lock, "dram.lock", RANK_DRAM);
	for (unsigned i = 0; i < DRAM_SHARDS; i++)
		spin_init(&d->shards[i].lock, "dram_shard.lock", RANK_FRAMES);
}

void dram_fini(struct dram *d)
{
	for (struct dram_bank *b = d->banks, *next; b; b = next) {
		next = b->next;
		os_unmap((void *)(uintptr_t)b->region->host, b->nr_blocks * BLOCK_SIZE);
		os_unmap(b, bank_storage(b->nr_blocks));
	}
	d->banks = NULL;
}

static struct dram_bank *bank_with_free(struct dram *d)
	REQUIRES(d->lock)
{
	struct dram_bank *b = d->banks;

	while (b && !b->nr_free)
		b = b->next;
	if (b)
		return b;
	b = bank_new(d->frames, BANK_SIZE);
	if (!b)
		b = bank_new(d->frames, BANK_SIZE_MIN);
	if (b) {
		b->next = d->banks;
		d->banks = b;
	}
	return b;
}

static unsigned block_take(struct dram_bank *b, size_t block, uint64_t *pages, unsigned max)
{
	struct dram_block *k = &b->blocks[block];
	uint64_t base = (b->region->index << REGION_SHIFT) + block * BLOCK_SIZE;
	unsigned n = 0;

	for (unsigned w = 0; w < BLOCK_WORDS; w++) {
		while (k->free[w] && n < max) {
			unsigned bit = (unsigned)__builtin_ctzll(k->free[w]);

			k->free[w] &= k->free[w] - 1;
			pages[n++] = (base + (w * 64 + bit) * PAGE_SIZE) |
				     (k->dirty ? 0 : PAGE_IS_CLEAN);
		}
	}
	k->nr_free = (uint16_t)(k->nr_free - n);
	b->nr_free -= n;
	return n;
}

static void shard_refill(struct dram *d, struct dram_shard *s)
{
	struct dram_bank *b;

	spin_lock(&d->lock);
	b = bank_with_free(d);
	if (b) {
		while (!b->blocks[b->hint].nr_free)
			b->hint = (b->hint + 1) % b->nr_blocks;
		s->nr = block_take(b, b->hint, s->pages, DRAM_BATCH);
	}
	spin_unlock(&d->lock);
}

static struct dram_shard *shard_of_thread(struct dram *d)
{
	return &d->shards[sync_thread_number() % DRAM_SHARDS];
}

hpa_t dram_alloc(struct dram *d)
{
	struct dram_shard *s = shard_of_thread(d);
	uint64_t page = 0;
	struct region *r;

	spin_lock(&s->lock);
	if (!s->nr)
		shard_refill(d, s);
	if (s->nr) {
		page = s->pages[--s->nr];
		s->nr_out++;
	}
	spin_unlock(&s->lock);
	if (!page)
		return HPA_INVALID;

	r = frames_region(d->frames, HPA(page));
	if (!(page & PAGE_IS_CLEAN))
		memset((uint8_t *)(uintptr_t)r->host + (page & (REGION_SIZE - 1)), 0, PAGE_SIZE);
	page &= PAGE_MASK;
	region_set(r, page & (REGION_SIZE - 1));
	return HPA(page);
}

/* Puts one page back into its bank; the block, when it is whole again. */
static struct dram_block *bank_put(struct dram *d, uint64_t page, uint64_t *host)
	REQUIRES(d->lock)
{
	struct region *r = frames_region(d->frames, HPA(page));
	uint64_t offset = page & (REGION_SIZE - 1) & PAGE_MASK;
	size_t nr = offset / PAGE_SIZE % DRAM_BLOCK_PAGES;
	struct dram_block *k = &r->bank->blocks[offset / BLOCK_SIZE];

	k->free[nr / 64] |= 1ull << (nr % 64);
	k->dirty |= !(page & PAGE_IS_CLEAN);
	r->bank->nr_free++;
	if (++k->nr_free < DRAM_BLOCK_PAGES || !k->dirty)
		return NULL;
	/* out of reach while the operating system takes it */
	memset(k->free, 0, sizeof(k->free));
	k->nr_free = 0;
	r->bank->nr_free -= DRAM_BLOCK_PAGES;
	*host = r->host + ALIGN_DOWN(offset, BLOCK_SIZE);
	return k;
}

static void block_discard(struct dram *d, struct dram_block *k, uint64_t page, uint64_t host)
{
	struct dram_bank *b = frames_region(d->frames, HPA(page))->bank;

	os_discard((void *)(uintptr_t)host, BLOCK_SIZE);
	view_discarded(d->frames, b->region, (void *)(uintptr_t)host, BLOCK_SIZE);
	spin_lock(&d->lock);
	memset(k->free, 0xff, sizeof(k->free));
	k->nr_free = DRAM_BLOCK_PAGES;
	k->dirty = false;
	b->nr_free += DRAM_BLOCK_PAGES;
	spin_unlock(&d->lock);
}

static void banks_put(struct dram *d, const uint64_t *pages, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct dram_block *whole;
		uint64_t host = 0;

		spin_lock(&d->lock);
		whole = bank_put(d, pages[i], &host);
		spin_unlock(&d->lock);
		if (whole)
			block_discard(d, whole, pages[i], host);
	}
}

bool dram_free(struct dram *d, hpa_t page)
{
	struct region *r = frames_region(d->frames, page);
	struct dram_shard *s = shard_of_thread(d);
	uint64_t spill[DRAM_BATCH], offset;
	unsigned nr = 0;

	if (!r || !r->bank || !IS_ALIGNED(page.v, PAGE_SIZE) ||
	    !region_clear(r, page.v & (REGION_SIZE - 1)))
		return false;
	offset = (page.v & (REGION_SIZE - 1)) >> PAGE_SHIFT;
	view_retire(d->frames, r, offset, offset + 1);
	spin_lock(&s->lock);
	if (s->nr == DRAM_SHARD_PAGES) {
		nr = DRAM_BATCH;
		memcpy(spill, s->pages, sizeof(spill));
		s->nr -= nr;
		memmove(s->pages, s->pages + nr, s->nr * sizeof(s->pages[0]));
	}
	s->pages[s->nr++] = page.v;
	s->nr_out--;
	spin_unlock(&s->lock);
	banks_put(d, spill, nr);
	return true;
}

size_t dram_pages_out(struct dram *d)
{
	int64_t n = 0;

	for (unsigned i = 0; i < DRAM_SHARDS; i++) {
		spin_lock(&d->shards[i].lock);
		n += d->shards[i].nr_out;
		spin_unlock(&d->shards[i].lock);
	}
	return (size_t)n;
}
