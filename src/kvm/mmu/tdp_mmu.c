/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/mmu/tdp_mmu.h"

#include <errno.h>

#include "base/log.h"
#include "hw/insn/phys.h"
#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "trace/counters.h"

#define ENTRIES		512u

static void handle_changed_spte(struct kvm *kvm, gfn_t gfn, spte_t old, spte_t new, uint8_t level,
				bool shared);

/* A frozen entry has an owner, who will write once more. */
static spte_t freeze_shared(struct hw *hw, hpa_t sptep)
{
	spte_t old;

	for (;;) {
		old.v = phys_xchg64(hw, sptep, SPTE_FROZEN.v);
		if (!spte_is_frozen(old))
			return old;
		sync_relax();
	}
}

/* The write lock is held: nobody but hardware writes, and it only to what is present. */
static spte_t freeze_present(struct hw *hw, hpa_t sptep)
{
	spte_t old = { .v = phys_load64(hw, sptep) };

	if (spte_is_present(old))
		old.v = phys_xchg64(hw, sptep, SPTE_FROZEN.v);
	return old;
}

/*
 * The table at @spt is not linked any more.  Its entries still go one by one:
 * somebody may be about to write one of them (shared), and below each may
 * hang another table.
 */
static void handle_removed_table(struct kvm *kvm, hpa_t spt, bool shared)
{
	struct hw *hw = kvm->module->hw;
	struct kvm_mmu_page *sp = spt_of(kvm->module, spt);
	bool mirror = spt_is_mirror(sp);
	uint8_t level = spt_level(sp);

	BUG_ON(mirror && shared);
	TRACE(kvm->module->trace, kvm_mmu_prepare_zap_page, sp->gfn.v, level, 0);
	for (unsigned i = 0; i < ENTRIES; i++) {
		hpa_t sptep;
		gfn_t gfn;
		spte_t old;

		if (!shared)
			i += phys_skip64(hw, HPA(spt.v + i * sizeof(uint64_t)), SPTE_NONPRESENT.v,
					 ENTRIES - i);
		if (i == ENTRIES)
			break;
		sptep = HPA(spt.v + i * sizeof(uint64_t));
		gfn = GFN(sp->gfn.v + i * PG_LEVEL_PAGES(level));
		old = shared ? freeze_shared(hw, sptep) : freeze_present(hw, sptep);
		if (!shared && !spte_is_present(old))
			continue;
		handle_changed_spte(kvm, gfn, old, SPTE_FROZEN, level, shared);
		if (mirror && spte_is_present_leaf(old, level))
			mirror_leaf_removed(kvm, gfn, level, old);
	}
	if (mirror)
		mirror_table_removed(kvm, sp);
	nx_forget_split(kvm, sp);
	atomic64_sub(&kvm->mmu.nr_pages, 1);
	spt_free_rcu(sp);
}

static void check_change(struct kvm *kvm, gfn_t gfn, spte_t old, spte_t new, uint8_t level)
{
	const struct spte_layout *l = kvm->module->spte;

	BUG_ON(!IS_ALIGNED(gfn.v, PG_LEVEL_PAGES(level)));
	if (spte_is_present_leaf(old, level) && spte_is_present_leaf(new, level) &&
	    spte_address(l, old).v != spte_address(l, new).v)
		panic("gfn %#llx: a present entry changes its page without a zap",
		      (unsigned long long)gfn.v);
	if (!spte_is_present(old) && !spte_is_present(new) && old.v != SPTE_NONPRESENT.v &&
	    !spte_is_mmio(kvm, old) && !spte_is_frozen(old))
		panic("gfn %#llx: unknown entry %#llx", (unsigned long long)gfn.v,
		      (unsigned long long)old.v);
}

static void account(struct kvm *kvm, uint8_t level, bool was_leaf, bool is_leaf)
{
	if (was_leaf == is_leaf)
		return;
	counter_add(kvm->module->counters,
		    is_leaf ? COUNTER_SPTES_INSTALLED : COUNTER_SPTES_ZAPPED, 1);
	kvm_stat_pages(kvm, level, is_leaf ? 1 : -1ull);
	if (level > PG_LEVEL_4K && is_leaf)
		atomic64_add(&kvm->mmu.huge_pages[level], 1);
	else if (level > PG_LEVEL_4K)
		atomic64_sub(&kvm->mmu.huge_pages[level], 1);
}

