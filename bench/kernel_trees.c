/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * kernel_trees.c - the kernel's xarray and maple tree behind bench/tree.h.
 *
 * Not part of the build: tools/bench-kernel-trees compiles it in the user's
 * cache against the kernel source found there, with the geometry and the
 * optimisation that a kernel has, and without the assertions, the poisoning
 * and the sanitizers of the kernel's user-space tests.  The result is under
 * the kernel's licence and goes nowhere.
 */
#include "shared.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "linux/init.h"
#include "../../../lib/xarray.c"
#include "../../../lib/maple_tree.c"

#include "tree.h"

#if XA_CHUNK_SHIFT != 6
#error "the kernel's xarray has 64 slots a node"
#endif

/* ---- a slab: per size, a list of free objects; never given back to libc ---- */

struct kmem_cache {
	unsigned int size;
	bool aligned;
	void (*ctor)(void *);
	void *free;			/* chained through the last word */
	char *chunk, *chunk_end;
	pthread_spinlock_t lock;
	unsigned long nr_alive;
};

#define CHUNK	(1ul << 20)

struct kmem_cache *radix_tree_node_cachep;
int preempt_count, nr_allocated, test_verbose, kmalloc_verbose;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     unsigned int flags, void (*ctor)(void *))
{
	struct kmem_cache *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->size = align ? (size + align - 1) / align * align : size;
	c->aligned = align != 0;
	c->ctor = ctor;
	pthread_spin_init(&c->lock, PTHREAD_PROCESS_PRIVATE);
	return c;
}

static void **link_of(struct kmem_cache *c, void *object)
{
	return (void **)((char *)object + c->size - sizeof(void *));
}

static void *take(struct kmem_cache *c)
{
	void *object = c->free;

	c->nr_alive++;
	if (object) {
		c->free = *link_of(c, object);
		*link_of(c, object) = NULL;
		return object;
	}
	if ((size_t)(c->chunk_end - c->chunk) < c->size) {
		c->chunk = aligned_alloc(4096, CHUNK);
		if (!c->chunk)
			abort();
		c->chunk_end = c->chunk + CHUNK;
	}
	object = c->chunk;
	c->chunk += c->size;
	if (c->ctor)
		c->ctor(object);
	return object;
}

static void give(struct kmem_cache *c, void *object)
{
	*link_of(c, object) = c->free;
	c->free = object;
	c->nr_alive--;
}

void *kmem_cache_alloc_lru(struct kmem_cache *c, struct list_lru *lru, int flags)
{
	void *object;

	pthread_spin_lock(&c->lock);
	object = take(c);
	pthread_spin_unlock(&c->lock);
	if (flags & __GFP_ZERO)
		memset(object, 0, c->size);
	return object;
}

int kmem_cache_alloc_bulk(struct kmem_cache *c, gfp_t flags, size_t n, void **list)
{
	pthread_spin_lock(&c->lock);
	for (size_t i = 0; i < n; i++)
		list[i] = take(c);
	pthread_spin_unlock(&c->lock);
	for (size_t i = 0; i < n && (flags & __GFP_ZERO); i++)
		memset(list[i], 0, c->size);
	return (int)n;
}

void kmem_cache_free(struct kmem_cache *c, void *object)
{
	pthread_spin_lock(&c->lock);
	give(c, object);
	pthread_spin_unlock(&c->lock);
}

void kmem_cache_free_bulk(struct kmem_cache *c, size_t n, void **list)
{
	pthread_spin_lock(&c->lock);
	for (size_t i = 0; i < n; i++)
		give(c, list[i]);
	pthread_spin_unlock(&c->lock);
}

/* A node is handed out as the constructor left it. */
static void node_ctor(void *arg)
{
	struct xa_node *node = arg;

	memset(node, 0, sizeof(*node));
	INIT_LIST_HEAD(&node->private_list);
}

void radix_tree_node_rcu_free(struct rcu_head *head)
{
	struct xa_node *node = container_of(head, struct xa_node, rcu_head);

	node_ctor(node);
	kmem_cache_free(radix_tree_node_cachep, node);
}

/* ---- xarray ------------------------------------------------------------- */

static void *private_entry(bool private)
{
	return private ? xa_mk_value(1) : NULL;
}

static void *xarray_create(void)
{
	struct xarray *xa = malloc(sizeof(*xa));

	if (!xa)
		abort();
	xa_init(xa);
	return xa;
}

