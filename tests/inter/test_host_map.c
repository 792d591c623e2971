/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_host_map.c - a page under the host's hand while another thread makes it private.
 *
 * HOST-1 (--host-map=short-term): when KVM_SET_MEMORY_ATTRIBUTES has returned nobody has
 * mapped a page that it made private, for reading or for writing, and nobody can.
 * Upstream it does not wait: the map is of the shared backing, which the guest does not see.
 *
 * HOST-2 (upstream): a page that the VMM gives up stays the map's: what is stored there is
 * read back, and never reaches what the VMM has at the address then.
 */
#include "world.h"

#include <errno.h>

#include "kvm/core/attr.h"
#include "kvm/host/map.h"

#define PAGE	5
#define UNDER_WAY 1		/* conversion.r before it returns */

struct use {
	struct world	*w;
	struct conversion c;
	bool		 writes;
	bool		 was_private;	/* mapped when the conversion had returned */
	int		 r;
};

static void look(struct use *u)
{
	u->was_private |= u->c.r != UNDER_WAY;
}

/* What KVM does with a page between two steps of a vCPU. */
static void uses(void *arg)
{
	struct use *u = arg;
	struct kvm *kvm = &u->w->kvm;
	struct kvm_vcpu *vcpu = &u->w->vcpus[0]->base;
	struct kvm_guest_map map;
	char data[8] = "by kvm";

	vcpu->srcu_idx = srcu_read_lock(&kvm->srcu);
	u->r = kvm_vcpu_map(vcpu, GFN(PAGE), &map);
	if (!u->r) {
		look(u);
		SYNC_POINT(test_has_mapped);
		u->r = u->writes ? kvm_map_write(vcpu, &map, 0, data, sizeof(data))
				 : kvm_map_read(&map, 0, data, sizeof(data));
		look(u);
		kvm_vcpu_unmap(vcpu, &map, u->writes);
	}
	kvm_vcpu_assert_no_short_map(vcpu);
	srcu_read_unlock(&kvm->srcu, vcpu->srcu_idx);
}

/* In the arena: a sweep puts it back too. */
static struct use *create(bool short_term, bool writes)
{
	struct world *w = world_create(true);
	struct use *u = calloc(1, sizeof(*u));

	assert_non_null(u);
	if (short_term)
		world_map_short_term(w);
	world_add_slot(w, 0, 0, 16, NULL);
	world_fault_in(w, 1, PAGE, PFERR_WRITE);
	*u = (struct use){ .w = w, .writes = writes };
	u->c = (struct conversion){ .w = w, .gfn = 4, .n = 4, .attrs = PRIV, .r = UNDER_WAY };
	return u;
}

static void destroy(struct use *u)
{
	struct world *w = u->w;

	free(u);
	world_destroy(w);
}

static void nobody_had_it(void *arg, uint64_t n)
{
	struct use *u = arg;

	assert_int_equal(u->c.r, 0);
	assert_true(u->r == 0 || u->r == -EFAULT);
	if (u->was_private)
		fail_msg("step %llu: mapped, and the conversion had returned", (unsigned long long)n);
}

static void host1_no_map_outlives_a_conversion(void **unused)
{
	(void)unused;
	for (int turn = 0; turn < 4; turn++) {
		struct use *u = create(true, turn & 2);

		INTER_THREAD(mapper, uses, u);
		INTER_THREAD(converter, do_conversion, &u->c);
		world_sweep(u->w, turn & 1 ? mapper : converter, turn & 1 ? converter : mapper,
			    nobody_had_it, u);
		INTER_ALL(INTER_MAX_STEPS);
		destroy(u);
	}
}

/* It waits with everything done: only for those who came before. */
static void host1_it_waits_and_goes_on(void **unused)
{
	(void)unused;
	for (int writes = 0; writes < 2; writes++) {
		struct use *u = create(true, writes), later = *u;

		INTER_THREAD(mapper, uses, u);
		INTER_THREAD(converter, do_conversion, &u->c);
		INTER_TO(mapper, test_has_mapped);
		(void)INTER_TRY(converter);
		assert_int_equal(u->c.r, UNDER_WAY);
		assert_true(kvm_mem_is_private(&u->w->kvm, GFN(PAGE)));
		assert_false(world_is_mapped_anywhere(u->w, PAGE));
		INTER_END(mapper);
		INTER_END(converter);
		assert_int_equal(u->r, 0);
		assert_int_equal(u->c.r, 0);
		assert_false(u->was_private);
		INTER_THREAD(next, uses, &later);
		INTER_END(next);
		assert_int_equal(later.r, -EFAULT);
		destroy(u);
	}
}

static void upstream_it_does_not_wait(void **unused)
{
	struct use *u = create(false, true), later = *u;

	(void)unused;
	INTER_THREAD(mapper, uses, u);
	INTER_THREAD(converter, do_conversion, &u->c);
	INTER_TO(mapper, test_has_mapped);
	INTER_END(converter);
	assert_int_equal(u->c.r, 0);
	assert_true(kvm_mem_is_private(&u->w->kvm, GFN(PAGE)));
	assert_false(world_is_mapped_anywhere(u->w, PAGE));
	INTER_END(mapper);
	assert_int_equal(u->r, 0);
	assert_true(u->was_private);
	assert_string_equal((char *)world_memory_of(u->w, 0) + P(PAGE), "by kvm");
	/* Nor does it keep anybody from mapping. */
	INTER_THREAD(next, uses, &later);
	INTER_END(next);
	assert_int_equal(later.r, 0);
	destroy(u);
}

