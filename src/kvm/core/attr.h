/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * attr.h - which guest frames are private (spec kvm.md 5).
 *
 * A radix tree with the page table's geometry.  A subtree in which all frames
 * agree is one word; where they differ inside 2 MiB there is a bitmap; both
 * vanish again when a range turns uniform.  Memslots do not matter.
 *
 * Readers: any thread, no lock (RCU inside).  Writers: slots_lock.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/core/kvm.h"

MUST_CHECK int kvm_attributes_create(struct kvm *kvm);
void kvm_attributes_destroy(struct kvm *kvm);	/* nobody reads any more */

/* 0 or KVM_MEMORY_ATTRIBUTE_PRIVATE. */
uint64_t kvm_get_memory_attributes(struct kvm *kvm, gfn_t gfn);
bool kvm_mem_is_private(struct kvm *kvm, gfn_t gfn);

/* Do all frames of [start, end), not empty, have (attributes & mask) == attrs? */
bool kvm_range_has_memory_attributes(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t mask,
				     uint64_t attrs);

/*
 * slots_lock held.  prepare gets whatever the store of the same range and
 * value will need (-ENOMEM: nothing has changed); the store cannot fail.
 */
MUST_CHECK int kvm_attributes_prepare(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t attrs);
void kvm_attributes_store(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t attrs);

/* Bytes of tree alive, without the spare ones.  slots_lock held. */
size_t kvm_attributes_size(struct kvm *kvm);
