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

#include "kvm/core/kvm.h"

#define KVM_MEMSLOT_INVALID	(1u << 16)	/* being deleted or moved */

struct gmem_file;
struct kvm_lpage_info;			/* kvm/mmu/lpage.h */

struct kvm_memory_slot {
	gfn_t		base_gfn;
	uint64_t	npages;
	hva_t		userspace_addr;
	uint32_t	flags;		/* KVM_MEM_*, KVM_MEMSLOT_INVALID */
	uint16_t	id, as_id;
	struct kvm_lpage_info *lpage[2];/* 2M, 1G; owned by kvm/mmu */
	uint64_t	*dirty_bitmap;
	struct {
		struct gmem_file *_Atomic file;	/* weak: see kvm/gmem */
		uint64_t	 pgoff;
	} gmem;
	struct kvm_memslot_nodes *nodes;/* memslot.c's own */
};

#define KVM_GENERATION_IN_PROGRESS	BIT(63)

/* The rest is in the same header once kvm/core has landed: look-up by gfn, by
 * id and by hva range, generation, and the steps of an update. */