/* The VMM discards the page that KVM has mapped. */
struct giving_up {
	struct world	*w;
	char		*page;
	bool		 is_mapped, was_mapped;
	int		 r;
	char		 back[8];
};

static void stores_and_loads(void *arg)
{
	struct giving_up *g = arg;
	struct kvm *kvm = &g->w->kvm;
	struct kvm_vcpu *vcpu = &g->w->vcpus[0]->base;
	struct kvm_guest_map map;

	vcpu->srcu_idx = srcu_read_lock(&kvm->srcu);
	g->r = kvm_vcpu_map(vcpu, GFN(PAGE), &map);
	g->is_mapped = !g->r;
	SYNC_POINT(test_has_mapped);
	if (!g->r)
		g->r = kvm_map_write(vcpu, &map, 8, "by kvm", 8);
	if (!g->r)
		g->r = kvm_map_read(&map, 8, g->back, 8);
	g->is_mapped = false;
	kvm_vcpu_unmap(vcpu, &map, true);
	srcu_read_unlock(&kvm->srcu, vcpu->srcu_idx);
}

static void gives_up(void *arg)
{
	struct giving_up *g = arg;
	struct kvm_hva_range range = { (uintptr_t)g->page, (uintptr_t)g->page + PAGE_SIZE };
	struct kvm_host_change c;

	kvm_host_change_begin(&g->w->module, &range, 1, &c);
	CORO_STEP();
	g->was_mapped = g->is_mapped;
	memset(g->page, 0, PAGE_SIZE);
	SYNC_POINT(test_discarded);
	kvm_host_change_end(&c, true);
}

static void stays_the_maps(void *arg, uint64_t n)
{
	struct giving_up *g = arg;
	bool is_there = g->page[8];

	assert_int_equal(g->r, 0);
	if (strcmp(g->back, "by kvm"))
		fail_msg("step %llu: \"%s\" is read back", (unsigned long long)n, g->back);
	if (g->was_mapped && is_there)
		fail_msg("step %llu: stored in the VMM's next page", (unsigned long long)n);
	assert_true(list_is_empty(&g->w->vcpus[0]->base.maps));
}

static struct giving_up *create_giving_up(void)
{
	struct world *w = world_create(true);
	struct giving_up *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	world_add_slot(w, 0, 0, 16, NULL);
	g->w = w;
	g->page = (char *)world_memory_of(w, 0) + P(PAGE);
	return g;
}

static void destroy_giving_up(struct giving_up *g)
{
	struct world *w = g->w;

	free(g);
	world_destroy(w);
}

static void host2_a_page_that_is_given_up_stays_the_maps(void **unused)
{
	(void)unused;
	for (int turn = 0; turn < 2; turn++) {
		struct giving_up *g = create_giving_up();

		INTER_THREAD(mapper, stores_and_loads, g);
		INTER_THREAD(vmm, gives_up, g);
		world_sweep(g->w, turn ? mapper : vmm, turn ? vmm : mapper, stays_the_maps, g);
		INTER_ALL(INTER_MAX_STEPS);
		destroy_giving_up(g);
	}
}

/* The page has gone, and the map does not know it yet. */
static void host2_an_access_waits_for_a_change(void **unused)
{
	struct giving_up *g = create_giving_up();

	(void)unused;
	INTER_THREAD(mapper, stores_and_loads, g);
	INTER_THREAD(vmm, gives_up, g);
	INTER_TO(mapper, test_has_mapped);
	INTER_TO(vmm, test_discarded);
	INTER_BLOCKED(mapper);
	INTER_END(vmm);
	INTER_END(mapper);
	stays_the_maps(g, 0);
	assert_true(g->was_mapped);
	destroy_giving_up(g);
}

/* A change that has looked for maps already does not meet this one. */
static void host2_a_map_waits_for_a_change(void **unused)
{
	struct giving_up *g = create_giving_up();

	(void)unused;
	INTER_THREAD(mapper, stores_and_loads, g);
	INTER_THREAD(vmm, gives_up, g);
	INTER_TO(vmm, host_change_begun);
	INTER_BLOCKED(mapper);
	INTER_END(vmm);
	INTER_END(mapper);
	assert_false(g->was_mapped);
	stays_the_maps(g, 0);
	assert_string_equal(g->page + 8, "by kvm");
	destroy_giving_up(g);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(host1_no_map_outlives_a_conversion),
		cmocka_unit_test(host1_it_waits_and_goes_on),
		cmocka_unit_test(upstream_it_does_not_wait),
		cmocka_unit_test(host2_a_page_that_is_given_up_stays_the_maps),
		cmocka_unit_test(host2_an_access_waits_for_a_change),
		cmocka_unit_test(host2_a_map_waits_for_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
