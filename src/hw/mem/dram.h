/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dram.h - the machine's own memory, handed out in 4 KiB pages.
 *
 * Banks of up to 1 GiB in blocks of 2 MiB.  Pages go through shards (a small
 * stack each, picked by thread), so that parallel page faults do not meet; a
 * block whose pages are all free goes back to the operating system.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "hw/mem/frames.h"
#include "sync/lock.h"

#define DRAM_SHARDS		64
#define DRAM_SHARD_PAGES	63
#define DRAM_BATCH		32
#define DRAM_BLOCK_PAGES	512

struct dram_bank;

struct CACHE_ALIGNED dram_shard {
	struct spinlock	lock;			/* RANK_FRAMES */
	unsigned	nr;
	int64_t		nr_out;			/* handed out less taken back, may be negative */
	uint64_t	pages[DRAM_SHARD_PAGES];/* address, bit 0: known to be zero */
};

struct dram {
	struct frames	*frames;
	struct spinlock	lock;			/* RANK_DRAM */
	struct dram_bank *banks;
	struct dram_shard shards[DRAM_SHARDS];
};

void dram_init(struct dram *d, struct frames *f);
void dram_fini(struct dram *d);

MUST_CHECK hpa_t dram_alloc(struct dram *d);
/* False when @page is no page that was handed out. */
MUST_CHECK bool dram_free(struct dram *d, hpa_t page);
size_t dram_pages_out(struct dram *d);
