/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/core/memslot.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "kvm/core/host_map.h"

#define ID_CHUNK	512

/* One copy of one address space. */
struct slot_set {
	atomic64_t		 generation;
	atomicptr_t		 last;		/* hint: the slot found last */
	struct range_tree	 by_gfn, by_hva;
	struct kvm_memory_slot	**by_id[KVM_MEM_SLOTS_NUM / ID_CHUNK + 1];
	unsigned		 copy;		/* which nodes of a slot are ours */
} CACHE_ALIGNED;

struct kvm_memslots {
	struct slot_set	sets[KVM_MAX_ADDRESS_SPACES][2];
	atomicptr_t	active[KVM_MAX_ADDRESS_SPACES];
};

static struct slot_set *active_set(struct kvm *kvm, unsigned as_id)
{
	return atomicptr_load_acquire(&kvm->memslots->active[as_id]);
}

static struct slot_set *inactive_set(struct kvm *kvm, unsigned as_id)
{
	return &kvm->memslots->sets[as_id][!active_set(kvm, as_id)->copy];
}

int kvm_memslots_create(struct kvm *kvm)
{
	struct kvm_memslots *all = aligned_alloc(64, sizeof(*all));

	if (!all)
		return -ENOMEM;
	*all = (struct kvm_memslots){ 0 };
	for (unsigned as = 0; as < KVM_MAX_ADDRESS_SPACES; as++) {
		for (unsigned copy = 0; copy < 2; copy++) {
			struct slot_set *set = &all->sets[as][copy];

			set->copy = copy;
			atomic64_init(&set->generation, as);
			range_tree_init(&set->by_gfn);
			range_tree_init(&set->by_hva);
		}
		atomicptr_init(&all->active[as], &all->sets[as][0]);
	}
	kvm->memslots = all;
	return 0;
}

void kvm_memslots_destroy(struct kvm *kvm)
{
	for (unsigned as = 0; as < KVM_MAX_ADDRESS_SPACES; as++) {
		for (unsigned copy = 0; copy < 2; copy++) {
			struct slot_set *set = &kvm->memslots->sets[as][copy];

			BUG_ON(set->by_gfn.root);
			for (size_t i = 0; i < ARRAY_SIZE(set->by_id); i++)
				free(set->by_id[i]);
		}
	}
	free(kvm->memslots);
	kvm->memslots = NULL;
}

static struct kvm_memory_slot *slot_of(struct range_node *n, unsigned copy, bool by_hva)
{
	if (!n)
		return NULL;
	return by_hva ? container_of(n, struct kvm_memory_slot, hva_node[copy])
		      : container_of(n, struct kvm_memory_slot, gfn_node[copy]);
}

static bool slot_has(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return slot && gfn.v - slot->base_gfn.v < slot->npages;
}

static struct kvm_memory_slot *set_find(struct slot_set *set, gfn_t gfn)
{
	return slot_of(range_tree_first(&set->by_gfn, gfn.v, gfn.v + 1), set->copy, false);
}

struct kvm_memory_slot *kvm_gfn_to_memslot(struct kvm *kvm, unsigned as_id, gfn_t gfn)
{
	struct slot_set *set = active_set(kvm, as_id);
	struct kvm_memory_slot *slot = atomicptr_load_acquire(&set->last);

	if (slot_has(slot, gfn))
		return slot;
	slot = set_find(set, gfn);
	if (slot)
		atomicptr_store_release(&set->last, slot);
	return slot;
}

struct kvm_memory_slot *kvm_vcpu_gfn_to_memslot(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	struct slot_set *set = active_set(vcpu->kvm, 0);
	uint64_t generation = atomic64_load_acquire(&set->generation);

	if (vcpu->last_slot_generation != generation) {
		vcpu->last_slot = NULL;
		vcpu->last_slot_generation = generation;
	}
	if (!slot_has(vcpu->last_slot, gfn)) {
		struct kvm_memory_slot *slot = set_find(set, gfn);

		if (!slot)
			return NULL;
		vcpu->last_slot = slot;
	}
	return vcpu->last_slot;
}

struct kvm_memory_slot *kvm_id_to_memslot(struct kvm *kvm, unsigned as_id, unsigned id)
{
	struct kvm_memory_slot **chunk = active_set(kvm, as_id)->by_id[id / ID_CHUNK];

	return chunk ? chunk[id % ID_CHUNK] : NULL;
}

uint64_t kvm_memslots_generation(struct kvm *kvm, unsigned as_id)
{
	return atomic64_load_acquire(&active_set(kvm, as_id)->generation);
}

void kvm_memslots_set_generation(struct kvm *kvm, unsigned as_id, uint64_t generation)
{
	atomic64_store_release(&active_set(kvm, as_id)->generation, generation);
}

struct kvm_memory_slot *kvm_memslot_first(struct kvm_memslot_iter *it, struct kvm *kvm,
					  unsigned as_id, gfn_t start, gfn_t end)
{
	struct slot_set *set = active_set(kvm, as_id);

	*it = (struct kvm_memslot_iter){ .start = start.v, .end = end.v, .copy = set->copy };
	it->node = range_tree_first(&set->by_gfn, it->start, it->end);
	return slot_of(it->node, it->copy, it->by_hva);
}

struct kvm_memory_slot *kvm_memslot_first_hva(struct kvm_memslot_iter *it, struct kvm *kvm,
					      unsigned as_id, hva_t start, hva_t end)
{
	struct slot_set *set = active_set(kvm, as_id);

	*it = (struct kvm_memslot_iter){ .start = start.v, .end = end.v, .copy = set->copy,
					 .by_hva = true };
	it->node = range_tree_first(&set->by_hva, it->start, it->end);
	return slot_of(it->node, it->copy, it->by_hva);
}

