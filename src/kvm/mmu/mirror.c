/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mirror.c - a table that only the VM type can write, and KVM's image of it.
 *
 * KVM reads the mirror instead of the external table, so whoever sees an entry
 * present in the mirror may rely on the external one: adding goes to the
 * external table first, removing to the mirror first.  Entries are frozen
 * while the external operation runs, for both must change as one; that has
 * nothing to do with the fault being private.  Spec kvm.md 4.3.
 */
#include <errno.h>

#include "base/log.h"
#include "hw/insn/phys.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/tdp_mmu.h"

static int add_external(struct kvm *kvm, const struct tdp_iter *it, spte_t new)
{
	struct kvm_mmu_page *sp;

	if (spte_is_leaf(new, it->level))
		return kvm->ops->set_external_spte(kvm, it->gfn, it->level, new.v);
	sp = spt_of(kvm->module, spte_address(it->layout, new));
	BUG_ON(!hpa_is_valid(sp->external_spt));
	return kvm->ops->link_external_spt(kvm, it->gfn, it->level, sp->external_spt);
}

int mirror_set_spte_atomic(struct kvm *kvm, struct tdp_iter *it, spte_t new)
{
	int r;

	/* Removing needs the write lock, and what is present never changes. */
	if (!spte_is_present(new) || spte_is_present(it->old)) {
		kvm_vm_bugged(kvm, "a mirrored entry changes under the read lock");
		return -EBUSY;
	}
	if (!phys_cas64(it->hw, it->sptep, &it->old.v, SPTE_FROZEN.v))
		return -EBUSY;
	SYNC_POINT(mirror_frozen);
	r = add_external(kvm, it, new);
	SYNC_POINT(mirror_external_added);
	phys_store64(it->hw, it->sptep, r ? it->old.v : new.v);
	return r;
}

void mirror_leaf_removed(struct kvm *kvm, gfn_t gfn, uint8_t level, spte_t old)
{
	lock_assert_held_write(&kvm->mmu_lock);
	SYNC_POINT(mirror_before_external_remove);
	if (kvm->ops->remove_external_spte(kvm, gfn, level, old.v))
		kvm_vm_bugged(kvm, "the external table keeps an entry that the mirror lost");
}

void mirror_table_removed(struct kvm *kvm, struct kvm_mmu_page *sp)
{
	lock_assert_held_write(&kvm->mmu_lock);
	if (!kvm->ops->free_external_spt(kvm, sp->gfn, spt_level(sp), sp->external_spt))
		return;
	/* It is still in use: better lost than used twice. */
	log_error("gfn %#llx: the page of an external table is not given back",
		  (unsigned long long)sp->gfn.v);
	sp->external_spt = HPA_INVALID;
}