static void xarray_destroy(void *tree)
{
	xa_destroy(tree);
	rcu_barrier();
	free(tree);
}

static bool xarray_is_private(void *tree, uint64_t frame)
{
	return xa_load(tree, frame);
}

static size_t xarray_bytes(void *tree)
{
	rcu_barrier();
	return radix_tree_node_cachep->nr_alive * sizeof(struct xa_node);
}

/* As KVM does, less the reservation of each page that it makes beforehand. */
static void per_page_store(void *tree, uint64_t start, uint64_t end, bool private)
{
	for (uint64_t i = start; i < end; i++)
		if (xa_err(xa_store(tree, i, private_entry(private), GFP_KERNEL)))
			abort();
}

/*
 * If one entry lies on both sides of @edge it becomes several: as few as
 * possible, by one level of the tree at a time.
 */
static void split_at(struct xarray *xa, uint64_t edge)
{
	for (;;) {
		XA_STATE(xas, xa, edge);
		void *entry = xas_load(&xas);
		unsigned int order, to;
		uint64_t first;

		if (!entry)
			return;
		order = xa_get_order(xa, edge);
		first = edge & ~((1ull << order) - 1);
		if (first == edge)
			return;
		to = (order - 1) / XA_CHUNK_SHIFT * XA_CHUNK_SHIFT;
		xas_set_order(&xas, first, to);
		xas_split_alloc(&xas, entry, order, GFP_KERNEL);
		if (xas_error(&xas))
			abort();
		xas_lock(&xas);
		xas_split(&xas, entry, order);
		xas_unlock(&xas);
	}
}

static void multi_index_store(void *tree, uint64_t start, uint64_t end, bool private)
{
	void *entry = private_entry(private);

	split_at(tree, start);
	split_at(tree, end);
	while (start < end) {
		unsigned int order = __builtin_ctzll(start | 1ull << 40);
		XA_STATE(xas, tree, start);

		while (start + (1ull << order) > end)
			order--;
		xas_set_order(&xas, start, order);
		do {
			xas_lock(&xas);
			xas_store(&xas, entry);
			xas_unlock(&xas);
		} while (xas_nomem(&xas, GFP_KERNEL));
		if (xas_error(&xas))
			abort();
		start += 1ull << order;
	}
}

/* ---- maple tree --------------------------------------------------------- */

static void *maple_create(void)
{
	struct maple_tree *mt = malloc(sizeof(*mt));

	if (!mt)
		abort();
	/* Without RCU mode it is faster, but cannot be read without a lock as ours can. */
	mt_init_flags(mt, 0);
	return mt;
}

static void maple_store(void *tree, uint64_t start, uint64_t end, bool private)
{
	if (mtree_store_range(tree, start, end - 1, private_entry(private), GFP_KERNEL))
		abort();
}

static bool maple_is_private(void *tree, uint64_t frame)
{
	return mtree_load(tree, frame);
}

static size_t maple_bytes(void *tree)
{
	rcu_barrier();
	return maple_node_cache->nr_alive * sizeof(struct maple_node);
}

static void maple_destroy(void *tree)
{
	mtree_destroy(tree);
	rcu_barrier();
	free(tree);
}

static const struct bench_tree per_page = {
	.name = "xarray", .what = "xarray, one store per page, as KVM does",
	.create = xarray_create, .store = per_page_store, .is_private = xarray_is_private,
	.bytes = xarray_bytes, .destroy = xarray_destroy,
}, multi_index = {
	.name = "multi-index", .what = "xarray with multi-index entries, split on demand",
	.create = xarray_create, .store = multi_index_store, .is_private = xarray_is_private,
	.bytes = xarray_bytes, .destroy = xarray_destroy,
}, maple = {
	.name = "maple", .what = "maple tree, one range per conversion, not in RCU mode",
	.create = maple_create, .store = maple_store, .is_private = maple_is_private,
	.bytes = maple_bytes, .destroy = maple_destroy,
};

__attribute__((visibility("default")))
const struct bench_tree *const *bench_kernel_trees(void)
{
	static const struct bench_tree *const all[] = { &per_page, &multi_index, &maple, NULL };

	rcu_register_thread();
	radix_tree_node_cachep = kmem_cache_create("node", sizeof(struct xa_node), 0, 0, node_ctor);
	maple_tree_init();
	return all;
}
