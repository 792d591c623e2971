/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/host/map.h"

#include <errno.h>

#include "kvm/core/attr.h"
#include "kvm/host/backing.h"
#include "kvm/host/policy.h"
#include "os/maps.h"
#include "os/memory.h"
#include "os/uaccess.h"
#include "sync/wait.h"

/* What the kernel's gfn_to_pfn() finds; @write: a page that may be written. */
static void *find_page(struct kvm *kvm, const struct kvm_memory_slot *slot, gfn_t gfn, bool write)
{
	void *host = backing_address(slot, gfn_to_gpa(gfn));

	return backing_prefault(kvm, host, write) ? host : NULL;
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

/* -- Upstream: the page is held, whatever the VMM does with its mapping -- */

static void hold(struct kvm_vcpu *vcpu, struct kvm_guest_map *map)
{
	map->vcpu = vcpu;
	map->nr_changes = 0;
	map->kept = NULL;
	map->of_file = map->given_up = false;
	mutex_lock(&vcpu->maps_lock);
	list_add_tail(&vcpu->maps, &map->link);
	mutex_unlock(&vcpu->maps_lock);
}

static void let_go(struct kvm_guest_map *map)
{
	mutex_lock(&map->vcpu->maps_lock);
	list_del(&map->link);
	mutex_unlock(&map->vcpu->maps_lock);
	if (unlikely(map->kept))
		os_unmap(map->kept, PAGE_SIZE);
}

/*
 * A change that has begun before the page was found may not have met the map.  One that
 * begins after this look does.
 */
static void *find_and_hold(struct kvm_vcpu *vcpu, const struct kvm_memory_slot *slot,
			   struct kvm_guest_map *map, bool write)
{
	struct kvm *kvm = vcpu->kvm;
	void *host;

	for (;;) {
		host = find_page(kvm, slot, map->gfn, write);
		if (!host)
			return NULL;
		map->host = host;
		hold(vcpu, map);
		SYNC_POINT(host_map_held);
		if (likely(!backing_is_changing(kvm)))
			return host;
		let_go(map);
		map->host = NULL;
		waitq_wait(&kvm->mn.drained, !backing_is_changing(kvm));
	}
}

static bool settles(const struct kvm_guest_map *map)
{
	bool yes;

	mutex_lock(&map->vcpu->maps_lock);
	yes = !map->nr_changes;
	mutex_unlock(&map->vcpu->maps_lock);
	return yes;
}

/* With maps_lock held the page is where this says, and stays there.  NULL: it is lost. */
NO_LOCK_ANALYSIS static char *begin_use(const struct kvm_guest_map *map)
{
	struct kvm_vcpu *vcpu = map->vcpu;

	mutex_lock(&vcpu->maps_lock);
	while (unlikely(map->nr_changes)) {
		mutex_unlock(&vcpu->maps_lock);
		waitq_wait(&vcpu->kvm->mn.drained, settles(map));
		mutex_lock(&vcpu->maps_lock);
	}
	return map->given_up ? map->kept : map->host;
}

NO_LOCK_ANALYSIS static void end_use(const struct kvm_guest_map *map)
{
	mutex_unlock(&map->vcpu->maps_lock);
}

NO_LOCK_ANALYSIS void kvm_map_move(struct kvm_guest_map *map, struct kvm_vcpu *to)
{
	if (!map->host || to->kvm->module->host_map_short_term)
		return;
	(void)begin_use(map);
	list_del(&map->link);
	end_use(map);
	map->vcpu = to;
	mutex_lock(&to->maps_lock);
	list_add_tail(&to->maps, &map->link);
	mutex_unlock(&to->maps_lock);
}

/* What is not kept is lost when the VMM gives it up: a guest's ciphertext, and without memory. */
static void keep(struct kvm *kvm, struct kvm_guest_map *map)
{
	struct os_mapping m;

	if (map->nr_changes++ || map->given_up)
		return;
	map->of_file = !os_mapping_of(map->host, &m) && m.is_shared;
	if (map->of_file || view_is_hidden(kvm->module->hw, map->host))
		return;
	map->kept = os_map_private(PAGE_SIZE, PAGE_SIZE);
	if (map->kept && os_copy_from(map->kept, map->host, PAGE_SIZE)) {
		os_unmap(map->kept, PAGE_SIZE);
		map->kept = NULL;
	}
}

static void settle(struct kvm_guest_map *map, bool gone)
{
	if (!map->nr_changes)
		return;		/* made when the change was under way already: it will be let go */
	map->given_up |= gone && !map->of_file;
	if (--map->nr_changes || map->given_up || !map->kept)
		return;
	os_unmap(map->kept, PAGE_SIZE);
	map->kept = NULL;
}

static void keep_or_settle(struct kvm_vcpu *vcpu, uint64_t start, uint64_t end, bool begins,
			   bool gone)
{
	mutex_lock(&vcpu->maps_lock);
	for (struct list *l = vcpu->maps.next; l != &vcpu->maps; l = l->next) {
		struct kvm_guest_map *map = list_entry(l, struct kvm_guest_map, link);
		uint64_t host = (uintptr_t)map->host;

		if (host < start || host >= end)
			continue;
		if (begins)
			keep(vcpu->kvm, map);
		else
			settle(map, gone);
	}
	mutex_unlock(&vcpu->maps_lock);
}

void kvm_maps_keep(struct kvm *kvm, uint64_t start, uint64_t end)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	for (uint32_t i = 0; i < n; i++)
		keep_or_settle(kvm_get_vcpu(kvm, i), start, end, true, false);
}

