/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_pfncache.c - GPC-1 (B23): what a long-term map says is valid was looked up after the
 * last change of its mapping had ended.
 */
#include "world.h"

#include "hw/insn/phys.h"
#include "kvm/host/pfncache.h"

#define PAGE	5
#define WORD	0x77616b6521ull

struct keep {
	struct world	*w;
	struct gfn_to_pfn_cache gpc;
	struct host_change h;
	int		 r;
};

static void refreshes(void *arg)
{
	struct keep *k = arg;
	int idx = srcu_read_lock(&k->w->kvm.srcu);

	k->r = kvm_gpc_activate(&k->gpc, GPA(P(PAGE)), 8);
	srcu_read_unlock(&k->w->kvm.srcu, idx);
}

static bool is_valid(struct keep *k)
{
	int idx = srcu_read_lock(&k->w->kvm.srcu);
	bool valid;

	read_lock(&k->gpc.lock);
	valid = kvm_gpc_check(&k->gpc, 8);
	read_unlock(&k->gpc.lock);
	srcu_read_unlock(&k->w->kvm.srcu, idx);
	return valid;
}

/* In the arena: a sweep puts it back too. */
static struct keep *create(void)
{
	struct world *w = world_create(false);
	struct keep *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	world_add_slot(w, 0, 0, 16, NULL);
	k->w = w;
	k->r = 1;
	assert_int_equal(kvm_gpc_init(&k->gpc, &w->kvm), 0);
	k->h = (struct host_change){ .w = w, .memory = world_memory_of(w, 0), .page = PAGE, .n = 1,
				     .gone = true };
	*(uint64_t *)((char *)world_memory_of(w, 0) + P(PAGE)) = WORD;
	return k;
}

static void destroy(struct keep *k)
{
	struct world *w = k->w;
	int idx = srcu_read_lock(&w->kvm.srcu);

	kvm_gpc_deactivate(&k->gpc);
	srcu_read_unlock(&w->kvm.srcu, idx);
	kvm_gpc_fini(&k->gpc);
	free(k);
	world_destroy(w);
}

/* Valid, or not; if it is, the page is one that exists. */
static void what_is_valid_is_there(void *arg, uint64_t n)
{
	struct keep *k = arg;

	assert_int_equal(k->r, 0);
	if (is_valid(k) && phys_load64(k->w->module.hw, k->gpc.page) != WORD)
		fail_msg("step %llu: valid, and the page has gone", (unsigned long long)n);
}

static void b23_a_lookup_that_a_change_overtakes(void **unused)
{
	struct keep *k = create();

	(void)unused;
	INTER_THREAD(refresh, refreshes, k);
	INTER_THREAD(change, do_host_change, &k->h);
	INTER_TO(refresh, gpc_looked_up);
	INTER_END(change);
	INTER_END(refresh);
	assert_int_equal(k->r, 0);
	assert_true(is_valid(k));
	what_is_valid_is_there(k, 0);
	destroy(k);
}

static void b23_a_lookup_waits_for_the_end(void **unused)
{
	struct keep *k = create();

	(void)unused;
	INTER_THREAD(refresh, refreshes, k);
	INTER_THREAD(change, do_host_change, &k->h);
	INTER_TO(change, host_change_begun);
	INTER_BLOCKED(refresh);
	assert_int_equal(k->r, 1);
	assert_false(is_valid(k));
	INTER_END(change);
	INTER_END(refresh);
	assert_true(is_valid(k));
	what_is_valid_is_there(k, 0);
	destroy(k);
}

static void a_change_begins_with_the_caches(void **unused)
{
	struct keep *k = create();

	(void)unused;
	INTER_THREAD(refresh, refreshes, k);
	INTER_END(refresh);
	assert_true(is_valid(k));
	INTER_THREAD(change, do_host_change, &k->h);
	INTER_TO(change, host_change_begun);
	assert_false(is_valid(k));
	INTER_END(change);
	assert_false(is_valid(k));
	destroy(k);
}

static void b23_at_every_step(void **unused)
{
	(void)unused;
	for (int turn = 0; turn < 2; turn++) {
		struct keep *k = create();

		INTER_THREAD(refresh, refreshes, k);
		INTER_THREAD(change, do_host_change, &k->h);
		world_sweep(k->w, turn ? change : refresh, turn ? refresh : change,
			    what_is_valid_is_there, k);
		INTER_ALL(INTER_MAX_STEPS);
		destroy(k);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(b23_a_lookup_that_a_change_overtakes),
		cmocka_unit_test(b23_a_lookup_waits_for_the_end),
		cmocka_unit_test(a_change_begins_with_the_caches),
		cmocka_unit_test(b23_at_every_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
