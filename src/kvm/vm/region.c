/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * KVM_SET_USER_MEMORY_REGION{,2}: the checks in the kernel's order, then the
 * change of the two copies of the memory map.  The numbers beside the checks
 * are the rows of the table in spec kvm.md 1.2.
 */
#include "kvm/vm/memory.h"

#include <errno.h>
#include <stdlib.h>

#include "kvm/core/memslot.h"
#include "kvm/gmem/gmem.h"
#include "kvm/mmu/mmu.h"

/* Where the user's half of the address space ends: 47 bits less a guard page. */
#define USER_ADDRESS_END	((1ull << 47) - PAGE_SIZE)
#define MAX_SLOT_PAGES		((1ull << 31) - 1)

#define FLAGS_V1		(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)

enum slot_change { SLOT_NOTHING, SLOT_CREATE, SLOT_DELETE, SLOT_MOVE, SLOT_FLAGS };

static uint32_t valid_flags(const struct kvm *kvm, uint32_t asked)
{
	uint32_t valid = 0;

	if (kvm->has_private_mem || kvm->module->abi >= KERNEL_ABI_6_18)
		valid |= KVM_MEM_GUEST_MEMFD;
	/* Private memory is neither logged nor read-only. */
	if (asked & KVM_MEM_GUEST_MEMFD)
		return valid;
	return valid | KVM_MEM_LOG_DIRTY_PAGES | (kvm->has_protected_state ? 0 : KVM_MEM_READONLY);
}

static bool user_range_is_possible(uint64_t address, uint64_t size)
{
	return size <= USER_ADDRESS_END && address <= USER_ADDRESS_END - size;
}

/* Rows 4 to 11: what can be said without looking at the map. */
static int check_request(const struct kvm *kvm, const struct kvm_userspace_memory_region2 *r)
{
	if (r->flags & ~valid_flags(kvm, r->flags))
		return -EINVAL;					/* 4 */
	if (!IS_ALIGNED(r->memory_size, PAGE_SIZE))
		return -EINVAL;					/* 5 */
	if (!IS_ALIGNED(r->guest_phys_addr, PAGE_SIZE))
		return -EINVAL;					/* 6 */
	if (!IS_ALIGNED(r->userspace_addr, PAGE_SIZE) ||
	    !user_range_is_possible(r->userspace_addr, r->memory_size))
		return -EINVAL;					/* 7 */
	if ((r->flags & KVM_MEM_GUEST_MEMFD) &&
	    (!IS_ALIGNED(r->guest_memfd_offset, PAGE_SIZE) ||
	     r->guest_memfd_offset + r->memory_size < r->guest_memfd_offset))
		return -EINVAL;					/* 8 */
	if (r->slot >> 16 >= kvm->nr_address_spaces || (uint16_t)r->slot >= KVM_MEM_SLOTS_NUM)
		return -EINVAL;					/* 9 */
	if (r->guest_phys_addr + r->memory_size < r->guest_phys_addr)
		return -EINVAL;					/* 10 */
	if (r->memory_size >> PAGE_SHIFT > MAX_SLOT_PAGES)
		return -EINVAL;					/* 11 */
	return 0;
}

/* Rows 12 to 15.  Row 13's total cannot overflow: 2 * 32,767 * 2^31 pages. */
static int classify(const struct kvm_memory_slot *old,
		    const struct kvm_userspace_memory_region2 *r, enum slot_change *change)
{
	if (!r->memory_size) {
		*change = SLOT_DELETE;
		return old ? 0 : -EINVAL;
	}
	*change = SLOT_CREATE;
	if (!old)
		return 0;
	if ((r->flags & KVM_MEM_GUEST_MEMFD) || r->userspace_addr != old->userspace_addr.v ||
	    r->memory_size >> PAGE_SHIFT != old->npages ||
	    ((r->flags ^ old->flags) & (KVM_MEM_READONLY | KVM_MEM_GUEST_MEMFD)))
		return -EINVAL;					/* 14 */
	if (r->guest_phys_addr >> PAGE_SHIFT != old->base_gfn.v)
		*change = SLOT_MOVE;
	else
		*change = r->flags != old->flags ? SLOT_FLAGS : SLOT_NOTHING;
	return 0;
}

static bool overlaps_another(struct kvm *kvm, const struct kvm_memory_slot *new)
{
	struct kvm_memslot_iter it;
	struct kvm_memory_slot *s;

	kvm_for_each_memslot_in_gfn_range(s, &it, kvm, new->as_id, new->base_gfn,
					  kvm_slot_end(new))
		if (s->id != new->id)
			return true;
	return false;
}

