/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/host/pfncache.h"

#include <errno.h>

#include "base/log.h"
#include "hw/insn/phys.h"
#include "kvm/core/host_map.h"
#include "kvm/host/backing.h"
#include "kvm/host/policy.h"
#include "kvm/mmu/mmu.h"
#include "os/uaccess.h"
#include "sync/wait.h"

#define USER_END	0x7ffffffff000ull	/* of a program's addresses */

int kvm_gpc_init(struct gfn_to_pfn_cache *gpc, struct kvm *kvm)
{
	*gpc = (struct gfn_to_pfn_cache){ .kvm = kvm, .gpa = GPC_NO_GPA, .page = HPA_INVALID };
	mutex_init(&gpc->refresh_lock, "gpc->refresh_lock", RANK_GPC_REFRESH);
	return rwlock_init(&gpc->lock, "gpc->lock", RANK_GPC);
}

void kvm_gpc_fini(struct gfn_to_pfn_cache *gpc)
{
	rwlock_fini(&gpc->lock);
	mutex_fini(&gpc->refresh_lock);
}

static bool fits(uint64_t address, size_t len)
{
	return (address & ~PAGE_MASK) + len <= PAGE_SIZE;
}

static bool is_of_gpa(const struct gfn_to_pfn_cache *gpc)
{
	return gpc->gpa.v != GPC_NO_GPA.v;
}

bool kvm_gpc_check(const struct gfn_to_pfn_cache *gpc, size_t len)
{
	if (!gpc->active || !gpc->hva.v || !fits(gpc->offset, len) || !gpc->valid)
		return false;
	return !is_of_gpa(gpc) ||
	       (gpc->generation == kvm_memslots_generation(gpc->kvm, 0) &&
		host_may(gpc->kvm, gpc->slot, gpa_to_gfn(gpc->gpa), HOST_CACHE_CHECK));
}

static char *address(const struct gfn_to_pfn_cache *gpc)
{
	return (char *)(uintptr_t)gpc->hva.v + gpc->offset;
}

int kvm_gpc_read(const struct gfn_to_pfn_cache *gpc, size_t at, void *data, size_t len)
{
	return os_copy_from(data, address(gpc) + at, len) ? -EFAULT : 0;
}

int kvm_gpc_write(const struct gfn_to_pfn_cache *gpc, size_t at, const void *data, size_t len)
{
	if (!backing_alias_may_store(gpc->kvm, address(gpc) + at))
		return -EFAULT;
	return os_copy_to(address(gpc) + at, data, len) ? -EFAULT : 0;
}

void kvm_gpc_mark_dirty(const struct gfn_to_pfn_cache *gpc)
{
	if (gpc->slot)
		kvm_mark_page_dirty_in_slot(gpc->slot, gpa_to_gfn(gpc->gpa));
}

/*
 * A change that has told this cache before it was valid: it is still under way, or has
 * ended and moved the sequence.  In this order: the sequence moves first.
 */
static bool was_disturbed(struct kvm *kvm, uint64_t seq)
{
	return backing_is_changing(kvm) || kvm_mmu_invalidate_snapshot(kvm) != seq;
}

/* Always for writing.  HPA_INVALID: there is no such page. */
static hpa_t find_page(struct kvm *kvm, hva_t hva)
{
	void *host = (void *)(uintptr_t)hva.v;

	if (!backing_prefault(kvm, host, true))
		return HPA_INVALID;
	return phys_publish(kvm->module->hw, host);
}

/* gpc->lock is dropped meanwhile, for the host may have to be waited for. */
NO_LOCK_ANALYSIS static int look_up(struct gfn_to_pfn_cache *gpc)
{
	struct kvm *kvm = gpc->kvm;
	hva_t hva = gpc->hva;
	uint64_t seq;
	hpa_t page;

	/* The new gpa with the old page is never seen. */
	gpc->valid = false;
	do {
		write_unlock(&gpc->lock);
		waitq_wait(&kvm->mn.drained, !backing_is_changing(kvm));
		seq = kvm_mmu_invalidate_snapshot(kvm);
		page = find_page(kvm, hva);
		SYNC_POINT(gpc_looked_up);
		write_lock(&gpc->lock);
	} while (hpa_is_valid(page) && was_disturbed(kvm, seq));
	gpc->page = page;
	gpc->valid = hpa_is_valid(page);
	return gpc->valid ? 0 : -EFAULT;
}

/* The slot again, if it may be another one.  False: there is none. */
static bool find_in_slot(struct gfn_to_pfn_cache *gpc, gpa_t gpa)
{
	uint64_t generation = kvm_memslots_generation(gpc->kvm, 0);
	gfn_t gfn = gpa_to_gfn(gpa);

	gpc->offset = (unsigned)(gpa.v & ~PAGE_MASK);
	if (gpc->gpa.v == gpa.v && gpc->generation == generation && gpc->hva.v)
		return true;
	gpc->gpa = gpa;
	gpc->generation = generation;
	gpc->slot = backing_slot(gpc->kvm, gfn, true);
	gpc->hva = gpc->slot ? kvm_slot_hva(gpc->slot, gfn) : HVA(0);
	return gpc->slot;
}

/* Of @gpa, where that is one, else of @hva. */
static bool find_address(struct gfn_to_pfn_cache *gpc, gpa_t gpa, hva_t hva)
{
	if (gpa.v != GPC_NO_GPA.v)
		return find_in_slot(gpc, gpa);
	gpc->gpa = gpa;
	gpc->slot = NULL;
	gpc->hva = HVA(hva.v & PAGE_MASK);
	gpc->offset = (unsigned)(hva.v & ~PAGE_MASK);
	return true;
}

