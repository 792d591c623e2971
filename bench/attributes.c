/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * attributes.c - the tree of memory attributes against the kernel's xarray and
 * maple tree: time and metadata of the same conversions, in the same run.
 *
 * usage: attributes [--json] [--runs N] [--only PATTERN] KERNEL_TREES
 *
 * KERNEL_TREES is the path that tools/bench-kernel-trees prints.
 */
#include <dlfcn.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "bench/report.h"
#include "bench/tree.h"
#include "hw/insn/cpu.h"
#include "kvm/core/attr.h"
#include "sync/rcu.h"
#include "trace/counters.h"

#define TIB(n)		((uint64_t)(n) << 28)	/* in frames */
#define GIB(n)		((uint64_t)(n) << 18)
#define MIB(n)		((uint64_t)(n) << 8)
#define FRAMES_2M	512u
#define NR_TREES	4
#define NR_LOOKUPS	1000000
#define PER_PAGE	1		/* trees[]: the xarray with a store per page */

/* The core kicks vCPUs; here are none. */
void cpu_kick(struct cpu *cpu)
{
	(void)cpu;
}

/* ---- ours, as KVM_SET_MEMORY_ATTRIBUTES uses it ------------------------- */

static void destroyed(struct kvm *kvm)
{
	kvm_core_fini(kvm);
	counters_destroy(kvm->module->counters);
	free(kvm->module);
	free(kvm);
}

/* As in an ioctl, and as KVM's own tree has it, the lock of slots is taken by the caller. */
/* Its slots_lock is held until ours_destroy. */
NO_LOCK_ANALYSIS /* NO_LOCK_ANALYSIS: held from here to ours_destroy(). */
NO_LOCK_ANALYSIS static void *ours_create(void)
{
	struct kvm_module *module = calloc(1, sizeof(*module));
	struct kvm *kvm = calloc(1, sizeof(*kvm));

	if (!module || !kvm)
		cannot("no memory");
	module->counters = counters_create(NR_COUNTERS);
	kvm->nr_address_spaces = 1;
	if (kvm_core_init(kvm, module, destroyed))
		cannot("no VM");
	mutex_lock(&kvm->slots_lock);
	return kvm;
}

static void ours_store(void *tree, uint64_t start, uint64_t end, bool private)
{
	uint64_t attrs = private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;

	if (kvm_attributes_prepare(tree, GFN(start), GFN(end), attrs))
		cannot("no memory");
	kvm_attributes_store(tree, GFN(start), GFN(end), attrs);
}

static bool ours_is_private(void *tree, uint64_t frame)
{
	return kvm_mem_is_private(tree, GFN(frame));
}

static size_t ours_bytes(void *tree)
{
	rcu_barrier();
	return kvm_attributes_size(tree);
}

NO_LOCK_ANALYSIS NO_LOCK_ANALYSIS static void ours_destroy(void *tree)
{
	struct kvm *kvm = tree;

	mutex_unlock(&kvm->slots_lock);
	kvm_put(kvm);
	rcu_barrier();
}

static const struct bench_tree ours = {
	.name = "softcvm", .what = "radix tree by range",
	.create = ours_create, .store = ours_store, .is_private = ours_is_private,
	.bytes = ours_bytes, .destroy = ours_destroy,
};

/* ---- patterns ----------------------------------------------------------- */

struct conversion {
	uint64_t start, end;
	bool	 private;
};

struct conversions {
	struct conversion *v;
	size_t		n;
	uint64_t	frames;		/* of the guest */
};

static uint64_t random_below(uint64_t n)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % n;
}

static void add(struct conversions *c, uint64_t start, uint64_t nr, bool private)
{
	if ((c->n & (c->n - 1)) == 0)
		c->v = realloc(c->v, (c->n ? 2 * c->n : 1) * sizeof(*c->v));
	if (!c->v)
		cannot("no memory");
	c->v[c->n++] = (struct conversion){ start, MIN(start + nr, c->frames), private };
}

static void uniform(struct conversions *c)
{
	c->frames = TIB(1);
	add(c, 0, TIB(1), true);
}

static void alternating(struct conversions *c)
{
	c->frames = GIB(64);
	for (uint64_t f = 0; f < c->frames; f += 2)
		add(c, f, 1, true);
}

