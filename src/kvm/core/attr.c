/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * An entry of a node is SHARED, PRIVATE, or the address of the child below.
 * A node of level L has 512 entries of 512^(L-1) frames each; the child of a
 * level-2 entry is a leaf, one bit a frame.  The root word is the address of
 * the topmost node with its level in the low bits, or 0 (all shared); frames
 * above what it covers are shared.
 */
#include "kvm/core/attr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kvm/core/memslot.h"

#define FANOUT		512u
#define FANOUT_SHIFT	9
#define LEVEL_MASK	7ull
#define MAX_LEVEL	6u		/* 54 bits; a gfn has 52 */

enum { SHARED = 0, PRIVATE = 1 };	/* smaller than any address */

struct attr_leaf {
	uint64_t	bits[FANOUT / 64];
	unsigned	nr_private;	/* [S] */
	struct rcu_head	rcu;
};

struct attr_node {
	uint64_t	entry[FANOUT];
	unsigned	nr[2];		/* [S] entries that are SHARED, PRIVATE */
	struct rcu_head	rcu;
};

struct kvm_attributes {
	uint64_t	root;
	/* [S] spare ones, chained through their first word */
	struct attr_node *nodes;
	struct attr_leaf *leaves;
	unsigned	nr_spare_nodes, nr_spare_leaves;
	size_t		nr_nodes, nr_leaves;	/* [S] in the tree */
};

static_assert(_Alignof(struct attr_node) > LEVEL_MASK, "the level fits below the address");

static unsigned entry_shift(unsigned level)
{
	return FANOUT_SHIFT * (level - 1);
}

static unsigned root_level(uint64_t root)
{
	return root & LEVEL_MASK;
}

static struct attr_node *root_node(uint64_t root)
{
	return (struct attr_node *)(uintptr_t)(root & ~LEVEL_MASK);
}

/* First frame that the tree does not reach. */
static uint64_t root_end(uint64_t root)
{
	return root ? 1ull << (FANOUT_SHIFT * root_level(root)) : 0;
}

static bool is_child(uint64_t entry)
{
	return entry > PRIVATE;
}

static struct attr_node *child_node(uint64_t entry)
{
	return (struct attr_node *)(uintptr_t)entry;
}

static struct attr_leaf *child_leaf(uint64_t entry)
{
	return (struct attr_leaf *)(uintptr_t)entry;
}

/* ---- reading ------------------------------------------------------------ */

static bool look_up(const struct kvm_attributes *a, uint64_t gfn)
{
	uint64_t root = sync_word_load(&a->root), entry = root & ~LEVEL_MASK;

	if (gfn >= root_end(root))
		return false;
	for (unsigned level = root_level(root); level >= 2; level--) {
		unsigned i = (gfn >> entry_shift(level)) % FANOUT;

		entry = sync_word_load(&child_node(entry)->entry[i]);
		if (!is_child(entry))
			return entry == PRIVATE;
	}
	return sync_word_load(&child_leaf(entry)->bits[gfn % FANOUT / 64]) >> (gfn % 64) & 1;
}

uint64_t kvm_get_memory_attributes(struct kvm *kvm, gfn_t gfn)
{
	return kvm_mem_is_private(kvm, gfn) ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
}

bool kvm_mem_is_private(struct kvm *kvm, gfn_t gfn)
{
	bool private;

	rcu_read_lock();
	private = look_up(kvm->attributes, gfn.v);
	rcu_read_unlock();
	return private;
}

/* The bits of word @w that lie in [start, end) of the leaf. */
static uint64_t word_mask(unsigned w, uint64_t start, uint64_t end)
{
	uint64_t lo = w * 64ull, hi = lo + 64, mask = ~0ull;

	if (start >= hi || end <= lo)
		return 0;
	if (start > lo)
		mask &= ~0ull << (start - lo);
	if (end < hi)
		mask &= ~0ull >> (hi - end);
	return mask;
}