struct kvm_memory_slot *kvm_memslot_next(struct kvm_memslot_iter *it)
{
	it->node = range_tree_next(it->node, it->start, it->end);
	return slot_of(it->node, it->copy, it->by_hva);
}

/* Both copies, since what is in one will soon be in the other. */
int kvm_memslots_reserve(struct kvm *kvm, unsigned as_id, unsigned id)
{
	lock_assert_held_mutex(&kvm->slots_lock);
	for (unsigned copy = 0; copy < 2; copy++) {
		struct kvm_memory_slot ***chunk = &kvm->memslots->sets[as_id][copy]
							.by_id[id / ID_CHUNK];
		struct kvm_memory_slot **fresh;

		if (*chunk)
			continue;
		fresh = calloc(ID_CHUNK, sizeof(*fresh));
		if (!fresh)
			return -ENOMEM;
		__atomic_store_n(chunk, fresh, __ATOMIC_RELEASE);
	}
	return 0;
}

static uint64_t hva_end(const struct kvm_memory_slot *slot)
{
	return slot->userspace_addr.v + (slot->npages << PAGE_SHIFT);
}

static void set_replace(struct kvm_host_map *map, struct slot_set *set,
			struct kvm_memory_slot *old, struct kvm_memory_slot *new)
{
	unsigned id = old ? old->id : new->id, c = set->copy;

	/* Each copy counts for itself, so that nobody has to remember. */
	if (map && new)
		kvm_host_map_count(map, new->userspace_addr.v, hva_end(new));
	if (old) {
		range_tree_remove(&set->by_gfn, &old->gfn_node[c]);
		range_tree_remove(&set->by_hva, &old->hva_node[c]);
	}
	if (map && old)
		kvm_host_map_uncount(map, old->userspace_addr.v, hva_end(old));
	if (new) {
		range_tree_insert(&set->by_gfn, &new->gfn_node[c], new->base_gfn.v,
				  kvm_slot_end(new).v);
		range_tree_insert(&set->by_hva, &new->hva_node[c], new->userspace_addr.v,
				  hva_end(new));
	}
	set->by_id[id / ID_CHUNK][id % ID_CHUNK] = new;
	atomicptr_store_relaxed(&set->last, NULL);
}

void kvm_memslots_replace(struct kvm *kvm, unsigned as_id, struct kvm_memory_slot *old,
			  struct kvm_memory_slot *new)
{
	lock_assert_held_mutex(&kvm->slots_lock);
	set_replace(kvm->module->host_map, inactive_set(kvm, as_id), old, new);
}

void kvm_memslots_forget(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	for (unsigned copy = 0; copy < 2; copy++)
		set_replace(kvm->module->host_map, &kvm->memslots->sets[slot->as_id][copy],
			    slot, NULL);
}

void kvm_memslots_block(struct kvm *kvm)
{
	spin_lock(&kvm->mn.lock);
	kvm->mn.active_invalidate_count++;
	spin_unlock(&kvm->mn.lock);
}

void kvm_memslots_unblock(struct kvm *kvm)
{
	bool was_last;

	spin_lock(&kvm->mn.lock);
	was_last = !--kvm->mn.active_invalidate_count;
	spin_unlock(&kvm->mn.lock);
	if (was_last)
		waitq_wake_all(&kvm->mn.drained);
}

/* False, and nothing done, while a change of host mappings is under way. */
static bool try_swap(struct kvm *kvm, unsigned as_id, struct slot_set *set)
{
	bool is_free;

	spin_lock(&kvm->mn.lock);
	is_free = !kvm->mn.active_invalidate_count;
	if (is_free)
		atomicptr_store_release(&kvm->memslots->active[as_id], set);
	spin_unlock(&kvm->mn.lock);
	return is_free;
}

/*
 * Whoever takes host memory away does so for the slots of before, from begin
 * to end, or for those of afterwards (B17).
 */
static void swap(struct kvm *kvm, unsigned as_id, struct slot_set *set)
{
	/* First those that found nothing, when the new slot was not counted yet. */
	if (kvm->module->host_map)
		srcu_synchronize(&kvm->module->host_map->changes);
	SYNC_POINT(memslot_before_swap);
	waitq_wait(&kvm->mn.drained, try_swap(kvm, as_id, set));
}

uint64_t kvm_memslots_publish(struct kvm *kvm, unsigned as_id)
{
	struct slot_set *set = inactive_set(kvm, as_id);
	uint64_t generation = atomic64_load_acquire(&active_set(kvm, as_id)->generation);

	lock_assert_held_mutex(&kvm->slots_lock);
	BUG_ON(generation & KVM_GENERATION_IN_PROGRESS);
	/*
	 * What is cached from now on, about the new set, while somebody may
	 * still work with the old one, must never look current.
	 */
	atomic64_store_relaxed(&set->generation, generation | KVM_GENERATION_IN_PROGRESS);
	swap(kvm, as_id, set);
	SYNC_POINT(memslot_after_swap);
	srcu_synchronize(&kvm->srcu);
	return generation + kvm->nr_address_spaces;
}

void kvm_memslots_settle(struct kvm *kvm, unsigned as_id, uint64_t generation)
{
	atomic64_store_release(&active_set(kvm, as_id)->generation, generation);
}

void kvm_mark_page_dirty_in_slot(struct kvm_memory_slot *slot, gfn_t gfn)
{
	uint64_t page = gfn.v - slot->base_gfn.v;

	if (kvm_slot_is_dirty_logged(slot) && slot->dirty_bitmap)
		sync_word_or(&slot->dirty_bitmap[page / 64], BIT(page % 64));
}
