/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/host/notifier.h"

#include "hw/insn/phys.h"
#include "kvm/core/attr.h"
#include "kvm/core/memslot.h"
#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/host/map.h"
#include "kvm/host/pfncache.h"
#include "kvm/mmu/mmu.h"
#include "sync/wait.h"

/* One slot's part of one range. */
struct slot_part {
	struct kvm_memory_slot	*slot;
	gfn_t			 start, end;
};

/* All parts of a change in one VM, in any order.  SRCU held. */
struct part_iter {
	const struct kvm_host_change	*c;
	struct kvm			*kvm;
	struct kvm_memslot_iter		 it;
	size_t				 range;
	unsigned			 as_id;
	struct kvm_memory_slot		*slot;
};

static bool part_next(struct part_iter *p, struct slot_part *part)
{
	const struct kvm_hva_range *r;
	uint64_t hva, start, end;

	if (p->slot)
		p->slot = kvm_memslot_next(&p->it);
	while (!p->slot) {
		if (p->as_id == p->kvm->nr_address_spaces) {
			p->as_id = 0;
			p->range++;
		}
		if (p->range == p->c->nr)
			return false;
		r = &p->c->ranges[p->range];
		if (r->start < r->end)
			p->slot = kvm_memslot_first_hva(&p->it, p->kvm, p->as_id, HVA(r->start),
							HVA(r->end));
		p->as_id++;
	}
	r = &p->c->ranges[p->range];
	hva = p->slot->userspace_addr.v;
	start = MAX(r->start, hva);
	end = MIN(r->end, hva + (p->slot->npages << PAGE_SHIFT));
	part->slot = p->slot;
	part->start = GFN(p->slot->base_gfn.v + ((start - hva) >> PAGE_SHIFT));
	part->end = GFN(p->slot->base_gfn.v + ((end - hva + PAGE_SIZE - 1) >> PAGE_SHIFT));
	return true;
}

static bool zap(struct kvm *kvm, const struct slot_part *p, bool flush)
{
	return kvm_mmu_unmap_range(kvm, p->slot, p->start, p->end, KVM_FILTER_SHARED, flush);
}

/*
 * Where one table has both kinds, only what is shared now.  A gfn that is
 * being converted has no mapping: conversions zap before they change the
 * attribute, and nothing is installed before they end.
 * @flush is handed on from part to part: a walk that yields flushes for all
 * before it.
 */
static bool zap_shared(struct kvm *kvm, const struct slot_part *p, bool flush)
{
	struct slot_part low = *p, high = *p;
	uint64_t half;

	if (!kvm->has_private_mem || kvm->ops->has_mirror ||
	    kvm_range_has_memory_attributes(kvm, p->start, p->end, KVM_MEMORY_ATTRIBUTE_PRIVATE,
					    0))
		return zap(kvm, p, flush);
	if (p->end.v - p->start.v == 1 ||
	    kvm_range_has_memory_attributes(kvm, p->start, p->end, KVM_MEMORY_ATTRIBUTE_PRIVATE,
					    KVM_MEMORY_ATTRIBUTE_PRIVATE))
		return flush;
	/* Split where the most significant bit of the ends differs: at aligned places. */
	half = 1ull << (63 - __builtin_clzll(p->start.v ^ (p->end.v - 1)));
	low.end = high.start = GFN(ALIGN_DOWN(p->end.v - 1, half));
	flush = zap_shared(kvm, &low, flush);
	return zap_shared(kvm, &high, flush);
}

/* Takes the lock at the first part only. */
NO_LOCK_ANALYSIS static void vm_begin(struct kvm *kvm, const struct kvm_host_change *c)
{
	struct part_iter it = { .c = c, .kvm = kvm };
	bool begun = false, flush = false;
	struct slot_part part;
	int idx;

	for (size_t i = 0; TRACE_IS_ON(kvm->module->trace) && i < c->nr; i++)
		TRACE(kvm->module->trace, kvm_unmap_hva_range, c->ranges[i].start, c->ranges[i].end);
	kvm_memslots_block(kvm);
	/* After the count, which a refresh looks at; before mmu_lock. */
	for (size_t i = 0; i < c->nr; i++)
		kvm_gpc_invalidate(kvm, c->ranges[i].start, c->ranges[i].end);
	for (size_t i = 0; i < c->nr; i++)
		kvm_maps_keep(kvm, c->ranges[i].start, c->ranges[i].end);
	idx = srcu_read_lock(&kvm->srcu);
	while (part_next(&it, &part)) {
		if (!begun) {
			write_lock(&kvm->mmu_lock);
			kvm_mmu_invalidate_begin(kvm);
			begun = true;
		}
		kvm_mmu_invalidate_range_add(kvm, part.start, part.end);
		flush = zap_shared(kvm, &part, flush);
	}
	if (flush)
		kvm_flush_remote_tlbs(kvm);
	if (begun)
		write_unlock(&kvm->mmu_lock);
	srcu_read_unlock(&kvm->srcu, idx);
}

