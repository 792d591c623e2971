/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A root starts with two references: one of the vCPU that loads it, one of
 * ours that is dropped after it has been invalidated and zapped.  So the last
 * put always finds an invalid root.  The list is read under RCU or mmu_lock.
 */
#include <errno.h>

#include "base/log.h"
#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/tdp_mmu.h"

/* The list's head when it is the end. */
static struct kvm_mmu_page *root_after(struct kvm *kvm, struct list *at)
{
	struct list *next = rcu_dereference(at->next);

	return next == &kvm->mmu.roots ? NULL : list_entry(next, struct kvm_mmu_page, link);
}

static void publish_root(struct kvm *kvm, struct kvm_mmu_page *root)
{
	struct list *head = &kvm->mmu.roots, *last = head->prev;

	root->link.next = head;
	root->link.prev = last;
	rcu_assign_pointer(last->next, &root->link);
	head->prev = &root->link;
}

/* Its own next stays: readers may be standing on it. */
static void unlink_root(struct kvm_mmu_page *root)
{
	root->link.next->prev = root->link.prev;
	rcu_assign_pointer(root->link.prev->next, root->link.next);
}

static bool get_root(struct kvm_mmu_page *root)
{
	uint32_t refs = atomic32_load_acquire(&root->refs);

	while (refs)
		if (atomic32_cas(&root->refs, &refs, refs + 1))
			return true;
	return false;
}

void tdp_mmu_put_root(struct kvm *kvm, struct kvm_mmu_page *root)
{
	if (atomic32_sub(&root->refs, 1) != 1)
		return;
	BUG_ON(!spt_is_invalid(root));
	spin_lock(&kvm->mmu.pages_lock);
	unlink_root(root);
	/* Inside, so that the list and the number agree for who has the lock. */
	atomic64_sub(&kvm->mmu.nr_pages, 1);
	spin_unlock(&kvm->mmu.pages_lock);
	spt_free_rcu(root);
}

static bool root_matches(const struct kvm_mmu_page *root, int as_id, unsigned types)
{
	if (as_id >= 0 && spt_as_id(root) != (unsigned)as_id)
		return false;
	if (spt_is_invalid(root) && !(types & TDP_INVALID_ROOTS))
		return false;
	return types & (spt_is_mirror(root) ? TDP_MIRROR_ROOTS : TDP_DIRECT_ROOTS);
}

struct kvm_mmu_page *tdp_mmu_next_root(struct kvm *kvm, struct kvm_mmu_page *prev, int as_id,
				       unsigned types)
{
	struct kvm_mmu_page *root;

	rcu_read_lock();
	root = root_after(kvm, prev ? &prev->link : &kvm->mmu.roots);
	while (root && !(root_matches(root, as_id, types) && get_root(root)))
		root = root_after(kvm, &root->link);
	rcu_read_unlock();
	if (prev)
		tdp_mmu_put_root(kvm, prev);
	return root;
}

static struct kvm_mmu_page *find_root(struct kvm *kvm, uint32_t role)
{
	struct kvm_mmu_page *root;

	for (root = root_after(kvm, &kvm->mmu.roots); root; root = root_after(kvm, &root->link))
		if (spt_role(root) == role && !spt_is_invalid(root) && get_root(root))
			return root;
	return NULL;
}

/* mmu_lock read.  Several vCPUs share the root of a role. */
static struct kvm_mmu_page *get_or_add_root(struct kvm_vcpu *vcpu, uint32_t role)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_mmu_page *root;

	rcu_read_lock();
	root = find_root(kvm, role);
	if (root)
		goto out;
	spin_lock(&kvm->mmu.pages_lock);
	root = find_root(kvm, role);
	if (!root) {
		root = spt_cache_take(vcpu, false);	/* the type has the external root */
		root->gfn = GFN(0);
		root->ptep = HPA_INVALID;
		atomic32_store_release(&root->role, role);
		atomic32_store_relaxed(&root->refs, 2);
		atomic64_add(&kvm->mmu.nr_pages, 1);
		publish_root(kvm, root);
		TRACE(kvm->module->trace, kvm_mmu_get_page, 0, spt_level(root), 2, true);
	}
	spin_unlock(&kvm->mmu.pages_lock);
out:
	rcu_read_unlock();
	return root;
}

static uint32_t root_role(const struct kvm *kvm, unsigned as_id, bool mirror)
{
	return FIELD_PUT(SPT_ROLE_LEVEL, kvm->module->spte->root_level) | SPT_ROLE_DIRECT |
	       SPT_ROLE_ACCESS_ALL | SPT_ROLE_EFER_NX | FIELD_PUT(SPT_ROLE_AS_ID, as_id) |
	       (mirror ? SPT_ROLE_MIRROR : 0);
}

