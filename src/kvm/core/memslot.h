/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * memslot.h - which guest frames have memory behind them, and where.
 *
 * Two copies of the set per address space, active and inactive, share the
 * slots themselves: every slot sits in both through two nodes, so that an
 * update costs O(log slots) and copies nothing.  Readers hold SRCU (or
 * slots_lock) and see one consistent set; a swap waits for them.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/range_tree.h"
#include "kvm/core/kvm.h"

#define KVM_MEMSLOT_INVALID	(1u << 16)	/* being deleted or moved */
#define KVM_MEMSLOT_GMEM_ONLY	(1u << 17)	/* guests never go by userspace_addr */

struct gmem_file;
struct kvm_lpage_info;			/* kvm/mmu/lpage.h */

struct kvm_memory_slot {
	gfn_t		base_gfn;
	uint64_t	npages;
	hva_t		userspace_addr;
	uint32_t	flags;		/* KVM_MEM_*, KVM_MEMSLOT_* */
	uint16_t	id, as_id;
	struct kvm_lpage_info *lpage[2];/* 2M, 1G; owned by kvm/mmu */
	uint64_t	*dirty_bitmap;	/* one bit a page; NULL: not logged */
	struct {
		atomicptr_t	 file;	/* struct gmem_file, weak: see kvm/gmem */
		uint64_t	 pgoff;
		struct range_node binding;	/* [S] in the file, by pgoff */
	} gmem;

	/* memslot.c's own: one node of each kind for either copy of the set. */
	struct range_node gfn_node[2], hva_node[2];
};

#define KVM_GENERATION_IN_PROGRESS	BIT(63)

static inline gfn_t kvm_slot_end(const struct kvm_memory_slot *slot)
{
	return GFN(slot->base_gfn.v + slot->npages);
}

/* Where the host has @gfn, which lies in @slot. */
static inline hva_t kvm_slot_hva(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return HVA(slot->userspace_addr.v + ((gfn.v - slot->base_gfn.v) << PAGE_SHIFT));
}

static inline bool kvm_slot_can_be_private(const struct kvm_memory_slot *slot)
{
	return slot && (slot->flags & KVM_MEM_GUEST_MEMFD);
}

/* Its guest_memfd can be mapped: it has the shared pages, too. */
static inline bool kvm_slot_is_gmem_only(const struct kvm_memory_slot *slot)
{
	return slot && (slot->flags & KVM_MEMSLOT_GMEM_ONLY);
}

static inline bool kvm_slot_is_dirty_logged(const struct kvm_memory_slot *slot)
{
	return slot && (slot->flags & KVM_MEM_LOG_DIRTY_PAGES);
}

/*
 * Look-ups.  SRCU or slots_lock held; the slot lives as long.  NULL: none.
 * Slots that are being deleted or moved are found, with KVM_MEMSLOT_INVALID.
 */
struct kvm_memory_slot *kvm_gfn_to_memslot(struct kvm *kvm, unsigned as_id, gfn_t gfn);
/* The same for address space 0 with the vCPU's own hint.  vcpu->mutex held. */
struct kvm_memory_slot *kvm_vcpu_gfn_to_memslot(struct kvm_vcpu *vcpu, gfn_t gfn);
struct kvm_memory_slot *kvm_id_to_memslot(struct kvm *kvm, unsigned as_id, unsigned id);

/* Of the current set; KVM_GENERATION_IN_PROGRESS while it is being replaced. */
uint64_t kvm_memslots_generation(struct kvm *kvm, unsigned as_id);
/* Tests only: as if there had been so many changes. */
void kvm_memslots_set_generation(struct kvm *kvm, unsigned as_id, uint64_t generation);

/*
 * Slots that overlap [start, end), in order of gfn, or of host address:
 *	for (s = kvm_memslot_first(...); s; s = kvm_memslot_next(it)) ...
 */
struct kvm_memslot_iter {
	struct range_node	*node;
	uint64_t		 start, end;
	unsigned		 copy;
	bool			 by_hva;
};
struct kvm_memory_slot *kvm_memslot_first(struct kvm_memslot_iter *it, struct kvm *kvm,
					  unsigned as_id, gfn_t start, gfn_t end);
struct kvm_memory_slot *kvm_memslot_first_hva(struct kvm_memslot_iter *it, struct kvm *kvm,
					      unsigned as_id, hva_t start, hva_t end);
struct kvm_memory_slot *kvm_memslot_next(struct kvm_memslot_iter *it);

#define kvm_for_each_memslot_in_gfn_range(slot, it, kvm, as_id, start, end)		\
	for ((slot) = kvm_memslot_first(it, kvm, as_id, start, end); (slot);		\
	     (slot) = kvm_memslot_next(it))
#define kvm_for_each_memslot_in_hva_range(slot, it, kvm, as_id, start, end)		\
	for ((slot) = kvm_memslot_first_hva(it, kvm, as_id, start, end); (slot);	\
	     (slot) = kvm_memslot_next(it))

/*
 * An update, slots_lock held: change the inactive copy, swap, do the same to
 * the copy that has become inactive.
 *
 *	kvm_memslots_reserve(id)		the only step that can fail
 *	kvm_memslots_replace(old, new)		NULL: nothing before / after
 *	gen = kvm_memslots_publish()		now readers see it; waits for those
 *						who may still use the other copy
 *	... entries of generation gen go ...
 *	kvm_memslots_settle(gen)		ends KVM_GENERATION_IN_PROGRESS
 *	kvm_memslots_replace(old, new)
 *	free @old
 */
MUST_CHECK int kvm_memslots_reserve(struct kvm *kvm, unsigned as_id, unsigned id);
void kvm_memslots_replace(struct kvm *kvm, unsigned as_id, struct kvm_memory_slot *old,
			  struct kvm_memory_slot *new);
MUST_CHECK uint64_t kvm_memslots_publish(struct kvm *kvm, unsigned as_id);
void kvm_memslots_settle(struct kvm *kvm, unsigned as_id, uint64_t generation);

/*
 * No set of slots of any address space is published between the two; publish
 * waits.  They nest, across threads too.  Any thread, no lock needed.
 */
void kvm_memslots_block(struct kvm *kvm);
void kvm_memslots_unblock(struct kvm *kvm);

/* Nobody reads any more: takes @slot out of both copies at once. */
void kvm_memslots_forget(struct kvm *kvm, struct kvm_memory_slot *slot);

/* For kvm_core_init; fini wants both copies empty. */
MUST_CHECK int kvm_memslots_create(struct kvm *kvm);
void kvm_memslots_destroy(struct kvm *kvm);

/* A page of @slot was written: sets its bit, if it is logged.  Any thread. */
void kvm_mark_page_dirty_in_slot(struct kvm_memory_slot *slot, gfn_t gfn);
