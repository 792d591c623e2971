/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* gmem_priv.h - a guest_memfd, for the files of this room. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "hw/insn/gate.h"
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
	dev_t			 dev;		/* [c] as /proc/self/maps has them where it is mapped */
	ino_t			 fd_ino;
	int			 fd;		/* what mmap is to map, until it is taken; or -1 */
	struct rwlock		 invalidate_lock;	/* RANK_GMEM */
	struct range_tree	 bindings;	/* [S] + invalidate_lock write: slots by page */
	struct mutex		 prepare_lock[GMEM_NR_PREPARE_LOCKS];	/* inside; by 2 MiB */
	struct gmem_store	 store;
	struct gate		*gate;		/* [c] in place: what the VMM's mappings show; or NULL */
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

/* Is a file of @kvm with @flags to have its private and its shared bytes in one place? */
bool gmem_wants_in_place(const struct kvm *kvm, uint64_t flags);
/* The store and the gate of such a file; its descriptor has none of the bytes.  -errno. */
MUST_CHECK int gmem_make_in_place(struct gmem_file *file);
/* Nobody finds the file any more.  What is a guest's goes; the rest stays as long as the VMM maps it. */
void gmem_end_in_place(struct gmem_file *file);
/* slots_lock, and invalidate_lock for writing: the gate of frames [@start, @end) of @slot is as they are. */
void gmem_apply_attributes(struct gmem_file *file, const struct kvm_memory_slot *slot, gfn_t start,
			   gfn_t end);
