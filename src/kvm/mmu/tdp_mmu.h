/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tdp_mmu.h - how an entry changes, and what follows from it; roots and zaps.
 * For kvm/mmu alone.
 *
 * _shared/_atomic: mmu_lock read and compare-exchange; others: mmu_lock write.
 * Spec kvm.md 4.1 to 4.6.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/mmu/fault.h"
#include "kvm/mmu/iter.h"
#include "kvm/mmu/mmu.h"

/* Which roots a walk over all of them wants. */
enum tdp_roots {
	TDP_INVALID_ROOTS	= 1,
	TDP_DIRECT_ROOTS	= 2,
	TDP_MIRROR_ROOTS	= 4,
	TDP_VALID_ROOTS		= TDP_DIRECT_ROOTS | TDP_MIRROR_ROOTS,
	TDP_ALL_ROOTS		= TDP_VALID_ROOTS | TDP_INVALID_ROOTS,
};

/* ---- transitions (tdp_mmu.c) ---- */

/* -EBUSY: somebody else was faster, it->old is fresh. */
MUST_CHECK int tdp_mmu_set_spte_atomic(struct kvm *kvm, struct tdp_iter *it, spte_t new);
/* Frozen, flushed, then non-present: for read-locked zaps of a live root. */
MUST_CHECK int tdp_mmu_zap_spte_atomic(struct kvm *kvm, struct tdp_iter *it);
void tdp_mmu_set_spte(struct kvm *kvm, struct tdp_iter *it, spte_t new);

/* The root that @fault's address belongs to; NULL: the vCPU has none. */
static inline struct kvm_mmu_page *tdp_mmu_fault_root(const struct kvm_vcpu *vcpu,
						      const struct kvm_page_fault *fault)
{
	return kvm_addr_is_direct(vcpu->kvm, fault->addr) ? vcpu->mmu.root_sp
							  : vcpu->mmu.mirror_root_sp;
}

/* The walk and the entry of a fault.  RET_PF_*.  mmu_lock read. */
MUST_CHECK int tdp_mmu_map(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault);

/* ---- mirrors (mirror.c) ---- */

/*
 * Adds @new to a mirror: frozen, then the VM type adds it to the external
 * table, then published.  -EBUSY and the type's errors leave both as they were.
 */
MUST_CHECK int mirror_set_spte_atomic(struct kvm *kvm, struct tdp_iter *it, spte_t new);
/* The leaf @old is not present in the mirror any more; now the external table.  mmu_lock write. */
void mirror_leaf_removed(struct kvm *kvm, gfn_t gfn, uint8_t level, spte_t old);
/* All of @sp's entries are gone and it is not linked: the type gives its page back. */
void mirror_table_removed(struct kvm *kvm, struct kvm_mmu_page *sp);

/* ---- roots (roots.c) ---- */

void tdp_mmu_put_root(struct kvm *kvm, struct kvm_mmu_page *root);
/*
 * The root after @prev (NULL: the first) of address space @as_id (-1: any) and
 * @types, with a reference; @prev's is dropped.  mmu_lock either side; it may
 * be let go between two steps.
 */
struct kvm_mmu_page *tdp_mmu_next_root(struct kvm *kvm, struct kvm_mmu_page *prev, int as_id,
				       unsigned types);
#define for_each_tdp_mmu_root(root, kvm, as_id, types)				\
	for ((root) = tdp_mmu_next_root(kvm, NULL, as_id, types); (root);	\
	     (root) = tdp_mmu_next_root(kvm, root, as_id, types))

/* mmu_lock write.  Nobody will extend them any more; our own reference waits for the zap. */
void tdp_mmu_invalidate_roots(struct kvm *kvm, unsigned types);
/* Zaps them and drops that reference.  @shared: mmu_lock read, else write. */
void tdp_mmu_zap_invalidated_roots(struct kvm *kvm, bool shared);

/* ---- zaps (zap.c) ---- */

/* mmu_lock write, may yield.  @flush: owed already; answers what is owed. */
MUST_CHECK bool tdp_mmu_zap_leaves(struct kvm *kvm, struct kvm_mmu_page *root, gfn_t start,
				   gfn_t end, bool flush);
/* Everything below @root; may yield. */
void tdp_mmu_zap_root(struct kvm *kvm, struct kvm_mmu_page *root, bool shared);
unsigned tdp_mmu_filter_to_roots(const struct kvm *kvm, unsigned filter);

/* ---- MMIO entries and huge pages (mmio.c, lpage.c) ---- */

bool mmio_generation_is_current(struct kvm *kvm, spte_t spte);
/* Largest level for @fault's page that slot, attributes, host and type permit.  mmu_lock. */
uint8_t lpage_max_level(struct kvm *kvm, const struct kvm_page_fault *fault);

/* ---- the invalidation bracket (invalidate.c) ---- */

/* mmu_lock either side. */
bool invalidate_must_retry(struct kvm *kvm, uint64_t seq, gfn_t gfn);
/*
 * nx_huge.c.  Sets goal_level, and what was possible but for an execution; a
 * table made for that reason stays when somebody only reads; the list of
 * tables that a recovery may take away again.
 */
void nx_choose_level(struct kvm *kvm, struct kvm_page_fault *fault);
void nx_keep_split(struct kvm *kvm, struct kvm_page_fault *fault, const struct tdp_iter *it);
void nx_note_split(struct kvm *kvm, struct kvm_mmu_page *sp);
void nx_forget_split(struct kvm *kvm, struct kvm_mmu_page *sp);
/* Every so often, 1/ratio of them.  fini waits for the worker. */
MUST_CHECK int nx_recovery_init(struct kvm *kvm);
MUST_CHECK int nx_recovery_start(struct kvm *kvm);	/* its second half */
void nx_recovery_fini(struct kvm *kvm);

/* Is any of [start, end) being taken away just now?  mmu_lock, either side. */
bool invalidate_touches(struct kvm *kvm, gfn_t start, gfn_t end);
