/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mmu.h - the two-dimensional-paging MMU as the rest of KVM uses it.
 *
 * Names and order are those of the kernel's TDP MMU (spec kvm.md 4).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/mmu/fault.h"

/* Module load: entry layout of the machine, MMIO mask; sets spte, enable_mmio_caching. */
MUST_CHECK int kvm_mmu_module_init(struct kvm_module *module);
void kvm_mmu_module_fini(struct kvm_module *module);

MUST_CHECK int kvm_mmu_init_vm(struct kvm *kvm);
void kvm_mmu_uninit_vm(struct kvm *kvm);	/* nobody runs any more */
void kvm_mmu_destroy_vcpu(struct kvm_vcpu *vcpu);

/* Gives the vCPU roots if it has none that are current.  0, -ENOMEM. */
MUST_CHECK int kvm_mmu_reload(struct kvm_vcpu *vcpu);
void kvm_mmu_free_obsolete_roots(struct kvm_vcpu *vcpu);

/* fast path: no lock.  RET_PF_FIXED, SPURIOUS or INVALID. */
enum ret_pf kvm_mmu_fast_page_fault(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault);

/*
 * Installs @fault->page (or an MMIO entry) if nothing has changed since
 * fault->mmu_seq was taken: takes mmu_lock for read itself.  RET_PF_*; -ENOMEM.
 */
MUST_CHECK int kvm_mmu_map(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault);

/* Hint without the lock, as kvm_faultin_pfn uses it twice. */
bool kvm_mmu_fault_may_be_stale(struct kvm *kvm, const struct kvm_page_fault *fault);

/* RSVD faults: is the entry that made it a current MMIO entry?  EMULATE, RETRY, INVALID. */
int kvm_mmu_handle_mmio_fault(struct kvm_vcpu *vcpu, gpa_t addr);
void kvm_mmu_cache_mmio(struct kvm_vcpu *vcpu, gfn_t gfn, uint64_t generation);
bool kvm_mmu_is_cached_mmio(struct kvm_vcpu *vcpu, gfn_t gfn);
/* Memslots have a new generation: entries that could come alive again go. */
void kvm_mmu_invalidate_mmio(struct kvm *kvm, uint64_t generation);

/* For fault->mmu_seq, before attributes and slot are looked at. */
uint64_t kvm_mmu_invalidate_snapshot(const struct kvm *kvm);

/* The bracket around everything that takes memory away.  mmu_lock write. */
void kvm_mmu_invalidate_begin(struct kvm *kvm);
void kvm_mmu_invalidate_range_add(struct kvm *kvm, gfn_t start, gfn_t end);
void kvm_mmu_invalidate_end(struct kvm *kvm);

/*
 * Which half of guest memory an operation means.  In a VM with a mirror that
 * names roots: shared the direct ones, private the mirrors (spec kvm.md 4.1).
 * Elsewhere the direct roots have both halves.
 */
enum kvm_gfn_filter { KVM_FILTER_SHARED = 1, KVM_FILTER_PRIVATE = 2 };

/*
 * Zaps the leaves of @slot within [start, end).  mmu_lock write; may let go of
 * it, and has flushed then.  @flush: the caller owes a remote flush for what it
 * zapped since it took the lock.  True when it owes one now.
 */
MUST_CHECK bool kvm_mmu_unmap_range(struct kvm *kvm, struct kvm_memory_slot *slot,
				    gfn_t start, gfn_t end, unsigned filter, bool flush);
/*
 * Takes the lock and zaps all leaves within [start, end), whatever their slot, in a
 * bracket of its own, as the kernel's kvm_zap_gfn_range(): faults under way start over.
 */
void kvm_mmu_zap_gfn_range(struct kvm *kvm, gfn_t start, gfn_t end);
/* Takes the lock, zaps everything of the direct roots, flushes. slots_lock. */
void kvm_mmu_zap_all_fast(struct kvm *kvm);
/* Before a slot goes or moves: zap all or its range, as type and quirk say. */
void kvm_mmu_flush_memslot(struct kvm *kvm, struct kvm_memory_slot *slot);

/* LOG_DIRTY_PAGES was switched: entries that would hide a write go. slots_lock. */
void kvm_mmu_slot_flags_changed(struct kvm *kvm, struct kvm_memory_slot *slot, uint32_t old_flags);

/* Per-slot counters of why a huge page may not be used. */
MUST_CHECK int kvm_mmu_alloc_slot_metadata(struct kvm *kvm, struct kvm_memory_slot *slot);
void kvm_mmu_free_slot_metadata(struct kvm_memory_slot *slot);
/*
 * Before an attribute change: adds [start, end) in @slot to the hull, with the
 * huge pages that stick out, and zaps what goes.  mmu_lock write, begun.
 * @flush and the answer as for kvm_mmu_unmap_range().
 */
MUST_CHECK bool kvm_mmu_pre_set_attributes(struct kvm *kvm, struct kvm_memory_slot *slot,
					   gfn_t start, gfn_t end, uint64_t attrs,
					   bool flush);
/* After an attribute change of [start, end) in @slot.  mmu_lock write. */
void kvm_mmu_update_mixed(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t start, gfn_t end);

/* First gfn that no guest can have (one more than the kernel's function says). */
gfn_t kvm_mmu_max_gfn(const struct kvm_module *module);
