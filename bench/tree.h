/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tree.h - what bench/attributes asks of a map from guest frames to
 * private or shared.
 *
 * The kernel's own come from a shared object that tools/bench-kernel-trees
 * builds outside the repository; this is all that it and we have in common.
 * One thread at a time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_tree {
	const char *name;		/* a word */
	const char *what;
	void *(*create)(void);		/* all shared; never NULL */
	/* Frames [start, end), not empty. */
	void (*store)(void *tree, uint64_t start, uint64_t end, bool private);
	bool (*is_private)(void *tree, uint64_t frame);
	/* Bytes of nodes alive; waits until what was freed is gone. */
	size_t (*bytes)(void *tree);
	void (*destroy)(void *tree);
};

/* A NULL-terminated list. */
typedef const struct bench_tree *const *bench_trees_fn(void);
#define BENCH_TREES_SYMBOL	"bench_kernel_trees"