static struct kvm_memory_slot *make_slot(const struct kvm_userspace_memory_region2 *r)
{
	struct kvm_memory_slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->as_id = r->slot >> 16;
	slot->id = r->slot;
	slot->base_gfn = GFN(r->guest_phys_addr >> PAGE_SHIFT);
	slot->npages = r->memory_size >> PAGE_SHIFT;
	slot->userspace_addr = HVA(r->userspace_addr);
	slot->flags = r->flags;
	return slot;
}

/* Row 19; what it took so far is freed with the slot. */
static int prepare(struct kvm *kvm, const struct kvm_memory_slot *old, struct kvm_memory_slot *new,
		   enum slot_change change)
{
	if (new->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		if (old && old->dirty_bitmap)
			new->dirty_bitmap = old->dirty_bitmap;
		else
			new->dirty_bitmap = calloc((new->npages + 63) / 64, sizeof(uint64_t));
		if (!new->dirty_bitmap)
			return -ENOMEM;
	}
	if (change == SLOT_FLAGS) {
		for (size_t i = 0; i < ARRAY_SIZE(new->lpage); i++)
			new->lpage[i] = old->lpage[i];
		return 0;
	}
	if (kvm_slot_end(new).v > kvm_mmu_max_gfn(kvm->module).v ||
	    kvm_gfn_is_alias(kvm, GFN(kvm_slot_end(new).v - 1)))
		return -EINVAL;
	return kvm_mmu_alloc_slot_metadata(kvm, new);
}

/* Frees what @slot has and @heir has not taken over. */
static void free_slot(struct kvm_memory_slot *slot, const struct kvm_memory_slot *heir)
{
	if (!heir || heir->dirty_bitmap != slot->dirty_bitmap)
		free(slot->dirty_bitmap);
	if (!heir || heir->lpage[0] != slot->lpage[0])
		kvm_mmu_free_slot_metadata(slot);
	free(slot);
}

/*
 * Makes @new take the place of @old in the inactive copy, activates it, and
 * does the same to the other copy, where @twin stands instead of @old.
 */
static void swap_in(struct kvm *kvm, unsigned as_id, struct kvm_memory_slot *old,
		    struct kvm_memory_slot *twin, struct kvm_memory_slot *new)
{
	uint64_t generation;

	if (old != new)
		kvm_memslots_replace(kvm, as_id, old, new);
	generation = kvm_memslots_publish(kvm, as_id);
	kvm_mmu_invalidate_mmio(kvm, generation);
	kvm_memslots_settle(kvm, as_id, generation);
	if (twin != new)
		kvm_memslots_replace(kvm, as_id, twin, new);
}

/*
 * A slot that goes or moves is first replaced by a copy marked INVALID: faults
 * on it wait (retry) instead of seeing a hole, and after the grace period
 * nobody can make a mapping of it any more.  Then its mappings go.  The
 * inactive copy still has @old.
 */
static void hide(struct kvm *kvm, struct kvm_memory_slot *old, struct kvm_memory_slot *invalid)
{
	uint64_t generation;

	*invalid = *old;
	invalid->flags |= KVM_MEMSLOT_INVALID;
	kvm_memslots_replace(kvm, old->as_id, old, invalid);
	generation = kvm_memslots_publish(kvm, old->as_id);
	kvm_mmu_invalidate_mmio(kvm, generation);
	kvm_memslots_settle(kvm, old->as_id, generation);
	SYNC_POINT(memslot_after_invalid_swap);
	kvm_mmu_flush_memslot(kvm, old);
}

/* @new NULL: delete.  On failure everything is as before; @new stays the caller's. */
static int change_slot(struct kvm *kvm, struct kvm_memory_slot *old, struct kvm_memory_slot *new,
		       enum slot_change change)
{
	bool goes = change == SLOT_DELETE || change == SLOT_MOVE;
	unsigned as_id = old ? old->as_id : new->as_id;
	struct kvm_memory_slot *invalid = NULL;
	int r = kvm_memslots_reserve(kvm, as_id, old ? old->id : new->id);

	if (r)
		return r;
	if (goes) {
		invalid = calloc(1, sizeof(*invalid));
		if (!invalid)
			return -ENOMEM;
		hide(kvm, old, invalid);
	}
	if (new)
		r = prepare(kvm, old, new, change);
	if (r) {
		if (goes)
			swap_in(kvm, as_id, old, invalid, old);
		free(invalid);
		return r;
	}
	swap_in(kvm, as_id, old, goes ? invalid : old, new);
	free(invalid);
	if (change == SLOT_FLAGS)
		kvm_mmu_slot_flags_changed(kvm, new, old->flags);
	if (old) {
		kvm_gmem_unbind(old);
		free_slot(old, new);
	}
	return 0;
}

