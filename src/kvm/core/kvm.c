/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/core/kvm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kvm/core/attr.h"
#include "kvm/core/host_map.h"
#include "kvm/core/memslot.h"
#include "kvm/core/request.h"
#include "trace/counters.h"

static_assert(KVM_MAX_VCPUS_LIMIT % KVM_VCPU_CHUNK == 0, "whole chunks");

int kvm_core_init(struct kvm *kvm, struct kvm_module *module, void (*destroy)(struct kvm *kvm))
{
	int r;

	kvm->module = module;
	kvm->destroy = destroy;
	mutex_init(&kvm->lock, "kvm->lock", RANK_VM);
	mutex_init(&kvm->slots_lock, "kvm->slots_lock", RANK_SLOTS);
	mutex_init(&kvm->gpc_lock, "kvm->gpc_lock", RANK_GPC_LIST);
	list_init(&kvm->gpcs);
	spin_init(&kvm->mn.lock, "kvm->mn.lock", RANK_LEAF);
	waitq_init(&kvm->mn.drained);
	spin_init(&kvm->mmu.pages_lock, "kvm->mmu.pages_lock", RANK_TDP_PAGES);
	spin_init(&kvm->ring_lock, "kvm->ring_lock", RANK_LEAF);
	list_init(&kvm->coalesced_zones);
	list_init(&kvm->ioeventfds);
	list_init(&kvm->mmu.roots);
	kvm->mmu.external_root = HPA_INVALID;
	atomic32_init(&kvm->users, 1);
	kvm->stat = counters_create(NR_KVM_VM_COUNTERS);
	r = kvm->stat ? rwlock_init(&kvm->mmu_lock, "kvm->mmu_lock", RANK_MMU) : -ENOMEM;
	if (r)
		goto out_mutex;
	r = srcu_init(&kvm->srcu);
	if (r)
		goto out_rwlock;
	r = module->host_map_short_term ? srcu_init(&kvm->host_maps) : 0;
	if (r)
		goto out_srcu;
	r = kvm_memslots_create(kvm);
	if (r)
		goto out_host_maps;
	r = kvm_attributes_create(kvm);
	if (r)
		goto out_memslots;
	kvm_host_map_add_vm(kvm);
	return 0;

out_memslots:
	kvm_memslots_destroy(kvm);
out_host_maps:
	srcu_fini(&kvm->host_maps);
out_srcu:
	srcu_fini(&kvm->srcu);
out_rwlock:
	rwlock_fini(&kvm->mmu_lock);
out_mutex:
	counters_destroy(kvm->stat);
	mutex_fini(&kvm->gpc_lock);
	mutex_fini(&kvm->slots_lock);
	mutex_fini(&kvm->lock);
	return r;
}

void kvm_core_fini(struct kvm *kvm)
{
	kvm_host_map_remove_vm(kvm);
	kvm_io_buses_destroy(kvm);
	for (size_t i = 0; i < ARRAY_SIZE(kvm->vcpu_chunks); i++)
		free(kvm->vcpu_chunks[i]);
	kvm_attributes_destroy(kvm);
	kvm_memslots_destroy(kvm);
	srcu_fini(&kvm->host_maps);
	srcu_fini(&kvm->srcu);
	rwlock_fini(&kvm->mmu_lock);
	counters_destroy(kvm->stat);
	mutex_fini(&kvm->gpc_lock);
	mutex_fini(&kvm->slots_lock);
	mutex_fini(&kvm->lock);
}

void kvm_get(struct kvm *kvm)
{
	atomic32_add(&kvm->users, 1);
}

void kvm_put(struct kvm *kvm)
{
	if (atomic32_sub(&kvm->users, 1) != 1)
		return;
	kvm_host_map_remove_vm(kvm);
	kvm->destroy(kvm);
}

/* False: it was dead already. */
static bool kill_vm(struct kvm *kvm)
{
	uint32_t alive = 0;
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	if (!atomic32_cas(&kvm->dead, &alive, 1))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		struct kvm_vcpu *vcpu = kvm_get_vcpu(kvm, i);

		kvm_make_request(KVM_REQ_VM_DEAD, vcpu);
		kvm_vcpu_kick(vcpu);
	}
	return true;
}

void kvm_vm_dead(struct kvm *kvm)
{
	kill_vm(kvm);
}

void kvm_vm_bugged(struct kvm *kvm, const char *why)
{
	if (kill_vm(kvm))
		log_error("the VM is given up: %s", why);
}

int kvm_reserve_vcpu(struct kvm *kvm)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);
	struct kvm_vcpu ***chunk;

	lock_assert_held_mutex(&kvm->lock);
	if (n >= KVM_MAX_VCPUS_LIMIT)
		return -EINVAL;
	chunk = &kvm->vcpu_chunks[n / KVM_VCPU_CHUNK];
	if (!*chunk)
		*chunk = calloc(KVM_VCPU_CHUNK, sizeof(**chunk));
	return *chunk ? 0 : -ENOMEM;
}

void kvm_publish_vcpu(struct kvm *kvm, struct kvm_vcpu *vcpu)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	lock_assert_held_mutex(&kvm->lock);
	vcpu->idx = n;
	kvm->vcpu_chunks[n / KVM_VCPU_CHUNK][n % KVM_VCPU_CHUNK] = vcpu;
	atomic32_store_release(&kvm->nr_vcpus, n + 1);
}

struct kvm_vcpu *kvm_get_vcpu(struct kvm *kvm, unsigned i)
{
	return kvm->vcpu_chunks[i / KVM_VCPU_CHUNK][i % KVM_VCPU_CHUNK];
}

struct kvm_vcpu *kvm_get_vcpu_by_id(struct kvm *kvm, unsigned id)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	/* Nearly everybody numbers them in the order of creation. */
	if (id < n && kvm_get_vcpu(kvm, id)->id == id)
		return kvm_get_vcpu(kvm, id);
	for (uint32_t i = 0; i < n; i++)
		if (kvm_get_vcpu(kvm, i)->id == id)
			return kvm_get_vcpu(kvm, i);
	return NULL;
}

void kvm_vcpu_core_init(struct kvm_vcpu *vcpu, struct kvm *kvm, unsigned id)
{
	vcpu->kvm = kvm;
	vcpu->id = id;
	mutex_init(&vcpu->mutex, "vcpu->mutex", RANK_VCPU);
	mutex_init(&vcpu->maps_lock, "vcpu->maps_lock", RANK_GUEST_MAPS);
	list_init(&vcpu->maps);
	atomic32_init(&vcpu->mode, OUTSIDE_GUEST_MODE);
	waitq_init(&vcpu->left_guest);
	vcpu->mmu.root = HPA_INVALID;
	vcpu->mmu.mirror_root = HPA_INVALID;
}

void kvm_vcpu_core_fini(struct kvm_vcpu *vcpu)
{
	mutex_fini(&vcpu->maps_lock);
	mutex_fini(&vcpu->mutex);
}
