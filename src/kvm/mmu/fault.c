/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The two ways to repair a fault: in place without a lock, or by the map. */
#include "hw/insn/phys.h"
#include "kvm/core/attr.h"
#include "kvm/mmu/tdp_mmu.h"

/* After so many lost races the slow path decides. */
#define FAST_TRIES	5

/* mmu_lock read: what was looked up without it still holds. */
static bool is_stale(struct kvm_vcpu *vcpu, const struct kvm_page_fault *fault)
{
	const struct kvm_mmu_page *root = tdp_mmu_fault_root(vcpu, fault);

	if (!root || spt_is_invalid(root))
		return true;
	/* Without a slot there is nothing to invalidate; generations guard MMIO. */
	return fault->slot && invalidate_must_retry(vcpu->kvm, fault->mmu_seq, fault->gfn);
}

int kvm_mmu_map(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	struct kvm *kvm = vcpu->kvm;
	int r = spt_cache_fill(vcpu, !kvm_addr_is_direct(kvm, fault->addr));

	if (r)
		return r;
	SYNC_POINT(fault_before_lock);
	r = RET_PF_RETRY;
	read_lock(&kvm->mmu_lock);
	if (!is_stale(vcpu, fault))
		r = tdp_mmu_map(vcpu, fault);
	read_unlock(&kvm->mmu_lock);
	return r;
}

/* The lowest entry on the way to @gfn.  RCU. */
static void walk_to_last(struct kvm_vcpu *vcpu, gfn_t gfn, struct tdp_iter *last)
{
	struct tdp_iter it;

	*last = (struct tdp_iter){ .level = PG_LEVEL_4K };	/* nothing is there */
	for_each_tdp_pte(it, vcpu->kvm, vcpu->mmu.root_sp, gfn, GFN(gfn.v + 1))
		*last = it;
}

static bool is_fast(struct kvm_vcpu *vcpu, const struct kvm_page_fault *fault)
{
	struct kvm *kvm = vcpu->kvm;

	if (fault->rsvd || !fault->present || !fault->write || !vcpu->mmu.root_sp)
		return false;
	/* Mirrors: a present entry never changes, and nobody walks them without the lock. */
	if (!kvm_addr_is_direct(kvm, fault->addr))
		return false;
	/* A private access to a shared page, or the reverse, is not ours to repair. */
	return !kvm->has_private_mem || fault->is_private == kvm_mem_is_private(kvm, fault->gfn);
}

static void trace_fast(const struct kvm_vcpu *vcpu, const struct kvm_page_fault *fault,
		       const struct tdp_iter *it, enum ret_pf r)
{
	TRACE(vcpu->kvm->module->trace, fast_page_fault, vcpu->id, fault->addr.v, fault->error_code,
	      it->sptep.v, it->old.v, phys_load64(it->hw, it->sptep), r == RET_PF_SPURIOUS,
	      r == RET_PF_FIXED);
}

static enum ret_pf try_fast(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault, bool *again)
{
	const struct spte_layout *l = vcpu->kvm->module->spte;
	struct tdp_iter it;
	uint64_t old;

	*again = false;
	walk_to_last(vcpu, fault->gfn, &it);
	if (!spte_is_present_leaf(it.old, it.level))
		return RET_PF_INVALID;
	if (spte_allows(l, it.old, fault->write, fault->exec)) {
		trace_fast(vcpu, fault, &it, RET_PF_SPURIOUS);
		return RET_PF_SPURIOUS;
	}
	if (!spte_can_be_made_writable(l, it.old))
		return RET_PF_INVALID;
	/* The log knows single pages only. */
	if (it.level > PG_LEVEL_4K && kvm_slot_is_dirty_logged(fault->slot))
		return RET_PF_INVALID;
	old = it.old.v;
	if (!phys_cas64(it.hw, it.sptep, &old,
			it.old.v | SPTE_WRITABLE | l->accessed | l->dirty)) {
		*again = true;
		return RET_PF_INVALID;
	}
	if (fault->slot)
		kvm_mark_page_dirty_in_slot(fault->slot, fault->gfn);
	trace_fast(vcpu, fault, &it, RET_PF_FIXED);
	return RET_PF_FIXED;
}

enum ret_pf kvm_mmu_fast_page_fault(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	enum ret_pf r = RET_PF_INVALID;
	bool again = true;

	if (!is_fast(vcpu, fault))
		return RET_PF_INVALID;
	rcu_read_lock();
	for (int i = 0; again && i < FAST_TRIES; i++)
		r = try_fast(vcpu, fault, &again);
	rcu_read_unlock();
	if (r != RET_PF_INVALID)
		KVM_VCPU_COUNT(vcpu, pf_fast);
	return r;
}

int kvm_mmu_handle_mmio_fault(struct kvm_vcpu *vcpu, gpa_t addr)
{
	gfn_t gfn = GFN(gpa_to_gfn(addr).v & ~vcpu->kvm->mmu.direct_bits);
	struct tdp_iter it;

	if (kvm_mmu_is_cached_mmio(vcpu, gfn))
		return RET_PF_EMULATE;
	if (!vcpu->mmu.root_sp)
		return RET_PF_RETRY;
	rcu_read_lock();
	walk_to_last(vcpu, gfn, &it);
	rcu_read_unlock();
	if (!spte_is_mmio(vcpu->kvm, it.old))
		return RET_PF_RETRY;	/* somebody has zapped it */
	TRACE(vcpu->kvm->module->trace, check_mmio_spte, it.old.v,
	      kvm_memslots_generation(vcpu->kvm, 0) & SPTE_MMIO_GEN_MASK,
	      spte_mmio_generation(it.old), mmio_generation_is_current(vcpu->kvm, it.old));
	if (!mmio_generation_is_current(vcpu->kvm, it.old))
		return RET_PF_INVALID;	/* the slow path decides anew */
	TRACE(vcpu->kvm->module->trace, handle_mmio_page_fault, addr.v, gfn.v, it.old.v & 7);
	kvm_mmu_cache_mmio(vcpu, gfn, kvm_memslots_generation(vcpu->kvm, 0));
	return RET_PF_EMULATE;
}
