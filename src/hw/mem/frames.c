/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/frames.h"

#include "base/bits.h"
#include "hw/mem/rmp.h"
#include "hw/mem/view.h"
#include "os/memory.h"

#include <string.h>

/* by_host: 13 bits each of the gigabyte's number in a 56-bit address space. */
#define BY_HOST_BITS	13
#define BY_HOST_ENTRIES	(1u << BY_HOST_BITS)
#define BY_HOST_SIZE	(BY_HOST_ENTRIES * sizeof(void *))

/* No frame ever has physical address 0. */
#define FIRST_INDEX	1

static size_t region_storage(void)
{
	return ALIGN_UP(sizeof(struct region), PAGE_SIZE);
}

static size_t regions_size(const struct frames *f)
{
	return ALIGN_UP(f->nr_regions * sizeof(*f->regions), PAGE_SIZE);
}

bool frames_init(struct frames *f, unsigned phys_bits)
{
	memset(f, 0, sizeof(*f));
	f->nr_regions = 1ull << (phys_bits - REGION_SHIFT);
	f->next_index = FIRST_INDEX;
	f->regions = os_map_private(regions_size(f), PAGE_SIZE);
	f->by_host = os_map_private(BY_HOST_SIZE, PAGE_SIZE);
	if (!f->regions || !f->by_host) {
		frames_fini(f);
		return false;
	}
	mutex_init(&f->publish_lock, "frames.publish_lock", RANK_HOST);
	spin_init(&f->lock, "frames.lock", RANK_LEAF);
	spin_init(&f->mapping_lock, "frames.mapping_lock", RANK_LEAF);
	return true;
}

void frames_fini(struct frames *f)
{
	for (struct region *r = f->free_regions, *next; r; r = next) {
		next = r->next;
		os_unmap(r, region_storage());
	}
	for (uint64_t i = 0; f->regions && i < f->next_index; i++)
		if (f->regions[i])
			os_unmap(f->regions[i], region_storage());
	for (unsigned i = 0; f->by_host && i < BY_HOST_ENTRIES; i++)
		if (f->by_host[i])
			os_unmap(f->by_host[i], BY_HOST_SIZE);
	if (f->regions)
		os_unmap(f->regions, regions_size(f));
	if (f->by_host)
		os_unmap(f->by_host, BY_HOST_SIZE);
	memset(f, 0, sizeof(*f));
}

/* Storage and an index: one used before, or new ones. */
static struct region *region_take(struct frames *f)
{
	struct region *r, *fresh = NULL;

	spin_lock(&f->lock);
	r = f->free_regions;
	if (r)
		f->free_regions = r->next;
	spin_unlock(&f->lock);
	if (r)
		return r;

	fresh = os_map_private(region_storage(), PAGE_SIZE);
	if (!fresh)
		return NULL;
	spin_lock(&f->lock);
	if (f->next_index < f->nr_regions)
		fresh->index = f->next_index++;
	spin_unlock(&f->lock);
	if (!fresh->index) {
		os_unmap(fresh, region_storage());
		return NULL;
	}
	return fresh;
}

struct region *frames_region_new(struct frames *f, uint64_t host, struct dram_bank *bank)
{
	struct region *r = region_take(f);

	if (!r)
		return NULL;
	r->host = host;
	r->bank = bank;
	r->next = NULL;
	rcu_assign_pointer(f->regions[r->index], r);
	return r;
}

static struct region **by_host_slot(const struct frames *f, uint64_t host)
{
	uint64_t gb = host >> REGION_SHIFT;
	struct region **leaf;

	if (unlikely(gb >> (2 * BY_HOST_BITS)))
		return NULL;
	leaf = rcu_dereference(f->by_host[gb >> BY_HOST_BITS]);
	return likely(leaf) ? &leaf[gb & (BY_HOST_ENTRIES - 1)] : NULL;
}

static ALWAYS_INLINE struct region *region_of_host(const struct frames *f, uint64_t host)
{
	struct region **slot = by_host_slot(f, host);

	return likely(slot) ? rcu_dereference(*slot) : NULL;
}

struct region *frames_region_of_host(const struct frames *f, uint64_t host)
{
	return region_of_host(f, host);
}

struct region *frames_next_region(const struct frames *f, uint64_t host, uint64_t end)
{
	uint64_t limit = 1ull << (REGION_SHIFT + 2 * BY_HOST_BITS), step;
	struct region *r = NULL;

	end = MIN(end, limit);
	for (uint64_t gb = ALIGN_DOWN(host, REGION_SIZE); !r && gb < end; gb += step) {
		r = region_of_host(f, gb);
		/* Nothing in a whole leaf of the index: on to the next. */
		step = by_host_slot(f, gb) ? REGION_SIZE
		     : (REGION_SIZE << BY_HOST_BITS) - (gb & ((REGION_SIZE << BY_HOST_BITS) - 1));
	}
	return r;
}

static hpa_t publish_in(struct region *r, uint64_t host)
{
	uint64_t offset = host & (REGION_SIZE - 1);

	if (!region_has(r, offset))
		region_set(r, offset);
	return HPA(r->index << REGION_SHIFT | offset);
}

/* A gigabyte that nobody has seen. */
static struct region *link_host(struct frames *f, uint64_t host)
	REQUIRES(f->publish_lock)
{
	uint64_t gb = host >> REGION_SHIFT;
	struct region *r, **slot;

	if (gb >> (2 * BY_HOST_BITS))
		return NULL;
	if (!f->by_host[gb >> BY_HOST_BITS]) {
		slot = os_map_private(BY_HOST_SIZE, PAGE_SIZE);
		if (!slot)
			return NULL;
		rcu_assign_pointer(f->by_host[gb >> BY_HOST_BITS], slot);
	}
	r = frames_region_new(f, gb << REGION_SHIFT, NULL);
	if (r)
		rcu_assign_pointer(*by_host_slot(f, host), r);
	return r;
}

