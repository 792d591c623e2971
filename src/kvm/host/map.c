/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/host/map.h"

#include <errno.h>

#include "kvm/core/attr.h"
#include "kvm/host/backing.h"
#include "os/uaccess.h"

/* What the kernel's gfn_to_pfn() finds: it always asks for a page that may be written. */
static void *find_page(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_memory_slot *slot = backing_slot(kvm, gfn, true);
	void *host = slot ? backing_address(slot, GPA(gfn.v << PAGE_SHIFT)) : NULL;

	return host && backing_prefault(kvm, host) ? host : NULL;
}

/* The attribute is asked inside: who changes it then waits for us, or we see the change. */
static int enter(struct kvm_vcpu *vcpu, struct kvm_guest_map *map)
{
	struct kvm *kvm = vcpu->kvm;

	map->section = srcu_read_lock(&kvm->host_maps);
	SYNC_POINT(host_map_entered);
	if (kvm_mem_is_private(kvm, map->gfn)) {
		srcu_read_unlock(&kvm->host_maps, map->section);
		return -EFAULT;
	}
	vcpu->nr_short_maps++;
	return 0;
}

int kvm_vcpu_map(struct kvm_vcpu *vcpu, gfn_t gfn, struct kvm_guest_map *map)
{
	/* Outside of the section: a userfaultfd monitor may be the one who converts. */
	void *host = find_page(vcpu->kvm, gfn);
	int r;

	map->host = NULL;
	map->gfn = gfn;
	if (!host)
		return -EINVAL;
	r = unlikely(vcpu->kvm->module->host_map_short_term) ? enter(vcpu, map) : 0;
	if (!r)
		map->host = host;
	return r;
}

void kvm_vcpu_unmap(struct kvm_vcpu *vcpu, struct kvm_guest_map *map, bool dirty)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_memory_slot *slot;

	if (!map->host)
		return;
	slot = dirty ? kvm_gfn_to_memslot(kvm, 0, map->gfn) : NULL;
	if (slot)
		kvm_mark_page_dirty_in_slot(slot, map->gfn);
	map->host = NULL;
	if (unlikely(kvm->module->host_map_short_term)) {
		vcpu->nr_short_maps--;
		srcu_read_unlock(&kvm->host_maps, map->section);
	}
}

int kvm_map_read(const struct kvm_guest_map *map, size_t at, void *data, size_t len)
{
	BUG_ON(at + len > PAGE_SIZE);
	return map->host && !os_copy_from(data, (const char *)map->host + at, len) ? 0 : -EFAULT;
}

int kvm_map_write(const struct kvm_vcpu *vcpu, const struct kvm_guest_map *map, size_t at,
		  const void *data, size_t len)
{
	char *to = (char *)map->host + at;

	BUG_ON(at + len > PAGE_SIZE);
	if (!map->host || !backing_may_store(vcpu->kvm, to))
		return -EFAULT;
	return os_copy_to(to, data, len) ? -EFAULT : 0;
}