static int add_or_change(struct kvm *kvm, struct kvm_memory_slot *old,
			 const struct kvm_userspace_memory_region2 *region,
			 struct kvm_gmem_arg gmem, enum slot_change change)
{
	struct kvm_memory_slot *new = make_slot(region);
	int r = 0;

	if (!new)
		return -ENOMEM;					/* 17 */
	if (change != SLOT_FLAGS && overlaps_another(kvm, new)) {
		free(new);
		return -EEXIST;					/* 16 */
	}
	if (new->flags & KVM_MEM_GUEST_MEMFD)			/* 18 */
		r = gmem.error ? gmem.error
			       : kvm_gmem_bind(kvm, new, gmem.file, region->guest_memfd_offset);
	if (!r) {
		r = change_slot(kvm, old, new, change);
		if (r)
			kvm_gmem_unbind(new);
	}
	if (r)
		free_slot(new, old);
	return r;
}

static int set_region(struct kvm *kvm, const struct kvm_userspace_memory_region2 *region,
		      struct kvm_gmem_arg gmem)
{
	struct kvm_memory_slot *old;
	enum slot_change change;
	int r = check_request(kvm, region);

	if (r)
		return r;
	old = kvm_id_to_memslot(kvm, region->slot >> 16, (uint16_t)region->slot);
	r = classify(old, region, &change);
	if (r || change == SLOT_NOTHING)
		return r;
	if (change == SLOT_DELETE)
		return change_slot(kvm, old, NULL, change);
	return add_or_change(kvm, old, region, gmem, change);
}

/* What a change of this region can have touched: where it was, where it shall be. */
static void hull_of(struct kvm *kvm, const struct kvm_userspace_memory_region2 *args, gfn_t *start,
		    gfn_t *end)
{
	const struct kvm_memory_slot *old = NULL;

	*start = gpa_to_gfn(GPA(args->guest_phys_addr));
	*end = GFN(start->v + (args->memory_size >> PAGE_SHIFT));
	if (args->slot >> 16 < kvm->nr_address_spaces)
		old = kvm_id_to_memslot(kvm, args->slot >> 16, (uint16_t)args->slot);
	if (!old)
		return;
	start->v = MIN(start->v, old->base_gfn.v);
	end->v = MAX(end->v, kvm_slot_end(old).v);
}

int kvm_vm_set_memory_region(struct kvm *kvm, const struct kvm_userspace_memory_region2 *args,
			     bool v1, struct kvm_gmem_arg gmem)
{
	gfn_t start, end;
	int r;

	if (v1 && (args->flags & ~FLAGS_V1))
		return -EINVAL;					/* 2 */
	if ((uint16_t)args->slot >= KVM_USER_MEM_SLOTS)
		return -EINVAL;					/* 3 */
	mutex_lock(&kvm->slots_lock);
	hull_of(kvm, args, &start, &end);
	r = set_region(kvm, args, gmem);
	mutex_unlock(&kvm->slots_lock);
	if (!r)
		TRACE(kvm->module->trace, softcvm_memslot, args->slot >> 16, args->slot & 0xffff,
		      args->guest_phys_addr >> PAGE_SHIFT, args->memory_size >> PAGE_SHIFT,
		      args->flags);
	if (kvm->audit && start.v < end.v)
		kvm->audit(kvm, start, end);
	return r;
}

int kvm_vm_set_internal_slot(struct kvm *kvm, unsigned id, gpa_t gpa, void *memory, size_t size)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = id,
		.guest_phys_addr = gpa.v,
		.memory_size = size,
		.userspace_addr = (uintptr_t)memory,
	};
	int r;

	mutex_lock(&kvm->slots_lock);
	r = set_region(kvm, &region, (struct kvm_gmem_arg){ 0 });
	mutex_unlock(&kvm->slots_lock);
	return r;
}

void kvm_vm_free_memory(struct kvm *kvm)
{
	mutex_lock(&kvm->slots_lock);
	for (unsigned as_id = 0; as_id < KVM_MAX_ADDRESS_SPACES; as_id++) {
		struct kvm_memslot_iter it;
		struct kvm_memory_slot *s;

		while ((s = kvm_memslot_first(&it, kvm, as_id, GFN(0), GFN(~0ull)))) {
			kvm_memslots_forget(kvm, s);
			kvm_gmem_unbind(s);
			free_slot(s, NULL);
		}
	}
	mutex_unlock(&kvm->slots_lock);
}
