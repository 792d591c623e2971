/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * nx_huge.c - the parameter nx_huge_pages: what is huge is not executable, for
 * processors on which a guest could stop the machine by changing the size of a
 * page that it executes (the iTLB multihit erratum).
 *
 * An execution gets 4K; the tables that only it wanted are listed, and a worker
 * takes some of them away from time to time, for the code may be gone.
 */
#include <errno.h>

#include "hw/insn/phys.h"
#include "kvm/core/request.h"
#include "kvm/mmu/tdp_mmu.h"
#include "os/clock.h"
#include "sync/wait.h"

static bool is_enabled(const struct kvm *kvm)
{
	return kvm->module->params.nx_huge_pages && !kvm->caps.nx_huge_pages_off;
}

void nx_choose_level(struct kvm *kvm, struct kvm_page_fault *fault)
{
	fault->nx_workaround = is_enabled(kvm);
	fault->huge_disallowed = fault->nx_workaround && fault->exec;
	fault->req_level = lpage_max_level(kvm, fault);
	fault->goal_level = fault->huge_disallowed ? PG_LEVEL_4K : fault->req_level;
}

void nx_keep_split(struct kvm *kvm, struct kvm_page_fault *fault, const struct tdp_iter *it)
{
	if (!fault->nx_workaround || it->level == PG_LEVEL_4K || it->level != fault->goal_level ||
	    !spte_is_present(it->old) || spte_is_leaf(it->old, it->level))
		return;
	if (atomic32_load_acquire(&spt_of(kvm->module,
					  spte_address(it->layout, it->old))->nx_disallowed))
		fault->goal_level--;
}

void nx_note_split(struct kvm *kvm, struct kvm_mmu_page *sp)
{
	spin_lock(&kvm->mmu.pages_lock);
	/* Linked, so somebody may have unlinked it already. */
	if (atomic32_load_relaxed(&sp->nx_disallowed) && !sp->nx_link.next) {
		list_add_tail(&kvm->mmu.nx_splits, &sp->nx_link);
		atomic64_add(&kvm->mmu.nr_nx_splits, 1);
	}
	spin_unlock(&kvm->mmu.pages_lock);
}

void nx_forget_split(struct kvm *kvm, struct kvm_mmu_page *sp)
{
	if (likely(!kvm->module->params.nx_huge_pages))
		return;
	spin_lock(&kvm->mmu.pages_lock);
	atomic32_store_release(&sp->nx_disallowed, 0);
	if (sp->nx_link.next) {
		list_del(&sp->nx_link);
		sp->nx_link.next = NULL;
		atomic64_sub(&kvm->mmu.nr_nx_splits, 1);
	}
	spin_unlock(&kvm->mmu.pages_lock);
}

/* -- Recovery -- */

static struct kvm_mmu_page *oldest_split(struct kvm *kvm)
{
	struct kvm_mmu_page *sp = NULL;

	spin_lock(&kvm->mmu.pages_lock);
	if (!list_is_empty(&kvm->mmu.nx_splits))
		sp = list_entry(kvm->mmu.nx_splits.next, struct kvm_mmu_page, nx_link);
	spin_unlock(&kvm->mmu.pages_lock);
	return sp;
}

/* mmu_lock write: it stays linked while we look. */
static void zap_table(struct kvm *kvm, struct kvm_mmu_page *sp)
{
	struct tdp_iter it = {
		.root = sp, .hw = sp->module->hw, .layout = sp->module->spte, .sptep = sp->ptep,
		.gfn = sp->gfn, .level = spt_level(sp) + 1,
	};

	it.old.v = phys_load64(it.hw, it.sptep);
	tdp_mmu_set_spte(kvm, &it, SPTE_NONPRESENT);
}

/* What a log watches is 4K anyway: no reason to fault it in anew. */
static bool is_logged(struct kvm *kvm, const struct kvm_mmu_page *sp)
{
	const struct kvm_memory_slot *slot = kvm_gfn_to_memslot(kvm, spt_as_id(sp), sp->gfn);

	return slot && kvm_slot_is_dirty_logged(slot);
}

static void recover(struct kvm *kvm)
{
	uint32_t ratio = kvm->module->params.nx_huge_pages_recovery_ratio;
	uint64_t n = (atomic64_load(&kvm->mmu.nr_nx_splits) + ratio - 1) / ratio;
	int idx = srcu_read_lock(&kvm->srcu);
	struct kvm_mmu_page *sp;
	bool flush = false;

	write_lock(&kvm->mmu_lock);
	rcu_read_lock();
	for (; n && (sp = oldest_split(kvm)); n--) {
		if (is_logged(kvm, sp)) {
			nx_forget_split(kvm, sp);
		} else {
			zap_table(kvm, sp);
			flush = true;
		}
	}
	if (flush)
		kvm_flush_remote_tlbs(kvm);
	rcu_read_unlock();
	write_unlock(&kvm->mmu_lock);
	srcu_read_unlock(&kvm->srcu, idx);
}

static uint64_t period_ns(const struct kvm_params *p)
{
	uint64_t ms = p->nx_huge_pages_recovery_period_ms;

	if (!ms)
		ms = 60 * 60 * 1000 / MIN(p->nx_huge_pages_recovery_ratio, 3600u);
	return ms * 1000000;
}

static void recovery_worker(void *arg)
{
	struct kvm *kvm = arg;
	uint64_t period = period_ns(&kvm->module->params), at = os_monotonic_ns() + period;

	for (;;) {
		uint32_t prepared = waitq_prepare(&kvm->mmu.nx_wake);
		uint64_t now = os_monotonic_ns();

		if (atomic32_load(&kvm->mmu.nx_stop))
			break;
		if (now < at) {
			waitq_sleep(&kvm->mmu.nx_wake, prepared, at - now);
			continue;
		}
		/* There are none where user space has turned it off. */
		if (atomic64_load(&kvm->mmu.nr_nx_splits))
			recover(kvm);
		at = os_monotonic_ns() + period;
	}
	/* The last that we touch of it. */
	atomic32_store(&kvm->mmu.nx_workers, 0);
}

int nx_recovery_init(struct kvm *kvm)
{
	list_init(&kvm->mmu.nx_splits);
	waitq_init(&kvm->mmu.nx_wake);
	return nx_recovery_start(kvm);
}

int nx_recovery_start(struct kvm *kvm)
{
	const struct kvm_params *p = &kvm->module->params;
	int r;

	if (!p->nx_huge_pages || !p->nx_huge_pages_recovery_ratio)
		return 0;
	atomic32_store(&kvm->mmu.nx_workers, 1);
	r = sync_start_worker(recovery_worker, kvm, "kvm-nx-lpage-re");
	if (r)
		atomic32_store(&kvm->mmu.nx_workers, 0);
	return r;
}

void nx_recovery_fini(struct kvm *kvm)
{
	atomic32_store(&kvm->mmu.nx_stop, 1);
	waitq_wake_all(&kvm->mmu.nx_wake);
	while (atomic32_load(&kvm->mmu.nx_workers))
		sync_relax();
}
