/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * range_tree.h - half-open ranges [start, end) in order, with look-up by
 * overlap: a treap that knows the largest end below each node.
 *
 * Nodes are the caller's.  Ranges may overlap and be equal.  Insert, remove
 * and every search step cost O(log n) expected.  No locking: searches change
 * nothing, so that any number may run while nobody inserts or removes.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct range_node {
	uint64_t	   start, end;		/* start < end */
	uint64_t	   max_end;		/* of this node and all below */
	struct range_node *left, *right, *up;
	uint32_t	   heat;		/* heap order: no child is hotter */
};

struct range_tree {
	struct range_node *root;
	uint32_t	   seed;
};

void range_tree_init(struct range_tree *t);

/* Fills @n with the range and adds it. */
void range_tree_insert(struct range_tree *t, struct range_node *n, uint64_t start, uint64_t end);
void range_tree_remove(struct range_tree *t, struct range_node *n);

/* First node in order of start that overlaps [start, end), and the next; NULL: none. */
struct range_node *range_tree_first(const struct range_tree *t, uint64_t start, uint64_t end);
struct range_node *range_tree_next(struct range_node *n, uint64_t start, uint64_t end);

#define range_tree_for_each(n, t, start, end)				\
	for ((n) = range_tree_first(t, start, end); (n);		\
	     (n) = range_tree_next(n, start, end))