hpa_t frames_publish(struct frames *f, const void *host_ptr)
{
	uint64_t host = (uintptr_t)host_ptr;
	hpa_t a = HPA_INVALID;
	struct region *r;

	rcu_read_lock();
	r = region_of_host(f, host);
	if (likely(r))
		a = publish_in(r, host);
	rcu_read_unlock();
	if (likely(r))
		return a;

	mutex_lock(&f->publish_lock);
	r = region_of_host(f, host);
	if (!r)
		r = link_host(f, host);
	if (r)
		a = publish_in(r, host);
	mutex_unlock(&f->publish_lock);
	return a;
}

/* Clears frames [first, end) of @r; true when one of them existed. */
static bool region_clear_range(struct region *r, uint64_t first, uint64_t end)
{
	bool found = false;

	while (first < end) {
		unsigned bit = first % 64;
		uint64_t n = MIN(64 - bit, end - first);
		uint64_t mask = (~0ull >> (64 - n)) << bit;

		if (sync_word_load(&r->present[first / 64]) & mask) {
			sync_word_and(&r->present[first / 64], ~mask);
			found = true;
		}
		first += n;
	}
	return found;
}

static bool region_has_any(const struct region *r, uint64_t first, uint64_t end)
{
	while (first < end) {
		unsigned bit = first % 64;
		uint64_t n = MIN(64 - bit, end - first);

		if (sync_word_load(&r->present[first / 64]) & (~0ull >> (64 - n)) << bit)
			return true;
		first += n;
	}
	return false;
}

/* Without a lock: most of what a process unmaps was never anybody's memory. */
static bool has_frames(const struct frames *f, uint64_t start, uint64_t end)
{
	const struct region *r;
	bool found = false;

	rcu_read_lock();
	for (uint64_t at = start; !found && (r = frames_next_region(f, at, end));
	     at = r->host + REGION_SIZE)
		found = region_has_any(r, (MAX(start, r->host) - r->host) >> PAGE_SHIFT,
				       MIN(end - r->host, REGION_SIZE) >> PAGE_SHIFT);
	rcu_read_unlock();
	return found;
}

/*
 * Without the lock: surely none.  While links are cut, a frame may be in a
 * region that no link leads to, so then nothing is sure.
 */
static bool has_none(const struct frames *f, uint64_t start, uint64_t end)
{
	uint32_t seq = atomic32_load(&f->cut_seq);

	return !(seq & 1) && !has_frames(f, start, end) && atomic32_load(&f->cut_seq) == seq;
}

static bool region_is_empty(const struct region *r)
{
	for (size_t i = 0; i < REGION_WORDS; i++)
		if (sync_word_load(&r->present[i]))
			return false;
	return true;
}

/*
 * @gone: regions without frames when their by_host link was cut, a grace
 * period ago.  One that a last publisher has used meanwhile is linked again.
 */
static void retire_regions(struct frames *f, struct region *gone)
	REQUIRES(f->publish_lock)
{
	struct region *dead = NULL, *next, **tail = &dead;

	for (struct region *r = gone; r; r = next) {
		next = r->next;
		if (!region_is_empty(r)) {
			rcu_assign_pointer(*by_host_slot(f, r->host), r);
			continue;
		}
		rcu_assign_pointer(f->regions[r->index], NULL);
		r->next = NULL;
		*tail = r;
		tail = &r->next;
	}
	if (!dead)
		return;
	rcu_synchronize();	/* FRAMES-G1 */
	for (struct region *r = dead; r; r = r->next) {
		memset(r->about, 0, sizeof(r->about));
		memset(r->writable, 0, sizeof(r->writable));
	}
	spin_lock(&f->lock);
	*tail = f->free_regions;
	f->free_regions = dead;
	spin_unlock(&f->lock);
}

bool frames_retire(struct frames *f, const void *host_ptr, size_t size)
{
	uint64_t start = ALIGN_DOWN((uint64_t)(uintptr_t)host_ptr, PAGE_SIZE);
	uint64_t end = ALIGN_UP((uint64_t)(uintptr_t)host_ptr + size, PAGE_SIZE);
	struct region *gone = NULL;
	bool found = false;

	if (!size || has_none(f, start, end))
		return false;
	mutex_lock(&f->publish_lock);
	for (uint64_t gb = ALIGN_DOWN(start, REGION_SIZE); gb < end; gb += REGION_SIZE) {
		struct region *r = region_of_host(f, gb);
		uint64_t from = MAX(start, gb) - gb, to = MIN(end - gb, REGION_SIZE);

		if (!r || !region_clear_range(r, from >> PAGE_SHIFT, to >> PAGE_SHIFT))
			continue;
		found = true;
		view_retire(f, r, from >> PAGE_SHIFT, to >> PAGE_SHIFT);
		if (f->rmp)
			rmp_retire(f->rmp, HPA(r->index << REGION_SHIFT | from), to - from);
		if (region_is_empty(r)) {
			if (!gone)
				atomic32_add(&f->cut_seq, 1);
			rcu_assign_pointer(*by_host_slot(f, gb), NULL);
			r->next = gone;
			gone = r;
		}
	}
	if (found)
		rcu_synchronize();	/* FRAMES-G2 */
	retire_regions(f, gone);
	if (gone)
		atomic32_add(&f->cut_seq, 1);
	mutex_unlock(&f->publish_lock);
	return found;
}