static void random_sizes(struct conversions *c)
{
	c->frames = GIB(64);
	for (int i = 0; i < 1000000; i++) {
		uint64_t nr = random_below(2) ? 1 : FRAMES_2M;

		add(c, random_below(c->frames / nr) * nr, nr, random_below(2));
	}
}

/* A guest that boots private, shares buffers of all sizes and takes them back. */
static void mixed(struct conversions *c)
{
	c->frames = GIB(64);
	add(c, 0, c->frames, true);
	for (int i = 0; i < 100000; i++) {
		unsigned kind = (unsigned)random_below(1000);
		uint64_t nr = kind < 600 ? 1 : kind < 800 ? FRAMES_2M : kind < 999 ?
			      1 + random_below(MIB(4)) : GIB(1);
		uint64_t unit = kind < 800 || kind >= 999 ? nr : 1;

		add(c, random_below(c->frames / unit) * unit, nr, random_below(2));
	}
}

/* Not a goal: where a page table's geometry costs most. */
static void sparse(struct conversions *c)
{
	c->frames = TIB(16);
	for (uint64_t f = 12345; f < c->frames; f += GIB(1))
		add(c, f, 1, true);
}

struct pattern {
	const char *name, *what;
	void	  (*make)(struct conversions *c);
	double	    at_least;		/* times as fast as one store per page; 0: see below */
	double	    memory;		/* share of what one store per page takes */
	bool	    goals;
	unsigned    share;		/* one store per page: 1/share is measured, the rest reckoned */
};

static const struct pattern patterns[] = {
	{ "uniform", "1 TiB made private at once", uniform, 1e5, 1, true, 16 },
	{ "alternating", "64 GiB, every other 4K page made private", alternating, 0, 0.25, true, 1 },
	{ "random", "a million random conversions, half 4K, half 2M, in 64 GiB", random_sizes, 0, 1,
	  true, 1 },
	{ "mixed", "64 GiB private, then 100 000 conversions of 4K to 1G, aligned and not", mixed, 0,
	  1, true, 1 },
	{ "sparse", "no goal: one 4K page in each GiB of 16 TiB", sparse, 0, 0, false, 1 },
};

/* ---- measuring ---------------------------------------------------------- */

struct result {
	struct series store, load;	/* ns per conversion, per look-up */
	size_t bytes;
};

/* With a @share only the first part of the (one) conversion and of the guest is there. */
static size_t run_once(const struct bench_tree *t, const struct conversions *c, unsigned share,
		       const uint64_t *frames, struct result *result)
{
	void *tree = t->create();
	size_t count = 0;
	double began = cpu_ns();

	for (size_t i = 0; i < c->n; i++)
		t->store(tree, c->v[i].start, c->v[i].end / share, c->v[i].private);
	series_add(&result->store, (cpu_ns() - began) / (double)c->n * share);
	result->bytes = t->bytes(tree) * share;

	began = cpu_ns();
	for (size_t i = 0; i < NR_LOOKUPS; i++)
		count += t->is_private(tree, frames[i] / share);
	series_add(&result->load, (cpu_ns() - began) / NR_LOOKUPS);
	t->destroy(tree);
	return count;
}

static void check_same(size_t *count, size_t got, const char *name)
{
	if (*count != SIZE_MAX && *count != got)
		cannot("%s answers %zu look-ups with private, the others %zu", name, got, *count);
	*count = got;
}

static void report_tree(struct report *r, const struct pattern *p, const struct bench_tree *t,
			const struct result *result)
{
	char key[64], label[96];

	snprintf(key, sizeof(key), "%s.%s.store", p->name, t->name);
	snprintf(label, sizeof(label), "%-12s a conversion", t->name);
	report_series(r, key, label, "ns", &result->store);
	snprintf(key, sizeof(key), "%s.%s.load", p->name, t->name);
	snprintf(label, sizeof(label), "%-12s a look-up", "");
	report_series(r, key, label, "ns", &result->load);
	snprintf(key, sizeof(key), "%s.%s.bytes", p->name, t->name);
	snprintf(label, sizeof(label), "%-12s nodes", "");
	report_value(r, key, label, "bytes", (double)result->bytes);
}

