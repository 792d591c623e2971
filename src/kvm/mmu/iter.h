/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * iter.h - walking a nested page table in order of gfn, tables before what
 * they contain, with the right to let go of the lock on the way.
 *
 * Under mmu_lock (either side) and RCU; lock-free walkers under RCU alone.
 * Spec kvm.md 4.4.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/mmu/spt.h"
#include "kvm/mmu/spte.h"

struct tdp_iter {
	const struct kvm_mmu_page *root;
	struct hw	*hw;
	const struct spte_layout *layout;
	hpa_t		 path[6];	/* the tables down to here, by level */
	hpa_t		 sptep;		/* the entry we are at */
	spte_t		 old;		/* what it was when we came, or lost a race */
	gfn_t		 gfn;		/* first one that the entry covers */
	gfn_t		 next;		/* the first that the walk still has to see */
	gfn_t		 yielded_at;	/* where the last yield was: the next is further */
	uint64_t	 gfn_bits;	/* or-ed in for indexing: direct bits */
	uint8_t		 level, min_level;
	bool		 valid;
	bool		 skip_empty;	/* sees none of SPTE_NONPRESENT but the first of a table */
	bool		 yielded;	/* the next step starts over from the root */
};

/* Goes down no further than to @min_level. */
void tdp_iter_start(struct tdp_iter *it, const struct kvm_mmu_page *root, uint8_t min_level,
		    gfn_t start, uint64_t gfn_bits);
void tdp_iter_next(struct tdp_iter *it);
/* From the root to where we were, not advanced; after every yield. */
void tdp_iter_restart(struct tdp_iter *it);

static inline uint64_t tdp_root_gfn_bits(const struct kvm *kvm, const struct kvm_mmu_page *root)
{
	return spt_is_mirror(root) ? 0 : kvm->mmu.direct_bits;
}

#define for_each_tdp_pte_min_level(it, kvm, root, min_level, start, end)		\
	for (tdp_iter_start(&(it), root, min_level, start, tdp_root_gfn_bits(kvm, root));	\
	     (it).valid && (it).gfn.v < (end).v; tdp_iter_next(&(it)))

#define for_each_tdp_pte(it, kvm, root, start, end)					\
	for_each_tdp_pte_min_level(it, kvm, root, PG_LEVEL_4K, start, end)

/* For those who take away: what was never there, or is gone, is passed over quickly. */
#define for_each_tdp_pte_not_empty(it, kvm, root, min_level, start, end)		\
	for (tdp_iter_start(&(it), root, min_level, start, tdp_root_gfn_bits(kvm, root)),	\
	     (it).skip_empty = true;							\
	     (it).valid && (it).gfn.v < (end).v; tdp_iter_next(&(it)))

/*
 * When somebody waits for mmu_lock and the walk has made progress: flushes if
 * @flush, lets go of RCU and lock (@shared: its read side), takes them again.
 * True: it did; go on with the next step at once, nothing is owed any more.
 */
MUST_CHECK bool tdp_iter_yield(struct kvm *kvm, struct tdp_iter *it, bool flush, bool shared);