void kvm_mmu_free_obsolete_roots(struct kvm_vcpu *vcpu)
{
	struct kvm_mmu_page *root = vcpu->mmu.root_sp;

	if (!root || !spt_is_invalid(root))
		return;
	vcpu->mmu.root_sp = NULL;
	vcpu->mmu.root = HPA_INVALID;
	tdp_mmu_put_root(vcpu->kvm, root);
}

int kvm_mmu_reload(struct kvm_vcpu *vcpu)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_mmu_page *root;
	int r;

	/* Not only before entry: a prefault loop must not spin on a dead root. */
	if (unlikely(kvm_check_request(KVM_REQ_MMU_FREE_OBSOLETE_ROOTS, vcpu)))
		kvm_mmu_free_obsolete_roots(vcpu);
	if (likely(vcpu->mmu.root_sp))
		return 0;
	r = spt_cache_fill(vcpu, false);
	if (r)
		return r;
	read_lock(&kvm->mmu_lock);
	/* First, so that who has the direct root has both. */
	if (kvm->ops->has_mirror && !vcpu->mmu.mirror_root_sp) {
		vcpu->mmu.mirror_root_sp = get_or_add_root(vcpu, root_role(kvm, 0, true));
		vcpu->mmu.mirror_root = vcpu->mmu.mirror_root_sp->spt;
	}
	root = get_or_add_root(vcpu, root_role(kvm, 0, false));
	read_unlock(&kvm->mmu_lock);
	vcpu->mmu.root_sp = root;
	vcpu->mmu.root = root->spt;
	vcpu->mmu.root_level = spt_level(root);
	/* Of an earlier table at the same address, and of what was zapped unseen. */
	kvm_make_request(KVM_REQ_TLB_FLUSH, vcpu);
	return 0;
}

void kvm_mmu_destroy_vcpu(struct kvm_vcpu *vcpu)
{
	if (vcpu->mmu.root_sp)
		tdp_mmu_put_root(vcpu->kvm, vcpu->mmu.root_sp);
	vcpu->mmu.root_sp = NULL;
	vcpu->mmu.root = HPA_INVALID;
	if (vcpu->mmu.mirror_root_sp) {
		read_lock(&vcpu->kvm->mmu_lock);
		tdp_mmu_put_root(vcpu->kvm, vcpu->mmu.mirror_root_sp);
		read_unlock(&vcpu->kvm->mmu_lock);
	}
	vcpu->mmu.mirror_root_sp = NULL;
	vcpu->mmu.mirror_root = HPA_INVALID;
	spt_cache_empty(vcpu);
}

void tdp_mmu_invalidate_roots(struct kvm *kvm, unsigned types)
{
	struct kvm_mmu_page *root;

	lock_assert_held_write(&kvm->mmu_lock);
	rcu_read_lock();
	for (root = root_after(kvm, &kvm->mmu.roots); root; root = root_after(kvm, &root->link)) {
		if (!root_matches(root, -1, types) || spt_is_invalid(root))
			continue;
		root->zap_scheduled = true;
		atomic32_store_release(&root->invalid, 1);
	}
	rcu_read_unlock();
}

void tdp_mmu_zap_invalidated_roots(struct kvm *kvm, bool shared)
{
	struct kvm_mmu_page *root;

	for_each_tdp_mmu_root(root, kvm, -1, TDP_ALL_ROOTS) {
		if (!root->zap_scheduled)
			continue;
		root->zap_scheduled = false;
		tdp_mmu_zap_root(kvm, root, shared);
		/* Ours; the walk still has one.  Not before the zap: others look here. */
		tdp_mmu_put_root(kvm, root);
	}
}

void kvm_mmu_zap_all_fast(struct kvm *kvm)
{
	lock_assert_held_mutex(&kvm->slots_lock);
	write_lock(&kvm->mmu_lock);
	TRACE(kvm->module->trace, kvm_mmu_zap_all_fast, 0, atomic64_load(&kvm->mmu.nr_pages));
	tdp_mmu_invalidate_roots(kvm, TDP_DIRECT_ROOTS);
	/* This is the flush: whoever was inside is out and must load a new root. */
	kvm_make_all_cpus_request(kvm, KVM_REQ_MMU_FREE_OBSOLETE_ROOTS);
	write_unlock(&kvm->mmu_lock);
	SYNC_POINT(zap_all_after_invalidate);

	/* Before we return: a host page that goes must be found in no root at all. */
	read_lock(&kvm->mmu_lock);
	tdp_mmu_zap_invalidated_roots(kvm, true);
	read_unlock(&kvm->mmu_lock);
}