static bool leaf_is(const struct attr_leaf *leaf, uint64_t start, uint64_t end, unsigned value)
{
	for (unsigned w = start / 64; w <= (end - 1) / 64; w++) {
		uint64_t mask = word_mask(w, start, end);

		if ((sync_word_load(&leaf->bits[w]) & mask) != (value ? mask : 0))
			return false;
	}
	return true;
}

/* [start, end): relative to @node's first frame. */
static bool node_is(const struct attr_node *node, unsigned level, uint64_t start, uint64_t end,
		    unsigned value)
{
	unsigned shift = entry_shift(level);

	for (uint64_t i = start >> shift; i <= (end - 1) >> shift; i++) {
		uint64_t entry = sync_word_load(&node->entry[i]), base = i << shift;
		uint64_t from = MAX(start, base) - base;
		uint64_t to = MIN(end, base + (1ull << shift)) - base;

		if (!is_child(entry) ? entry != value :
		    level == 2 ? !leaf_is(child_leaf(entry), from, to, value) :
		    !node_is(child_node(entry), level - 1, from, to, value))
			return false;
	}
	return true;
}

bool kvm_range_has_memory_attributes(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t mask,
				     uint64_t attrs)
{
	unsigned value = attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE ? PRIVATE : SHARED;
	uint64_t root, in_tree;
	bool all = true;

	if (attrs & ~mask)
		return false;
	if (!(mask & KVM_MEMORY_ATTRIBUTE_PRIVATE))
		return true;
	rcu_read_lock();
	root = sync_word_load(&kvm->attributes->root);
	in_tree = MIN(end.v, root_end(root));
	if (start.v < in_tree)
		all = node_is(root_node(root), root_level(root), start.v, in_tree, value);
	if (end.v > in_tree)
		all = all && value == SHARED;
	rcu_read_unlock();
	return all;
}

/* ---- spare parts -------------------------------------------------------- */

static void push_node(struct kvm_attributes *a, struct attr_node *node)
{
	node->entry[0] = (uintptr_t)a->nodes;
	a->nodes = node;
	a->nr_spare_nodes++;
}

static void push_leaf(struct kvm_attributes *a, struct attr_leaf *leaf)
{
	leaf->bits[0] = (uintptr_t)a->leaves;
	a->leaves = leaf;
	a->nr_spare_leaves++;
}

static struct attr_node *pop_node(struct kvm_attributes *a, unsigned value)
{
	struct attr_node *node = a->nodes;

	BUG_ON(!node);
	a->nodes = child_node(node->entry[0]);
	a->nr_spare_nodes--;
	a->nr_nodes++;
	for (unsigned i = 0; i < FANOUT; i++)
		node->entry[i] = value;
	node->nr[value] = FANOUT;
	node->nr[!value] = 0;
	return node;
}

static struct attr_leaf *pop_leaf(struct kvm_attributes *a, unsigned value)
{
	struct attr_leaf *leaf = a->leaves;

	BUG_ON(!leaf);
	a->leaves = child_leaf(leaf->bits[0]);
	a->nr_spare_leaves--;
	a->nr_leaves++;
	memset(leaf->bits, value == PRIVATE ? 0xff : 0, sizeof(leaf->bits));
	leaf->nr_private = value == PRIVATE ? FANOUT : 0;
	return leaf;
}

static void free_node_rcu(struct rcu_head *head)
{
	free(container_of(head, struct attr_node, rcu));
}

static void free_leaf_rcu(struct rcu_head *head)
{
	free(container_of(head, struct attr_leaf, rcu));
}

/* What a level-@level entry pointed at has been unlinked. */
static void free_child(struct kvm_attributes *a, uint64_t entry, unsigned level)
{
	if (!is_child(entry))
		return;
	if (level == 2) {
		a->nr_leaves--;
		rcu_call(&child_leaf(entry)->rcu, free_leaf_rcu);
		return;
	}
	for (unsigned i = 0; i < FANOUT; i++)
		free_child(a, child_node(entry)->entry[i], level - 1);
	a->nr_nodes--;
	rcu_call(&child_node(entry)->rcu, free_node_rcu);
}

