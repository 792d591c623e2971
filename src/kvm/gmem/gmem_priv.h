/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* gmem_priv.h - a guest_memfd, for the files of this room. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/core/memslot.h"
#include "kvm/gmem/gmem.h"
#include "kvm/gmem/store.h"
#include "sync/lock.h"

#define GMEM_ORDER_2M		(PG_LEVEL_SHIFT(PG_LEVEL_2M) - PAGE_SHIFT)
#define GMEM_NR_PREPARE_LOCKS	16u

struct gmem_file {
	struct kvm		*kvm;		/* [c] one reference */
	uint64_t		 size;		/* [c] bytes */
	uint64_t		 flags;		/* [c] */
	uint64_t		 ino;		/* [c] */
	int			 fd;		/* what mmap is to map, until it is taken; or -1 */
	struct rwlock		 invalidate_lock;	/* RANK_GMEM */
	struct range_tree	 bindings;	/* [S] + invalidate_lock write: slots by page */
	struct mutex		 prepare_lock[GMEM_NR_PREPARE_LOCKS];	/* inside; by 2 MiB */
	struct gmem_store	 store;
};

static inline struct kvm_memory_slot *gmem_slot_of(struct range_node *n)
{
	return container_of(n, struct kvm_memory_slot, gmem.binding);
}

static inline uint64_t gmem_page_of(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return gfn.v - slot->base_gfn.v + slot->gmem.pgoff;
}

/* 2M where @p is, and its 2 MiB sits in the slot as it sits in the file. */
static inline uint8_t gmem_level_for(const struct kvm_memory_slot *slot, uint64_t index,
			 const struct gmem_page *p)
{
	uint64_t n = PG_LEVEL_PAGES(PG_LEVEL_2M), first = ALIGN_DOWN(index, n);
	bool fits = IS_ALIGNED(slot->base_gfn.v - slot->gmem.pgoff, n) &&
		    first >= slot->gmem.pgoff && first + n <= slot->gmem.pgoff + slot->npages;

	return fits ? p->level : PG_LEVEL_4K;
}