/* refresh_lock held. */
static int refresh(struct gfn_to_pfn_cache *gpc, gpa_t gpa, hva_t hva)
{
	hva_t old;
	int r = 0;

	write_lock(&gpc->lock);
	old = gpc->hva;
	if (!gpc->active) {
		r = -EINVAL;
	} else if (!find_address(gpc, gpa, hva) ||
		   (is_of_gpa(gpc) &&
		    !host_may(gpc->kvm, gpc->slot, gpa_to_gfn(gpa), HOST_CACHE))) {
		gpc->valid = false;
		gpc->page = HPA_INVALID;
		r = -EFAULT;
	} else if (!gpc->valid || gpc->hva.v != old.v) {
		r = look_up(gpc);
	}
	write_unlock(&gpc->lock);
	return r;
}

int kvm_gpc_refresh(struct gfn_to_pfn_cache *gpc, size_t len)
{
	int r = -EINVAL;

	mutex_lock(&gpc->refresh_lock);
	if (!fits(gpc->offset, len))
		r = -EINVAL;
	else if (!is_of_gpa(gpc) && !gpc->hva.v)
		log_warn("a long-term map is refreshed, and is of nothing");
	else
		r = refresh(gpc, gpc->gpa, HVA(gpc->hva.v + gpc->offset));
	mutex_unlock(&gpc->refresh_lock);
	return r;
}

/*
 * An address need not be of a slot: changes look for it by itself.  Counted first, then those
 * of before have ended, then it is looked up; as a slot is (kvm/core/host_map.h).
 */
static void count_address(struct gfn_to_pfn_cache *gpc, hva_t page)
{
	struct kvm_host_map *map = gpc->kvm->module->host_map;

	kvm_host_map_count(map, page.v, page.v + PAGE_SIZE);
	srcu_synchronize(&map->changes);
}

static void uncount_address(struct gfn_to_pfn_cache *gpc, hva_t page)
{
	if (page.v)
		kvm_host_map_uncount(gpc->kvm->module->host_map, page.v, page.v + PAGE_SIZE);
}

/* On the list first: what is looked up must be within reach of a change. */
static void make_active(struct gfn_to_pfn_cache *gpc)
{
	struct kvm *kvm = gpc->kvm;

	mutex_lock(&kvm->gpc_lock);
	list_add_tail(&kvm->gpcs, &gpc->link);
	mutex_unlock(&kvm->gpc_lock);
	write_lock(&gpc->lock);
	gpc->active = true;
	write_unlock(&gpc->lock);
}

/* refresh_lock is taken here. */
static int activate(struct gfn_to_pfn_cache *gpc, gpa_t gpa, hva_t hva)
{
	hva_t page = HVA(hva.v & PAGE_MASK), counted;
	int r;

	mutex_lock(&gpc->refresh_lock);
	counted = gpc->counted;
	if (page.v && counted.v != page.v)
		count_address(gpc, page);
	gpc->counted = page;
	if (!gpc->active)
		make_active(gpc);
	r = refresh(gpc, gpa, hva);
	if (counted.v != page.v)
		uncount_address(gpc, counted);
	mutex_unlock(&gpc->refresh_lock);
	return r;
}

int kvm_gpc_activate(struct gfn_to_pfn_cache *gpc, gpa_t gpa, size_t len)
{
	if (gpa.v == GPC_NO_GPA.v) {
		log_warn("a long-term map of no guest address is asked for");
		return -EINVAL;
	}
	return fits(gpa.v, len) ? activate(gpc, gpa, HVA(0)) : -EINVAL;
}

int kvm_gpc_activate_hva(struct gfn_to_pfn_cache *gpc, hva_t hva, size_t len)
{
	if (!hva.v || hva.v + len < hva.v || hva.v + len > USER_END || !fits(hva.v, len))
		return -EINVAL;
	return activate(gpc, GPC_NO_GPA, hva);
}

void kvm_gpc_deactivate(struct gfn_to_pfn_cache *gpc)
{
	struct kvm *kvm = gpc->kvm;

	mutex_lock(&gpc->refresh_lock);
	if (gpc->active) {
		write_lock(&gpc->lock);
		gpc->active = gpc->valid = false;
		gpc->page = HPA_INVALID;
		write_unlock(&gpc->lock);
		mutex_lock(&kvm->gpc_lock);
		list_del(&gpc->link);
		mutex_unlock(&kvm->gpc_lock);
		uncount_address(gpc, gpc->counted);
		gpc->counted = HVA(0);
	}
	mutex_unlock(&gpc->refresh_lock);
}

void kvm_gpc_invalidate(struct kvm *kvm, uint64_t start, uint64_t end)
{
	mutex_lock(&kvm->gpc_lock);
	for (struct list *l = kvm->gpcs.next; l != &kvm->gpcs; l = l->next) {
		struct gfn_to_pfn_cache *gpc = list_entry(l, struct gfn_to_pfn_cache, link);

		write_lock(&gpc->lock);
		if (gpc->hva.v < end && gpc->hva.v + PAGE_SIZE > start)
			gpc->valid = false;
		write_unlock(&gpc->lock);
	}
	mutex_unlock(&kvm->gpc_lock);
}
