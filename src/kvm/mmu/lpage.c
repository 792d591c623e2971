/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/mmu/lpage.h"

#include <errno.h>
#include <stdlib.h>

#include "kvm/core/attr.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/tdp_mmu.h"

static uint64_t lpage_index(const struct kvm_memory_slot *slot, gfn_t gfn, uint8_t level)
{
	unsigned shift = PG_LEVEL_SHIFT(level) - PAGE_SHIFT;

	return (gfn.v >> shift) - (slot->base_gfn.v >> shift);
}

struct kvm_lpage_info *lpage_info(const struct kvm_memory_slot *slot, gfn_t gfn, uint8_t level)
{
	return &slot->lpage[level - PG_LEVEL_2M][lpage_index(slot, gfn, level)];
}

static bool lies_in_slot(const struct kvm_memory_slot *slot, gfn_t huge, uint8_t level)
{
	return huge.v >= slot->base_gfn.v &&
	       huge.v + PG_LEVEL_PAGES(level) <= kvm_slot_end(slot).v;
}

static gfn_t huge_of(gfn_t gfn, uint8_t level)
{
	return GFN(gfn.v & ~(PG_LEVEL_PAGES(level) - 1));
}

static void update_one(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t huge, uint8_t level)
{
	struct kvm_lpage_info *info = lpage_info(slot, huge, level);
	gfn_t end = GFN(huge.v + PG_LEVEL_PAGES(level));
	uint64_t attrs = kvm_get_memory_attributes(kvm, huge);

	if (kvm_range_has_memory_attributes(kvm, huge, end, KVM_MEMORY_ATTRIBUTE_PRIVATE, attrs))
		info->disallow &= ~KVM_LPAGE_MIXED;
	else
		info->disallow |= KVM_LPAGE_MIXED;
}

static void disallow_misaligned(struct kvm_memory_slot *slot, uint8_t level)
{
	uint64_t n = lpage_index(slot, GFN(kvm_slot_end(slot).v - 1), level) + 1;
	struct kvm_lpage_info *info = slot->lpage[level - PG_LEVEL_2M];
	uint64_t ugfn = slot->userspace_addr.v >> PAGE_SHIFT;

	if (slot->base_gfn.v & (PG_LEVEL_PAGES(level) - 1))
		info[0].disallow++;
	if (kvm_slot_end(slot).v & (PG_LEVEL_PAGES(level) - 1))
		info[n - 1].disallow++;
	if ((slot->base_gfn.v ^ ugfn) & (PG_LEVEL_PAGES(level) - 1))
		for (uint64_t i = 0; i < n; i++)
			info[i].disallow = 1;
}

int kvm_mmu_alloc_slot_metadata(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	for (uint8_t level = PG_LEVEL_2M; level <= PG_LEVEL_MAX_LEAF; level++) {
		uint64_t n = lpage_index(slot, GFN(kvm_slot_end(slot).v - 1), level) + 1;
		gfn_t gfn = GFN(ALIGN_UP(slot->base_gfn.v, PG_LEVEL_PAGES(level)));
		struct kvm_lpage_info *info = calloc(n, sizeof(*info));

		if (!info) {
			kvm_mmu_free_slot_metadata(slot);
			return -ENOMEM;
		}
		slot->lpage[level - PG_LEVEL_2M] = info;
		disallow_misaligned(slot, level);
		for (; kvm->has_private_mem && lies_in_slot(slot, gfn, level);
		     gfn.v += PG_LEVEL_PAGES(level))
			update_one(kvm, slot, gfn, level);
	}
	return 0;
}

void kvm_mmu_free_slot_metadata(struct kvm_memory_slot *slot)
{
	for (size_t i = 0; i < ARRAY_SIZE(slot->lpage); i++) {
		free(slot->lpage[i]);
		slot->lpage[i] = NULL;
	}
}

