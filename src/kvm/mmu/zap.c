/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/tdp_mmu.h"

bool tdp_mmu_zap_leaves(struct kvm *kvm, struct kvm_mmu_page *root, gfn_t start, gfn_t end,
			bool flush)
{
	struct tdp_iter it;

	lock_assert_held_write(&kvm->mmu_lock);
	end.v = MIN(end.v, kvm_mmu_max_gfn(kvm->module).v);
	rcu_read_lock();
	for_each_tdp_pte_not_empty(it, kvm, root, PG_LEVEL_4K, start, end) {
		if (tdp_iter_yield(kvm, &it, flush, false)) {
			flush = false;
			continue;
		}
		if (!spte_is_present_leaf(it.old, it.level))
			continue;
		tdp_mmu_set_spte(kvm, &it, SPTE_NONPRESENT);
		/* Nobody enters with an invalid root, and all have left. */
		if (!spt_is_invalid(root))
			flush = true;
	}
	rcu_read_unlock();
	return flush;
}

/* Every entry at @level and above that is present, however much hangs on it. */
static void zap_root_at(struct kvm *kvm, struct kvm_mmu_page *root, bool shared, uint8_t level)
{
	gfn_t end = GFN(1ull << (PG_LEVEL_SHIFT(spt_level(root) + 1) - PAGE_SHIFT));
	struct tdp_iter it;

	for_each_tdp_pte_not_empty(it, kvm, root, level, GFN(0), end) {
		do {
			if (tdp_iter_yield(kvm, &it, false, shared))
				break;
			if (!spte_is_present(it.old) || it.level > level)
				break;
			if (!shared) {
				tdp_mmu_set_spte(kvm, &it, SPTE_NONPRESENT);
				break;
			}
		} while (tdp_mmu_set_spte_atomic(kvm, &it, SPTE_NONPRESENT));
	}
}

/*
 * From the bottom up, so that no single step has to take a giant subtree
 * apart without a chance to yield.
 */
void tdp_mmu_zap_root(struct kvm *kvm, struct kvm_mmu_page *root, bool shared)
{
	rcu_read_lock();
	for (uint8_t level = PG_LEVEL_4K; level < PG_LEVEL_512G; level++)
		zap_root_at(kvm, root, shared, level);
	zap_root_at(kvm, root, shared, spt_level(root));
	rcu_read_unlock();
}

unsigned tdp_mmu_filter_to_roots(const struct kvm *kvm, unsigned filter)
{
	unsigned types = 0;

	if (!kvm->ops->has_mirror)
		return TDP_DIRECT_ROOTS;
	if (filter & KVM_FILTER_SHARED)
		types |= TDP_DIRECT_ROOTS;
	if (filter & KVM_FILTER_PRIVATE)
		types |= TDP_MIRROR_ROOTS;
	return types;
}

bool kvm_mmu_unmap_range(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t start, gfn_t end,
			 unsigned filter, bool flush)
{
	unsigned types = tdp_mmu_filter_to_roots(kvm, filter) | TDP_INVALID_ROOTS;
	struct kvm_mmu_page *root;

	/* Invalid ones too: who zaps them may not have come that far. */
	for_each_tdp_mmu_root(root, kvm, slot->as_id, types)
		flush = tdp_mmu_zap_leaves(kvm, root, start, end, flush);
	return flush;
}

void kvm_mmu_zap_gfn_range(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_mmu_page *root;
	bool flush = false;

	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_begin(kvm);
	kvm_mmu_invalidate_range_add(kvm, start, end);
	for_each_tdp_mmu_root(root, kvm, -1, TDP_VALID_ROOTS | TDP_INVALID_ROOTS)
		flush = tdp_mmu_zap_leaves(kvm, root, start, end, flush);
	if (flush)
		kvm_flush_remote_tlbs(kvm);
	kvm_mmu_invalidate_end(kvm);
	write_unlock(&kvm->mmu_lock);
}

static void zap_slot(struct kvm *kvm, struct kvm_memory_slot *slot, unsigned filter)
{
	write_lock(&kvm->mmu_lock);
	if (kvm_mmu_unmap_range(kvm, slot, slot->base_gfn, kvm_slot_end(slot), filter, false))
		kvm_flush_remote_tlbs(kvm);
	write_unlock(&kvm->mmu_lock);
}

void kvm_mmu_flush_memslot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	uint64_t quirks = sync_word_load(&kvm->disabled_quirks);

	if (kvm->ops->zap_all_on_slot_change && !(quirks & KVM_X86_QUIRK_SLOT_ZAP_ALL))
		kvm_mmu_zap_all_fast(kvm);
	else
		zap_slot(kvm, slot, KVM_FILTER_SHARED | KVM_FILTER_PRIVATE);
}

void kvm_mmu_slot_flags_changed(struct kvm *kvm, struct kvm_memory_slot *slot, uint32_t old_flags)
{
	/* From now on every first write must be seen, and 4K at a time.  Mirrors are not logged. */
	if (kvm_slot_is_dirty_logged(slot) && !(old_flags & KVM_MEM_LOG_DIRTY_PAGES))
		zap_slot(kvm, slot, KVM_FILTER_SHARED);
}
