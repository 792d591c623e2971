/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frames.h - the frame table: which byte of the process a physical address is.
 *
 * Physical space is divided into regions of 1 GiB.  A region stands for one
 * aligned gigabyte of the process's address space, so addresses are congruent
 * modulo 1 GiB and a huge mapping stays one; a bit for each 4 KiB says which
 * of its frames exist.  Readers take no lock: three dependent loads.  Beside
 * them stands what the host has said of its own mapping of each 2 MiB
 * (mapping.c).
 *
 * FRAMES-G1: a region that a reader found stays readable; it stands for the
 *            same gigabyte until the end of the reader's RCU section.
 * FRAMES-G2: after frames_retire() returns, frames_host() answers NULL for the
 *            range, and every RCU section that saw otherwise has ended.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "hw/insn/phys.h"
#include "sync/atomic.h"
#include "sync/lock.h"
#include "sync/rcu.h"

#define REGION_SHIFT	30
#define REGION_SIZE	(1ull << REGION_SHIFT)
#define REGION_WORDS	(REGION_SIZE / PAGE_SIZE / 64)
#define CHUNK_SHIFT	21
#define REGION_CHUNKS	(REGION_SIZE >> CHUNK_SHIFT)

struct dram_bank;
struct os_pages;
struct rmp;
struct view_region;
struct views;

/*
 * Keys: [f] fixed while the region is linked
 *       [a] atomic
 *       [l] frames.lock
 *       [m] frames.mapping_lock, but for bits that phys_wrote() sets
 *       [p] frames.publish_lock
 */
struct region {
	uint64_t	host;			/* [f] address of the region's first byte */
	uint64_t	index;			/* [f] physical address >> 30 */
	struct dram_bank *bank;			/* [f] the machine's own memory, or NULL */
	struct region	*next;			/* [l] free list; [p] being retired */
	struct view_region *view;		/* [a] whose bytes are there (view.h), NULL: all raw */
	uint64_t	present[REGION_WORDS];	/* [a] */
	uint64_t	writable[REGION_WORDS];	/* [a] [m] the host would let us write at once */
	uint64_t	about[REGION_CHUNKS];	/* [a] [m] for each 2 MiB, mapping.c */
};

struct frames {
	struct region	**regions;		/* [a] by physical address >> 30 */
	uint64_t	nr_regions;		/* 2^(phys_bits - 30) */
	struct region	***by_host;		/* [a] two levels, by host address >> 30 */
	struct mutex	publish_lock;		/* RANK_HOST: links and unlinks gigabytes */
	atomic32_t	cut_seq;		/* [a] odd: links of by_host are cut that may come back */
	struct spinlock	mapping_lock;		/* leaf: what is known of host mappings */
	atomic64_t	mapping_changes;	/* [a] [m] how often some of it was forgotten */
	struct spinlock	lock;			/* leaf: the region array and free list */
	struct views	*views;			/* [a] encryption (view.h), NULL: no key yet */
	struct rmp	*rmp;			/* never changes; NULL: a machine without SNP */
	uint64_t	next_index;		/* [l] never used before */
	struct region	*free_regions;		/* [l] kept mapped, to be used again */
};

MUST_CHECK bool frames_init(struct frames *f, unsigned phys_bits);
void frames_fini(struct frames *f);

/* The region of @a, or NULL. */
static ALWAYS_INLINE struct region *frames_region(const struct frames *f, hpa_t a)
{
	uint64_t i = a.v >> REGION_SHIFT;

	return likely(i < f->nr_regions) ? rcu_dereference(f->regions[i]) : NULL;
}

static ALWAYS_INLINE bool region_has(const struct region *r, uint64_t offset)
{
	uint64_t page = offset >> PAGE_SHIFT;

	return sync_word_load(&r->present[page / 64]) >> (page % 64) & 1;
}

/* Is there a frame in the 2 MiB around @offset? */
bool region_has_near(const struct region *r, uint64_t offset);

/*
 * The byte behind @a, or NULL when there is no frame.  The pointer is good to
 * the end of the 4 KiB page; touch it with os/uaccess only, for the host's
 * mapping may vanish at any time.  Any thread.
 */
static ALWAYS_INLINE uint8_t *frames_host(const struct frames *f, hpa_t a)
{
	const struct region *r = frames_region(f, a);
	uint64_t offset = a.v & (REGION_SIZE - 1);

	if (unlikely(!r || !region_has(r, offset)))
		return NULL;
	return (uint8_t *)(uintptr_t)r->host + offset;
}

/* phys_publish(). */
MUST_CHECK hpa_t frames_publish(struct frames *f, const void *host);

/* phys_retire() without the look into TLBs; true when a frame existed. */
bool frames_retire(struct frames *f, const void *host, size_t size);

/* The region of the host's gigabyte around @host, or NULL.  RCU or publish_lock. */
struct region *frames_region_of_host(const struct frames *f, uint64_t host);
/* The first one at or after @host and before @end. */
struct region *frames_next_region(const struct frames *f, uint64_t host, uint64_t end);

/* phys_mapping(), phys_learn() and their kin. */
struct phys_mapping frames_mapping(struct frames *f, const void *host);
struct phys_mapping frames_peek_mapping(struct frames *f, const void *host);
bool frames_learn(struct frames *f, const void *host, uint64_t ticket, struct os_pages *p);
bool frames_split(struct frames *f, const void *host);
bool frames_state_mapping(struct frames *f, const void *host, size_t size,
			  const struct os_pages *p);
void frames_wrote(struct frames *f, const void *host, uint64_t ticket);
void frames_forget_mapping(struct frames *f, const void *host, size_t size);

/* How many frames of [@a, @a + @size), within one region, exist.  peek_frames(). */
uint64_t frames_count(const struct frames *f, hpa_t a, uint64_t size);

/*
 * A new region for the gigabyte at @host, without frames; NULL when physical
 * space or memory is exhausted.  For frames.c and dram.c.
 */
MUST_CHECK struct region *frames_region_new(struct frames *f, uint64_t host,
					    struct dram_bank *bank);

/* One frame comes or goes; false when it was so already.  Any thread. */
static inline bool region_set(struct region *r, uint64_t offset)
{
	uint64_t page = offset >> PAGE_SHIFT, bit = 1ull << (page % 64);

	return !(sync_word_or(&r->present[page / 64], bit) & bit);
}

static inline bool region_clear(struct region *r, uint64_t offset)
{
	uint64_t page = offset >> PAGE_SHIFT, bit = 1ull << (page % 64);

	return sync_word_and(&r->present[page / 64], ~bit) & bit;
}
