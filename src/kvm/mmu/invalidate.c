/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The bracket.  A fault takes a snapshot of seq, looks at attributes, slot and
 * host, and installs only if seq is the same and nobody is at work on its gfn.
 * Spec kvm.md 2.7.
 */
#include "kvm/core/attr.h"
#include "kvm/mmu/tdp_mmu.h"

void kvm_mmu_invalidate_begin(struct kvm *kvm)
{
	struct kvm_invalidation *inv = &kvm->inv;
	uint64_t n = atomic64_load_relaxed(&inv->in_progress);

	lock_assert_held_write(&kvm->mmu_lock);
	if (!n) {
		atomic64_store_relaxed(&inv->start, ~0ull);
		atomic64_store_relaxed(&inv->end, 0);
	}
	atomic64_store(&inv->in_progress, n + 1);
}

void kvm_mmu_invalidate_range_add(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_invalidation *inv = &kvm->inv;

	lock_assert_held_write(&kvm->mmu_lock);
	if (start.v < atomic64_load_relaxed(&inv->start))
		atomic64_store_relaxed(&inv->start, start.v);
	if (end.v > atomic64_load_relaxed(&inv->end))
		atomic64_store_relaxed(&inv->end, end.v);
}

void kvm_mmu_invalidate_end(struct kvm *kvm)
{
	struct kvm_invalidation *inv = &kvm->inv;
	uint64_t n = atomic64_load_relaxed(&inv->in_progress);

	lock_assert_held_write(&kvm->mmu_lock);
	if (!n) {
		kvm_vm_bugged(kvm, "an invalidation ends that has not begun");
		return;
	}
	/* seq first: who sees no invalidation in progress sees that one was. */
	atomic64_store(&inv->seq, atomic64_load_relaxed(&inv->seq) + 1);
	atomic64_store(&inv->in_progress, n - 1);
}

uint64_t kvm_mmu_invalidate_snapshot(const struct kvm *kvm)
{
	return atomic64_load_acquire(&kvm->inv.seq);
}

bool invalidate_touches(struct kvm *kvm, gfn_t from, gfn_t to)
{
	const struct kvm_invalidation *inv = &kvm->inv;
	uint64_t start, end;

	if (likely(!atomic64_load_acquire(&inv->in_progress)))
		return false;
	start = atomic64_load_relaxed(&inv->start);
	end = atomic64_load_relaxed(&inv->end);
	/* Begun, but where is not said yet: anywhere. */
	return start >= end || (to.v > start && from.v < end);
}

bool invalidate_must_retry(struct kvm *kvm, uint64_t seq, gfn_t gfn)
{
	return invalidate_touches(kvm, gfn, GFN(gfn.v + 1)) ||
	       atomic64_load_acquire(&kvm->inv.seq) != seq;
}

bool kvm_mmu_fault_may_be_stale(struct kvm *kvm, const struct kvm_page_fault *fault)
{
	return invalidate_must_retry(kvm, fault->mmu_seq, fault->gfn);
}
