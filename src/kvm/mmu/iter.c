/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/mmu/iter.h"

#include "hw/insn/phys.h"
#include "kvm/core/request.h"

#define ENTRIES		512u

static unsigned index_of(const struct tdp_iter *it)
{
	return ((it->gfn.v | it->gfn_bits) >> (PG_LEVEL_SHIFT(it->level) - PAGE_SHIFT)) % ENTRIES;
}

static void load(struct tdp_iter *it)
{
	it->sptep = HPA(it->path[it->level].v + index_of(it) * sizeof(uint64_t));
	it->old.v = phys_load64(it->hw, it->sptep);
}

static void move_to(struct tdp_iter *it, uint8_t level)
{
	it->level = level;
	it->gfn = GFN(it->next.v & ~(PG_LEVEL_PAGES(level) - 1));
	load(it);
}

void tdp_iter_restart(struct tdp_iter *it)
{
	it->yielded = false;
	it->yielded_at = it->next;
	it->path[spt_level(it->root)] = it->root->spt;
	move_to(it, spt_level(it->root));
	it->valid = true;
}

void tdp_iter_start(struct tdp_iter *it, const struct kvm_mmu_page *root, uint8_t min_level,
		    gfn_t start, uint64_t gfn_bits)
{
	it->root = root;
	it->hw = root->module->hw;
	it->layout = root->module->spte;
	it->min_level = min_level;
	it->skip_empty = false;
	it->next = start;
	it->gfn_bits = gfn_bits;
	tdp_iter_restart(it);
}

/* Reads the entry again: a table may have been linked or unlinked meanwhile. */
static bool step_down(struct tdp_iter *it)
{
	if (it->level == it->min_level)
		return false;
	it->old.v = phys_load64(it->hw, it->sptep);
	if (!spte_is_present(it->old) || spte_is_leaf(it->old, it->level))
		return false;
	it->path[it->level - 1] = spte_address(it->layout, it->old);
	move_to(it, it->level - 1);
	return true;
}

static bool step_side(struct tdp_iter *it)
{
	unsigned i = index_of(it) + 1, n = 0;

	if (it->skip_empty && i < ENTRIES)
		n = phys_skip64(it->hw, HPA(it->sptep.v + sizeof(uint64_t)), SPTE_NONPRESENT.v,
				ENTRIES - i);
	if (i + n == ENTRIES)
		return false;
	it->gfn.v += (1 + n) * PG_LEVEL_PAGES(it->level);
	it->next = it->gfn;
	load(it);
	return true;
}

static bool step_up(struct tdp_iter *it)
{
	if (it->level == spt_level(it->root))
		return false;
	move_to(it, it->level + 1);
	return true;
}

void tdp_iter_next(struct tdp_iter *it)
{
	if (it->yielded) {
		tdp_iter_restart(it);
		return;
	}
	if (step_down(it))
		return;
	do {
		if (step_side(it))
			return;
	} while (step_up(it));
	it->valid = false;
}

/* Whichever side it is, it is held before and after. */
static NO_LOCK_ANALYSIS void relock(struct kvm *kvm, bool shared)
{
	if (shared) {
		read_unlock(&kvm->mmu_lock);
		SYNC_POINT(iter_yield);
		read_lock(&kvm->mmu_lock);
	} else {
		write_unlock(&kvm->mmu_lock);
		SYNC_POINT(iter_yield);
		write_lock(&kvm->mmu_lock);
	}
}

bool tdp_iter_yield(struct kvm *kvm, struct tdp_iter *it, bool flush, bool shared)
{
	/* Without progress since the last one we would never come to an end. */
	if (it->next.v == it->yielded_at.v || !rwlock_is_contended(&kvm->mmu_lock))
		return false;
	if (flush)
		kvm_flush_remote_tlbs(kvm);
	rcu_read_unlock();
	relock(kvm, shared);
	rcu_read_lock();
	it->yielded = true;
	return true;
}
