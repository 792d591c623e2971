/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/core/host_map.h"

#include <errno.h>
#include <stdlib.h>

#include "kvm/core/kvm.h"

#define FANOUT_BITS	9
#define FANOUT		(1u << FANOUT_BITS)
#define LEAF_SHIFT	21
#define ROOT_SHIFT	(LEAF_SHIFT + 2 * FANOUT_BITS)
#define MAP_END		(1ull << (ROOT_SHIFT + FANOUT_BITS))	/* 2^48: more than a user has */

/* Of an entry of `whole`: once there was no memory for its child; it stays used. */
#define COARSE		(1u << 31)

/* Nodes stay until the map goes: readers need no protection. */
struct hva_node {
	atomic32_t	whole[FANOUT];	/* ranges that cover the entry; leaf: that touch it */
	atomic32_t	below[FANOUT];	/* ranges that touch it, counted in the child */
	atomicptr_t	child[FANOUT];	/* leaf: none */
};

/* The part of [start, end) that lies in entry i, relative to the entry's start. */
struct part {
	uint64_t	start, end;
	bool		is_all;
};

static struct part part_of(uint64_t start, uint64_t end, uint64_t i, unsigned shift)
{
	uint64_t lo = i << shift, hi = (i + 1) << shift;
	struct part p = { MAX(start, lo) - lo, MIN(end, hi) - lo, false };

	p.is_all = p.end - p.start == hi - lo;
	return p;
}

static struct hva_node *child_make(struct hva_node *node, uint64_t i)
{
	struct hva_node *child = atomicptr_load_relaxed(&node->child[i]);

	if (!child) {
		child = calloc(1, sizeof(*child));
		atomicptr_store_release(&node->child[i], child);
	}
	return child;
}

static void count(struct hva_node *node, unsigned shift, uint64_t start, uint64_t end, bool up)
{
	for (uint64_t i = start >> shift; i <= (end - 1) >> shift; i++) {
		struct part p = part_of(start, end, i, shift);
		struct hva_node *child;

		if (atomic32_load_relaxed(&node->whole[i]) & COARSE)
			continue;
		if (p.is_all || shift == LEAF_SHIFT) {
			atomic32_add(&node->whole[i], up ? 1 : -1u);
			continue;
		}
		child = child_make(node, i);
		if (!child) {
			atomic32_or(&node->whole[i], COARSE);
			continue;
		}
		atomic32_add(&node->below[i], up ? 1 : -1u);
		count(child, shift - FANOUT_BITS, p.start, p.end, up);
	}
}

static bool uses(const struct hva_node *node, unsigned shift, uint64_t start, uint64_t end)
{
	for (uint64_t i = start >> shift; i <= (end - 1) >> shift; i++) {
		struct part p;

		if (atomic32_load_acquire(&node->whole[i]))
			return true;
		if (likely(!atomic32_load_acquire(&node->below[i])))
			continue;
		p = part_of(start, end, i, shift);
		if (p.is_all || uses(atomicptr_load_acquire(&node->child[i]),
				     shift - FANOUT_BITS, p.start, p.end))
			return true;
	}
	return false;
}

static void change_count(struct kvm_host_map *map, uint64_t start, uint64_t end, bool up)
{
	end = MIN(end, MAP_END);
	if (start >= end)
		return;
	mutex_lock(&map->lock);
	count(map->root, ROOT_SHIFT, start, end, up);
	mutex_unlock(&map->lock);
}

void kvm_host_map_count(struct kvm_host_map *map, uint64_t start, uint64_t end)
{
	change_count(map, start, end, true);
	atomic64_add(&map->nr_slots, 1);
	atomic64_add(&map->version, 1);
}

void kvm_host_map_uncount(struct kvm_host_map *map, uint64_t start, uint64_t end)
{
	change_count(map, start, end, false);
	atomic64_sub(&map->nr_slots, 1);
}

bool kvm_host_map_uses(const struct kvm_host_map *map, uint64_t start, uint64_t end)
{
	end = MIN(end, MAP_END);
	return start < end && uses(map->root, ROOT_SHIFT, start, end);
}

static void node_free(struct hva_node *node)
{
	for (unsigned i = 0; i < FANOUT; i++) {
		struct hva_node *child = atomicptr_load_relaxed(&node->child[i]);

		if (child)
			node_free(child);
	}
	free(node);
}

int kvm_host_map_create(struct kvm_module *module)
{
	struct kvm_host_map *map = calloc(1, sizeof(*map));

	if (!map)
		return -ENOMEM;
	map->root = calloc(1, sizeof(*map->root));
	if (!map->root || srcu_init(&map->changes))
		goto out_free;
	if (srcu_init(&map->audits))
		goto out_changes;
	mutex_init(&map->lock, "host map", RANK_LEAF);
	module->host_map = map;
	return 0;
out_changes:
	srcu_fini(&map->changes);
out_free:
	free(map->root);
	free(map);
	return -ENOMEM;
}

void kvm_host_map_destroy(struct kvm_module *module)
{
	struct kvm_host_map *map = module->host_map;

	if (!map)
		return;
	module->host_map = NULL;
	mutex_fini(&map->lock);
	srcu_fini(&map->audits);
	srcu_fini(&map->changes);
	node_free(map->root);
	free(map);
}

void kvm_host_map_add_vm(struct kvm *kvm)
{
	struct kvm_host_map *map = kvm->module->host_map;

	if (!map)
		return;
	mutex_lock(&map->lock);
	/* Counted when it can be found: who reads births finds all of them. */
	kvm->birth = atomic64_load_relaxed(&map->births) + 1;
	kvm->next_vm = map->vms;
	rcu_assign_pointer(map->vms, kvm);
	atomic64_store(&map->births, kvm->birth);
	mutex_unlock(&map->lock);
}

void kvm_host_map_remove_vm(struct kvm *kvm)
{
	struct kvm_host_map *map = kvm->module->host_map;
	struct kvm **p;

	if (!map || !kvm->birth)
		return;
	mutex_lock(&map->lock);
	for (p = &map->vms; *p != kvm; p = &(*p)->next_vm)
		;
	rcu_assign_pointer(*p, kvm->next_vm);
	mutex_unlock(&map->lock);
	srcu_synchronize(&map->changes);
	srcu_synchronize(&map->audits);
	kvm->birth = 0;
}

struct kvm *kvm_host_map_first_vm(struct kvm_host_map *map, uint64_t births)
{
	struct kvm *kvm = rcu_dereference(map->vms);

	while (kvm && kvm->birth > births)
		kvm = rcu_dereference(kvm->next_vm);
	return kvm;
}

struct kvm *kvm_host_map_next_vm(struct kvm *kvm)
{
	return rcu_dereference(kvm->next_vm);
}