/* The entry is written; now what hung on the old one follows. */
static void handle_changed_spte(struct kvm *kvm, gfn_t gfn, spte_t old, spte_t new, uint8_t level,
				bool shared)
{
	bool was_leaf = spte_is_present_leaf(old, level);
	bool is_leaf = spte_is_present_leaf(new, level);

	if (old.v == new.v)
		return;
	TRACE(kvm->module->trace, kvm_tdp_mmu_spte_changed, 0, gfn.v, level, old.v, new.v);
	check_change(kvm, gfn, old, new, level);
	account(kvm, level, was_leaf, is_leaf);
	if (spte_is_present(old) && !was_leaf && (is_leaf || !spte_is_present(new)))
		handle_removed_table(kvm, spte_address(kvm->module->spte, old), shared);
}

static int set_spte_atomic(struct kvm *kvm, struct tdp_iter *it, spte_t new)
{
	BUG_ON(it->yielded || spte_is_frozen(it->old));
	if (spt_is_mirror(it->root))
		return mirror_set_spte_atomic(kvm, it, new);
	return phys_cas64(it->hw, it->sptep, &it->old.v, new.v) ? 0 : -EBUSY;
}

int tdp_mmu_set_spte_atomic(struct kvm *kvm, struct tdp_iter *it, spte_t new)
{
	spte_t old = it->old;
	int r = set_spte_atomic(kvm, it, new);

	if (!r)
		handle_changed_spte(kvm, it->gfn, old, new, it->level, true);
	return r;
}

int tdp_mmu_zap_spte_atomic(struct kvm *kvm, struct tdp_iter *it)
{
	spte_t old = it->old;
	int r = set_spte_atomic(kvm, it, SPTE_FROZEN);

	if (r)
		return r;
	SYNC_POINT(zap_after_freeze);
	/* Nobody can install anything here before the old one is forgotten. */
	kvm_flush_remote_tlbs(kvm);
	phys_store64(it->hw, it->sptep, SPTE_NONPRESENT.v);
	handle_changed_spte(kvm, it->gfn, old, SPTE_NONPRESENT, it->level, true);
	return 0;
}

void tdp_mmu_set_spte(struct kvm *kvm, struct tdp_iter *it, spte_t new)
{
	bool mirror = spt_is_mirror(it->root);

	lock_assert_held_write(&kvm->mmu_lock);
	BUG_ON(it->yielded || spte_is_frozen(new));
	/* What is added to a mirror must be able to fail. */
	BUG_ON(mirror && spte_is_present(new));
	it->old.v = phys_xchg64(it->hw, it->sptep, new.v);
	BUG_ON(spte_is_frozen(it->old));
	handle_changed_spte(kvm, it->gfn, it->old, new, it->level, false);
	if (mirror && spte_is_present_leaf(it->old, it->level))
		mirror_leaf_removed(kvm, it->gfn, it->level, it->old);
}

/* ---- faults ---- */

static int link_table(struct kvm *kvm, struct tdp_iter *it, struct kvm_mmu_page *sp)
{
	int r;

	sp->gfn = it->gfn;
	sp->ptep = it->sptep;
	atomic32_store_release(&sp->role, spt_child_role(it->root, it->level));
	TRACE(kvm->module->trace, kvm_mmu_get_page, sp->gfn.v, it->level - 1, 0, true);
	r = tdp_mmu_set_spte_atomic(kvm, it, spte_make_nonleaf(it->layout, sp->spt));
	if (!r)
		atomic64_add(&kvm->mmu.nr_pages, 1);
	return r;
}

/* The same translations in a table of smaller ones: no flush is owed. */
static int split_huge_page(struct kvm *kvm, struct tdp_iter *it, struct kvm_mmu_page *sp)
{
	spte_t huge = it->old;
	int r;

	for (unsigned i = 0; i < ENTRIES; i++)
		phys_store64(it->hw, HPA(sp->spt.v + i * sizeof(uint64_t)),
			     spte_make_split_child(it->layout, huge, it->level, i).v);
	r = link_table(kvm, it, sp);
	TRACE(kvm->module->trace, kvm_mmu_split_huge_page, it->gfn.v, huge.v, it->level,
	      (uint64_t)(int64_t)r);
	if (r) {	/* it goes back to the spare ones, which are empty */
		phys_fill64(it->hw, sp->spt, SPTE_NONPRESENT.v, ENTRIES);
		return r;
	}
	counter_add(kvm->module->counters, COUNTER_SPTES_INSTALLED, 512);
	kvm_stat_pages(kvm, it->level - 1, 512);
	if (it->level - 1 > PG_LEVEL_4K)
		atomic64_add(&kvm->mmu.huge_pages[it->level - 1], 512);
	return 0;
}