void kvm_mmu_update_mixed(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t start, gfn_t end)
{
	lock_assert_held_write(&kvm->mmu_lock);
	if (!kvm->has_private_mem)
		return;
	start.v = MAX(start.v, slot->base_gfn.v);
	end.v = MIN(end.v, kvm_slot_end(slot).v);
	for (uint8_t level = PG_LEVEL_2M; level <= PG_LEVEL_MAX_LEAF; level++) {
		gfn_t gfn = huge_of(start, level);

		for (; gfn.v < end.v; gfn.v += PG_LEVEL_PAGES(level)) {
			/* Those that stick out of the slot are no huge pages. */
			if (!lies_in_slot(slot, gfn, level))
				continue;
			if (gfn.v >= start.v && gfn.v + PG_LEVEL_PAGES(level) <= end.v)
				lpage_info(slot, gfn, level)->disallow &= ~KVM_LPAGE_MIXED;
			else
				update_one(kvm, slot, gfn, level);
		}
	}
}

/*
 * A huge page that sticks out of [start, end) could be installed by a fault on
 * a frame outside, as long as it is not known to be mixed: it is in the hull.
 */
static void add_to_hull(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t gfn, gfn_t start,
			gfn_t end)
{
	for (uint8_t level = PG_LEVEL_2M; level <= PG_LEVEL_MAX_LEAF; level++) {
		gfn_t huge = huge_of(gfn, level);
		gfn_t huge_end = GFN(huge.v + PG_LEVEL_PAGES(level));

		if (!lies_in_slot(slot, huge, level) ||
		    (huge.v >= start.v && huge_end.v <= end.v) ||
		    (lpage_info(slot, huge, level)->disallow & KVM_LPAGE_MIXED))
			continue;
		kvm_mmu_invalidate_range_add(kvm, huge, huge_end);
	}
}

bool kvm_mmu_pre_set_attributes(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t start,
				gfn_t end, uint64_t attrs, bool flush)
{
	unsigned filter = attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE ? KVM_FILTER_SHARED
							       : KVM_FILTER_PRIVATE;

	lock_assert_held_write(&kvm->mmu_lock);
	start.v = MAX(start.v, slot->base_gfn.v);
	end.v = MIN(end.v, kvm_slot_end(slot).v);
	kvm_mmu_invalidate_range_add(kvm, start, end);
	if (!kvm->has_private_mem)
		return flush;
	add_to_hull(kvm, slot, start, start, end);
	add_to_hull(kvm, slot, GFN(end.v - 1), start, end);
	return kvm_mmu_unmap_range(kvm, slot, start, end, filter, flush);
}

/*
 * A huge page over what is being taken away at this moment would outlive it:
 * who takes it away has zapped its range already.  The page of the fault itself
 * is known not to be in it.
 */
static bool touches_change(struct kvm *kvm, gfn_t gfn, uint8_t level)
{
	gfn_t huge = huge_of(gfn, level);

	return invalidate_touches(kvm, huge, GFN(huge.v + PG_LEVEL_PAGES(level)));
}

uint8_t lpage_max_level(struct kvm *kvm, const struct kvm_page_fault *fault)
{
	uint8_t level = MIN(fault->max_level, PG_LEVEL_MAX_LEAF), limit;

	if (!fault->slot || level <= PG_LEVEL_4K || kvm_slot_is_dirty_logged(fault->slot))
		return PG_LEVEL_4K;
	level = MIN(level, MAX(fault->host_level, PG_LEVEL_4K));
	limit = kvm->ops->max_mapping_level(kvm, fault->page, fault->is_private);
	if (limit != PG_LEVEL_NONE)
		level = MIN(level, limit);
	while (level > PG_LEVEL_4K && lpage_info(fault->slot, fault->gfn, level)->disallow)
		level--;
	/* The page must sit in the huge page as the gfn does. */
	while (level > PG_LEVEL_4K && ((fault->page.v >> PAGE_SHIFT) ^ fault->gfn.v) &
				      (PG_LEVEL_PAGES(level) - 1))
		level--;
	while (level > PG_LEVEL_4K && touches_change(kvm, fault->gfn, level))
		level--;
	return level;
}