/* The slots are those of begin: the swap has been held back. */
static void vm_end(struct kvm *kvm, const struct kvm_host_change *c, bool gone)
{
	struct part_iter it = { .c = c, .kvm = kvm };
	int idx = srcu_read_lock(&kvm->srcu);
	struct slot_part part;

	if (part_next(&it, &part)) {
		write_lock(&kvm->mmu_lock);
		kvm_mmu_invalidate_end(kvm);
		write_unlock(&kvm->mmu_lock);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	for (size_t i = 0; i < c->nr; i++)
		kvm_maps_settle(kvm, c->ranges[i].start, c->ranges[i].end, gone);
	kvm_memslots_unblock(kvm);
}

void kvm_host_change_begin(struct kvm_module *module, const struct kvm_hva_range *ranges,
			   size_t nr, struct kvm_host_change *c)
{
	struct kvm_host_map *map = module->host_map;
	struct kvm *kvm;

	*c = (struct kvm_host_change){ .module = module, .ranges = ranges, .nr = nr };
	c->srcu_idx = srcu_read_lock(&map->changes);
	for (size_t i = 0; i < nr && !c->is_used; i++)
		c->is_used = kvm_host_map_uses(map, ranges[i].start, ranges[i].end);
	SYNC_POINT(host_change_looked);
	if (likely(!c->is_used))
		return;
	c->births = atomic64_load(&map->births);
	kvm_for_each_vm(kvm, map, c->births)
		vm_begin(kvm, c);
	SYNC_POINT(host_change_begun);
}

/*
 * Before any fault can be served anew, and after the old page is out of
 * reach: a fault that resolved the address in between starts over, because
 * its VM's sequence moves.  What is left may be mapped otherwise than before,
 * so nobody believes any more how.
 */
static void tell_the_machine(const struct kvm_host_change *c, bool gone)
{
	for (size_t i = 0; i < c->nr; i++) {
		const struct kvm_hva_range *r = &c->ranges[i];
		const void *host = (const void *)(uintptr_t)r->start;

		if (r->start >= r->end)
			continue;
		if (gone)
			phys_retire(c->module->hw, host, r->end - r->start);
		else
			phys_forget_mapping(c->module->hw, host, r->end - r->start);
	}
}

/* What of @kvm the change was about: one range around all of it.  False: nothing. */
static bool gfns_of(struct kvm *kvm, const struct kvm_host_change *c, gfn_t *start, gfn_t *end)
{
	struct part_iter it = { .c = c, .kvm = kvm };
	int idx = srcu_read_lock(&kvm->srcu);
	struct slot_part part;

	*start = GFN(~0ull);
	*end = GFN(0);
	while (part_next(&it, &part)) {
		start->v = MIN(start->v, part.start.v);
		end->v = MAX(end->v, part.end.v);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return start->v < end->v;
}

/*
 * Afterwards, when memslots may change again: the audit takes slots_lock, whose
 * holder may be waiting for the bracket to be closed.
 */
static void audit_vms(struct kvm_host_map *map, const struct kvm_host_change *c)
{
	int idx = srcu_read_lock(&map->audits);
	struct kvm *kvm;
	gfn_t start, end;

	kvm_for_each_vm(kvm, map, c->births)
		if (kvm->audit && gfns_of(kvm, c, &start, &end))
			kvm->audit(kvm, start, end);
	srcu_read_unlock(&map->audits, idx);
}

void kvm_host_change_end(struct kvm_host_change *c, bool gone)
{
	struct kvm_host_map *map = c->module->host_map;
	struct kvm *kvm;

	tell_the_machine(c, gone);
	if (unlikely(c->is_used)) {
		SYNC_POINT(host_change_done);
		kvm_for_each_vm(kvm, map, c->births)
			vm_end(kvm, c, gone);
	}
	srcu_read_unlock(&map->changes, c->srcu_idx);
	if (unlikely(c->is_used))
		audit_vms(map, c);
}