/* results[0] is ours. */
static void report_goals(struct report *r, const struct pattern *p, const struct result *results)
{
	double store = series_median(&results[0].store), load = series_median(&results[0].load);
	double best_store = 1e300, best_load = 1e300;
	char key[64];

	for (int t = 1; t < NR_TREES; t++) {
		best_store = MIN(best_store, series_median(&results[t].store));
		best_load = MIN(best_load, series_median(&results[t].load));
	}
	if (p->at_least > 0) {
		snprintf(key, sizeof(key), "%s.speed", p->name);
		report_goal(r, key, "as fast as one store per page",
			    series_median(&results[PER_PAGE].store) / store, AT_LEAST, p->at_least, "times");
	} else if (p->goals) {
		snprintf(key, sizeof(key), "%s.store", p->name);
		report_goal(r, key, "conversion, of the best of the three", store / best_store, AT_MOST,
			    1.5, "times");
	}
	if (p->goals && !(p->at_least > 0)) {
		snprintf(key, sizeof(key), "%s.load", p->name);
		report_goal(r, key, "look-up, of the best of the three", load / best_load, AT_MOST, 1.5,
			    "times");
	}
	if (p->goals) {
		snprintf(key, sizeof(key), "%s.memory", p->name);
		report_goal(r, key, "nodes, of the xarray's", (double)results[0].bytes /
			    (double)results[PER_PAGE].bytes, AT_MOST, p->memory, "times");
	}
}

static void measure(struct report *r, const struct pattern *p, const struct bench_tree *const *trees)
{
	uint64_t *frames = malloc(NR_LOOKUPS * sizeof(*frames));
	struct result results[NR_TREES] = { 0 };
	struct conversions c = { 0 };
	size_t count = SIZE_MAX;

	p->make(&c);
	if (!frames)
		cannot("no memory");
	for (size_t i = 0; i < NR_LOOKUPS; i++)
		frames[i] = random_below(c.frames);
	report_say(r, "\n%s: %s (%zu conversions)", p->name, p->what, c.n);
	if (p->share > 1)
		report_say(r, "  one store per page: the first 1/%u is measured; its time and its nodes are "
			   "%u times that", p->share, p->share);
	for (int run = 0; run < r->runs; run++)
		for (int t = 0; t < NR_TREES; t++)
			check_same(&count, run_once(trees[t], &c, t == PER_PAGE ? p->share : 1, frames,
						    &results[t]), trees[t]->name);
	for (int t = 0; t < NR_TREES; t++)
		report_tree(r, p, trees[t], &results[t]);
	report_goals(r, p, results);
	for (int t = 0; t < NR_TREES; t++) {
		series_free(&results[t].store);
		series_free(&results[t].load);
	}
	free(c.v);
	free(frames);
}

/* The threads that free for us and for the kernel's trees start before we are pinned. */
static void warm_up(const struct bench_tree *const *trees)
{
	for (int t = 0; t < NR_TREES; t++) {
		void *tree = trees[t]->create();

		trees[t]->store(tree, 0, 1000, true);
		trees[t]->destroy(tree);
	}
}

int main(int argc, char **argv)
{
	const struct bench_tree *trees[NR_TREES] = { &ours };
	const struct bench_tree *const *theirs;
	bench_trees_fn *get;
	const char *only = NULL;
	struct report r;
	void *lib;

	report_begin(&r, "attributes", "Memory attributes by range, against the kernel's xarray and maple "
		     "tree.\nWants the path that tools/bench-kernel-trees prints.", 3, &argc, argv);
	if (argc > 3 && !strcmp(argv[1], "--only")) {
		only = argv[2];
		argv += 2;
		argc -= 2;
	}
	lib = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	get = lib ? (bench_trees_fn *)dlsym(lib, BENCH_TREES_SYMBOL) : NULL;
	if (!get)
		cannot("%s", argc == 2 ? dlerror() : "one argument, please: the kernel's trees");
	theirs = get();
	for (int t = 1; t < NR_TREES; t++)
		trees[t] = theirs[t - 1];
	for (int t = 0; t < NR_TREES; t++)
		report_say(&r, "  %-12s %s", trees[t]->name, trees[t]->what);
	/* Memory once ours is not given back between runs: nobody pays for the system's zeroing. */
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	mallopt(M_MMAP_THRESHOLD, INT_MAX);
	warm_up(trees);
	pin_to(nr_processors() - 1);
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		if (!only || !strcmp(only, patterns[i].name))
			measure(&r, &patterns[i], trees);
	return report_end(&r);
}
