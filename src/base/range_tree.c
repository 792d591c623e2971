/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "base/range_tree.h"

#include <stddef.h>

#include "base/macros.h"

void range_tree_init(struct range_tree *t)
{
	t->root = NULL;
	t->seed = 0x9e3779b9;
}

/* xorshift32: the same sequence for every tree, so that runs can be repeated. */
static uint32_t next_heat(struct range_tree *t)
{
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 17;
	t->seed ^= t->seed << 5;
	return t->seed;
}

static void update_max(struct range_node *n)
{
	n->max_end = n->end;
	if (n->left)
		n->max_end = MAX(n->max_end, n->left->max_end);
	if (n->right)
		n->max_end = MAX(n->max_end, n->right->max_end);
}

static void update_max_upwards(struct range_node *n)
{
	for (; n; n = n->up)
		update_max(n);
}

static void replace_child(struct range_tree *t, struct range_node *up, struct range_node *old,
			  struct range_node *new)
{
	if (!up)
		t->root = new;
	else if (up->left == old)
		up->left = new;
	else
		up->right = new;
	if (new)
		new->up = up;
}

/* @n, a child, changes places with its parent. */
static void rotate_up(struct range_tree *t, struct range_node *n)
{
	struct range_node *p = n->up, *inner;

	replace_child(t, p->up, p, n);
	if (p->left == n) {
		inner = n->right;
		n->right = p;
		p->left = inner;
	} else {
		inner = n->left;
		n->left = p;
		p->right = inner;
	}
	if (inner)
		inner->up = p;
	p->up = n;
	update_max(p);
	update_max(n);
}

void range_tree_insert(struct range_tree *t, struct range_node *n, uint64_t start, uint64_t end)
{
	struct range_node *up = NULL, **at = &t->root;

	*n = (struct range_node){ .start = start, .end = end, .max_end = end };
	n->heat = next_heat(t);
	while (*at) {
		up = *at;
		at = start < up->start ? &up->left : &up->right;
	}
	*at = n;
	n->up = up;
	update_max_upwards(up);
	while (n->up && n->up->heat < n->heat)
		rotate_up(t, n);
}

void range_tree_remove(struct range_tree *t, struct range_node *n)
{
	while (n->left && n->right)
		rotate_up(t, n->left->heat > n->right->heat ? n->left : n->right);
	replace_child(t, n->up, n, n->left ? n->left : n->right);
	update_max_upwards(n->up);
	n->left = n->right = n->up = NULL;
}

/* Leftmost overlap in the subtree of @n. */
static struct range_node *first_below(struct range_node *n, uint64_t start, uint64_t end)
{
	while (n && n->max_end > start) {
		if (n->left && n->left->max_end > start) {
			/*
			 * Something on the left ends after @start.  If none of
			 * it starts before @end, nothing further right does.
			 */
			n = n->left;
			continue;
		}
		if (n->start >= end)
			return NULL;
		if (n->end > start)
			return n;
		n = n->right;
	}
	return NULL;
}

struct range_node *range_tree_first(const struct range_tree *t, uint64_t start, uint64_t end)
{
	return start < end ? first_below(t->root, start, end) : NULL;
}

struct range_node *range_tree_next(struct range_node *n, uint64_t start, uint64_t end)
{
	struct range_node *found = first_below(n->right, start, end);

	if (found)
		return found;
	for (; n->up; n = n->up) {
		struct range_node *up = n->up;

		if (up->right == n)
			continue;
		if (up->start >= end)
			return NULL;
		if (up->end > start)
			return up;
		found = first_below(up->right, start, end);
		if (found)
			return found;
	}
	return NULL;
}
