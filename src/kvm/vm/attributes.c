/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* KVM_SET_MEMORY_ATTRIBUTES: spec kvm.md 1.4 and 5.2. */
#include <errno.h>

#include "kvm/core/attr.h"
#include "kvm/core/memslot.h"
#include "kvm/core/request.h"
#include "kvm/gmem/gmem.h"
#include "kvm/host/map.h"
#include "kvm/mmu/mmu.h"
#include "kvm/vm/memory.h"
#include "trace/counters.h"

static uint64_t supported(const struct kvm *kvm)
{
	return kvm->has_private_mem ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
}

static bool any_slot(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_memslot_iter it;
	bool any = false;

	for (unsigned as_id = 0; as_id < kvm->nr_address_spaces; as_id++)
		any |= kvm_memslot_first(&it, kvm, as_id, start, end) != NULL;
	return any;
}

/* From here on no fault on the range installs anything; what is there goes. */
static void begin(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t attrs)
{
	struct kvm_memslot_iter it;
	struct kvm_memory_slot *slot;
	bool flush = false;

	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_begin(kvm);
	for (unsigned as_id = 0; as_id < kvm->nr_address_spaces; as_id++)
		kvm_for_each_memslot_in_gfn_range(slot, &it, kvm, as_id, start, end)
			flush = kvm_mmu_pre_set_attributes(kvm, slot, start, end, attrs, flush);
	if (flush)
		kvm_flush_remote_tlbs(kvm);
	write_unlock(&kvm->mmu_lock);
}

/*
 * One lock hold for the whole of it: nobody may see the new sequence number
 * together with an old idea of which huge pages are mixed.
 */
static void end_and_update_mixed(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_memslot_iter it;
	struct kvm_memory_slot *slot;

	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_end(kvm);
	for (unsigned as_id = 0; as_id < kvm->nr_address_spaces; as_id++)
		kvm_for_each_memslot_in_gfn_range(slot, &it, kvm, as_id, start, end)
			kvm_mmu_update_mixed(kvm, slot, start, end);
	write_unlock(&kvm->mmu_lock);
}

static int set_attributes(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t attrs)
{
	/* Where no slot is nothing is mapped: no bracket, no new sequence number. */
	bool bracket = any_slot(kvm, start, end);
	int r;

	if (kvm_range_has_memory_attributes(kvm, start, end, KVM_MEMORY_ATTRIBUTE_PRIVATE, attrs))
		return 0;
	r = kvm_attributes_prepare(kvm, start, end, attrs);
	if (r)
		return r;
	if (bracket)
		begin(kvm, start, end, attrs);
	SYNC_POINT(attr_after_pre);
	kvm_attributes_store(kvm, start, end, attrs);
	SYNC_POINT(attr_after_store);
	kvm_gmem_converted(kvm, start, end);
	if (bracket)
		end_and_update_mixed(kvm, start, end);
	kvm_wait_for_short_maps(kvm);
	counter_add(kvm->module->counters, COUNTER_CONVERSIONS, 1);
	return 0;
}

int kvm_vm_set_memory_attributes(struct kvm *kvm, const struct kvm_memory_attributes *args)
{
	gfn_t start = GFN(args->address >> PAGE_SHIFT);
	gfn_t end = GFN((args->address + args->size) >> PAGE_SHIFT);
	int r;

	if (args->flags)
		return -EINVAL;
	if (args->attributes & ~supported(kvm))
		return -EINVAL;
	if (!args->size || args->address + args->size < args->address)
		return -EINVAL;
	if (!IS_ALIGNED(args->address, PAGE_SIZE) || !IS_ALIGNED(args->size, PAGE_SIZE))
		return -EINVAL;
	mutex_lock(&kvm->slots_lock);
	r = set_attributes(kvm, start, end, args->attributes);
	mutex_unlock(&kvm->slots_lock);
	TRACE(kvm->module->trace, softcvm_attributes, start.v, end.v,
	      args->attributes & KVM_MEMORY_ATTRIBUTE_PRIVATE, (uint64_t)(int64_t)r);
	if (kvm->audit)
		kvm->audit(kvm, start, end);
	return r;
}