static int stock_up(struct kvm_attributes *a, unsigned nodes, unsigned leaves)
{
	while (a->nr_spare_nodes < nodes) {
		struct attr_node *node = malloc(sizeof(*node));

		if (!node)
			return -ENOMEM;
		push_node(a, node);
	}
	while (a->nr_spare_leaves < leaves) {
		struct attr_leaf *leaf = malloc(sizeof(*leaf));

		if (!leaf)
			return -ENOMEM;
		push_leaf(a, leaf);
	}
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

/* Lowest level of a root that reaches frame @end - 1. */
static unsigned level_for(uint64_t end)
{
	unsigned level = 2;

	while (level < MAX_LEVEL && end > 1ull << (FANOUT_SHIFT * level))
		level++;
	return level;
}

/*
 * A range that ends or begins inside an entry needs the child there, and so
 * on down.  Counts what is missing on the way to the edge at @gfn.
 */
static void count_edge(uint64_t root, unsigned level, uint64_t gfn, unsigned value,
		       unsigned *nodes, unsigned *leaves)
{
	const struct attr_node *node = NULL;

	for (; level >= 2 && gfn % (1ull << entry_shift(level)); level--) {
		uint64_t entry = SHARED;

		if (root && level == root_level(root) && gfn < root_end(root))
			node = root_node(root);
		if (node)
			entry = node->entry[(gfn >> entry_shift(level)) % FANOUT];
		else if (root && level > root_level(root) && gfn < root_end(root))
			continue;	/* counted as growth */
		if (entry == value)
			return;
		node = is_child(entry) && level > 2 ? child_node(entry) : NULL;
		if (!is_child(entry)) {
			unsigned below = level - 1;

			/* All the way down to the leaf, or to where @gfn is aligned. */
			for (; below >= 2 && gfn % (1ull << entry_shift(below + 1)); below--)
				++*nodes;
			if (gfn % FANOUT)
				++*leaves;
			return;
		}
	}
}

int kvm_attributes_prepare(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t attrs)
{
	struct kvm_attributes *a = kvm->attributes;
	unsigned value = attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE ? PRIVATE : SHARED;
	unsigned nodes = 0, leaves = 0, level;

	lock_assert_held_mutex(&kvm->slots_lock);
	if (value == SHARED && start.v >= root_end(a->root))
		return 0;
	level = a->root ? root_level(a->root) : 0;
	if (value == PRIVATE && end.v > root_end(a->root)) {
		nodes = a->root ? level_for(end.v) - level : 1;
		level = level_for(end.v);
	}
	count_edge(a->root, level, start.v, value, &nodes, &leaves);
	if (end.v < 1ull << (FANOUT_SHIFT * level))
		count_edge(a->root, level, end.v, value, &nodes, &leaves);
	return stock_up(a, nodes, leaves);
}

static void set_entry(struct attr_node *node, unsigned i, uint64_t entry)
{
	uint64_t old = node->entry[i];

	if (!is_child(old))
		node->nr[old]--;
	if (!is_child(entry))
		node->nr[entry]++;
	sync_word_store(&node->entry[i], entry);
}

static void set_in_leaf(struct attr_leaf *leaf, uint64_t start, uint64_t end, unsigned value)
{
	for (unsigned w = start / 64; w <= (end - 1) / 64; w++) {
		uint64_t mask = word_mask(w, start, end), old = leaf->bits[w];
		uint64_t new = value == PRIVATE ? old | mask : old & ~mask;

		leaf->nr_private += __builtin_popcountll(new);
		leaf->nr_private -= __builtin_popcountll(old);
		sync_word_store(&leaf->bits[w], new);
	}
}

/* The one value that all of a child of a level-@level entry has, or neither. */
static uint64_t child_uniform(uint64_t entry, unsigned level)
{
	unsigned nr_private, nr_shared;

	if (level == 2) {
		nr_private = child_leaf(entry)->nr_private;
		nr_shared = FANOUT - nr_private;
	} else {
		nr_private = child_node(entry)->nr[PRIVATE];
		nr_shared = child_node(entry)->nr[SHARED];
	}
	return nr_private == FANOUT ? PRIVATE : nr_shared == FANOUT ? SHARED : entry;
}

/* [start, end): relative to @node's first frame. */
static void set_in_node(struct kvm_attributes *a, struct attr_node *node, unsigned level,
			uint64_t start, uint64_t end, unsigned value)
{
	unsigned shift = entry_shift(level);

	for (uint64_t i = start >> shift; i <= (end - 1) >> shift; i++) {
		uint64_t base = i << shift, size = 1ull << shift, old = node->entry[i], new;
		uint64_t from = MAX(start, base) - base, to = MIN(end, base + size) - base;

		if (old == value)
			continue;
		if (to - from == size) {
			set_entry(node, i, value);
			free_child(a, old, level);
			continue;
		}
		if (!is_child(old)) {
			old = level == 2 ? (uintptr_t)pop_leaf(a, old) : (uintptr_t)pop_node(a, old);
			set_entry(node, i, old);
		}
		if (level == 2)
			set_in_leaf(child_leaf(old), from, to, value);
		else
			set_in_node(a, child_node(old), level - 1, from, to, value);
		new = child_uniform(old, level);
		if (new != old) {
			set_entry(node, i, new);
			free_child(a, old, level);
		}
	}
}

static void grow(struct kvm_attributes *a, uint64_t end)
{
	unsigned want = level_for(end), level = a->root ? root_level(a->root) : want - 1;
	uint64_t root = a->root;

	while (level < want) {
		struct attr_node *node = pop_node(a, SHARED);

		if (root)
			set_entry(node, 0, root & ~LEVEL_MASK);
		root = (uintptr_t)node | ++level;
	}
	sync_word_store(&a->root, root);
}

void kvm_attributes_store(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t attrs)
{
	struct kvm_attributes *a = kvm->attributes;
	unsigned value = attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE ? PRIVATE : SHARED;
	uint64_t to = end.v;

	lock_assert_held_mutex(&kvm->slots_lock);
	if (value == PRIVATE && to > root_end(a->root))
		grow(a, to);
	to = MIN(to, root_end(a->root));
	if (start.v < to)
		set_in_node(a, root_node(a->root), root_level(a->root), start.v, to, value);
	if (a->root && root_node(a->root)->nr[SHARED] == FANOUT) {
		uint64_t old = a->root;

		sync_word_store(&a->root, 0);
		free_child(a, old & ~LEVEL_MASK, root_level(old) + 1);
	}
}

size_t kvm_attributes_size(struct kvm *kvm)
{
	const struct kvm_attributes *a = kvm->attributes;

	return a->nr_nodes * sizeof(struct attr_node) + a->nr_leaves * sizeof(struct attr_leaf);
}

int kvm_attributes_create(struct kvm *kvm)
{
	kvm->attributes = calloc(1, sizeof(*kvm->attributes));
	return kvm->attributes ? 0 : -ENOMEM;
}

void kvm_attributes_destroy(struct kvm *kvm)
{
	struct kvm_attributes *a = kvm->attributes;

	if (a->root)
		free_child(a, a->root & ~LEVEL_MASK, root_level(a->root) + 1);
	while (a->nodes) {
		struct attr_node *node = a->nodes;

		a->nodes = child_node(node->entry[0]);
		free(node);
	}
	while (a->leaves) {
		struct attr_leaf *leaf = a->leaves;

		a->leaves = child_leaf(leaf->bits[0]);
		free(leaf);
	}
	free(a);
	kvm->attributes = NULL;
}