/* Makes sure that a table hangs on the entry we are at. */
static int descend(struct kvm_vcpu *vcpu, const struct kvm_page_fault *fault, struct tdp_iter *it)
{
	struct kvm_mmu_page *sp;
	int r;

	if (spte_is_present(it->old) && !spte_is_leaf(it->old, it->level))
		return 0;
	sp = spt_cache_take(vcpu, spt_is_mirror(it->root));
	atomic32_store_relaxed(&sp->nx_disallowed, fault->huge_disallowed);
	if (spte_is_present(it->old))
		r = split_huge_page(vcpu->kvm, it, sp);
	else
		r = link_table(vcpu->kvm, it, sp);
	if (r)
		spt_cache_give_back(vcpu, sp);
	else if (fault->huge_disallowed && fault->req_level >= it->level)
		nx_note_split(vcpu->kvm, sp);
	return r;
}

static int map_mmio(struct kvm_vcpu *vcpu, struct tdp_iter *it)
{
	struct kvm *kvm = vcpu->kvm;
	spte_t new = spte_make_mmio(kvm, it->gfn, kvm_memslots_generation(kvm, 0));

	if (new.v != it->old.v && tdp_mmu_set_spte_atomic(kvm, it, new))
		return RET_PF_RETRY;
	KVM_VCPU_COUNT(vcpu, pf_mmio_spte_created);
	TRACE(kvm->module->trace, mark_mmio_spte, it->sptep.v, it->gfn.v, new.v & 7,
	      spte_mmio_generation(new));
	return RET_PF_EMULATE;
}

static void trace_set_spte(const struct kvm *kvm, const struct tdp_iter *it, spte_t new)
{
	TRACE(kvm->module->trace, kvm_mmu_set_spte, it->gfn.v, new.v, true, spte_is_writable(new),
	      it->layout->x ? new.v & it->layout->x : !(new.v & it->layout->nx),
	      it->layout->is_ept ? -1ull : !!(new.v & it->layout->user), it->level, it->sptep.v);
}

static int map_target(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault, struct tdp_iter *it)
{
	struct kvm *kvm = vcpu->kvm;
	struct spte_leaf leaf = {
		.page = HPA(fault->page.v & PG_LEVEL_MASK(it->level)),
		.level = it->level,
		.writable = fault->map_writable,
		.prefetch = fault->prefetch,
		.nx = fault->nx_workaround && it->level > PG_LEVEL_4K,
	};
	spte_t old = it->old, new;

	if (!fault->slot)
		return map_mmio(vcpu, it);
	if (spte_is_present_leaf(old, it->level) &&
	    (fault->prefetch || spte_allows(it->layout, old, fault->write, fault->exec)))
		return RET_PF_SPURIOUS;
	new = spte_make_leaf(it->layout, &leaf);
	if (new.v == old.v)
		return RET_PF_SPURIOUS;
	if (spte_is_present_leaf(old, it->level) &&
	    spte_address(it->layout, old).v != leaf.page.v) {
		kvm_vm_bugged(kvm, "a mapped page moved without an invalidation");
		return RET_PF_RETRY;
	}
	SYNC_POINT(fault_before_cmpxchg);
	if (tdp_mmu_set_spte_atomic(kvm, it, new))
		return RET_PF_RETRY;
	if (spte_is_present(old) && !spte_is_leaf(old, it->level))
		kvm_flush_remote_tlbs(kvm);	/* inside RCU: before the table is freed */
	trace_set_spte(kvm, it, new);
	if (spte_is_writable(new))
		kvm_mark_page_dirty_in_slot(fault->slot, it->gfn);
	return RET_PF_FIXED;
}

/* What a mirror has stays as it is: neither split nor merged by a fault. */
static uint8_t mirror_goal_level(const struct tdp_iter *it, uint8_t goal)
{
	if (!spte_is_present(it->old))
		return goal;
	if (spte_is_leaf(it->old, it->level))
		return it->level;
	return MIN(goal, it->level - 1);
}

int tdp_mmu_map(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	const struct kvm_mmu_page *root = tdp_mmu_fault_root(vcpu, fault);
	struct kvm *kvm = vcpu->kvm;
	struct tdp_iter it;
	int r = RET_PF_RETRY;

	nx_choose_level(kvm, fault);
	TRACE(kvm->module->trace, kvm_mmu_spte_requested, fault->gfn.v, fault->page.v >> PAGE_SHIFT,
	      fault->goal_level);
	rcu_read_lock();
	for_each_tdp_pte(it, kvm, root, fault->gfn, GFN(fault->gfn.v + 1)) {
		if (spte_is_frozen(it.old))
			break;
		nx_keep_split(kvm, fault, &it);
		if (spt_is_mirror(root))
			fault->goal_level = mirror_goal_level(&it, fault->goal_level);
		if (it.level == fault->goal_level) {
			r = map_target(vcpu, fault, &it);
			break;
		}
		if (descend(vcpu, fault, &it))
			break;
	}
	rcu_read_unlock();
	return r;
}