void kvm_maps_settle(struct kvm *kvm, uint64_t start, uint64_t end, bool gone)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	for (uint32_t i = 0; i < n; i++)
		keep_or_settle(kvm_get_vcpu(kvm, i), start, end, false, gone);
}

/* -- Both -- */

/* Inside the section the attribute is asked anyway: here only what else may be in the way. */
static bool may_be_refused(const struct kvm_module *module)
{
	return !module->host_map_short_term || module->strict_host_access ||
	       hw_has_owners(module->hw);
}

/* @asks: for a page that may be written; @how: what the map is for. */
static int map_page(struct kvm_vcpu *vcpu, gfn_t gfn, struct kvm_guest_map *map, bool asks,
		    enum host_access how)
{
	const struct kvm_memory_slot *slot = backing_slot(vcpu->kvm, gfn, asks);
	struct kvm_module *module = vcpu->kvm->module;
	void *host;
	int r;

	map->host = NULL;
	map->gfn = gfn;
	map->vcpu = NULL;
	map->is_readonly = how == HOST_MAP_READ;
	if (!slot)
		return -EINVAL;
	if (may_be_refused(module) && !host_may(vcpu->kvm, slot, gfn, how))
		return -EFAULT;
	if (likely(!module->host_map_short_term))
		return find_and_hold(vcpu, slot, map, asks) ? 0 : -EINVAL;
	/* Outside of the section: a userfaultfd monitor may be the one who converts. */
	host = find_page(vcpu->kvm, slot, gfn, asks);
	if (!host)
		return -EINVAL;
	r = enter(vcpu, map);
	if (unlikely(r))
		(void)!host_may(vcpu->kvm, slot, gfn, how);	/* the finding */
	else
		map->host = host;
	return r;
}

int kvm_vcpu_map(struct kvm_vcpu *vcpu, gfn_t gfn, struct kvm_guest_map *map)
{
	return map_page(vcpu, gfn, map, true, HOST_MAP);
}

int kvm_vcpu_map_readonly(struct kvm_vcpu *vcpu, gfn_t gfn, struct kvm_guest_map *map)
{
	bool asks = vcpu->kvm->module->abi < KERNEL_ABI_6_16;

	return map_page(vcpu, gfn, map, asks, HOST_MAP_READ);
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
	if (likely(!kvm->module->host_map_short_term)) {
		let_go(map);
	} else {
		vcpu->nr_short_maps--;
		srcu_read_unlock(&kvm->host_maps, map->section);
	}
	map->host = NULL;
}

static int copy_from(const char *page, size_t at, void *data, size_t len)
{
	return page && !os_copy_from(data, page + at, len) ? 0 : -EFAULT;
}

static int copy_to(const struct kvm_vcpu *vcpu, char *page, size_t at, const void *data, size_t len)
{
	if (!page || !backing_alias_may_store(vcpu->kvm, page + at))
		return -EFAULT;
	return os_copy_to(page + at, data, len) ? -EFAULT : 0;
}

int kvm_map_read(const struct kvm_guest_map *map, size_t at, void *data, size_t len)
{
	int r;

	BUG_ON(at + len > PAGE_SIZE);
	if (!map->host)
		return -EFAULT;
	if (unlikely(!map->vcpu))
		return copy_from(map->host, at, data, len);
	r = copy_from(begin_use(map), at, data, len);
	end_use(map);
	return r;
}

int kvm_map_write(const struct kvm_vcpu *vcpu, const struct kvm_guest_map *map, size_t at,
		  const void *data, size_t len)
{
	int r;

	BUG_ON(at + len > PAGE_SIZE);
	if (!map->host || map->is_readonly)
		return -EFAULT;
	if (unlikely(!map->vcpu))
		return copy_to(vcpu, map->host, at, data, len);
	r = copy_to(vcpu, begin_use(map), at, data, len);
	end_use(map);
	return r;
}
