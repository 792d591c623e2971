/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The bracket around a change of host mappings, and faults that ask the host
 * meanwhile (docs/guarantees-inter.md; spec kvm.md 2.7 and 10, B17).
 */
#include "world.h"

#define HUGE_PAGES	PG_LEVEL_PAGES(PG_LEVEL_2M)

/* Slot 0 over memory that the host maps by 2M. */
static struct world *a_huge_world(void)
{
	struct world *w = world_create(false);

	world_add_slot(w, 0, 0, 2 * HUGE_PAGES, NULL);
	world_map_huge(w, 0, PG_LEVEL_2M);
	return w;
}

static struct access a_write(struct world *w, unsigned vcpu, uint64_t gfn)
{
	return (struct access){ .v = w->vcpus[vcpu], .gfn = gfn, .ec = PFERR_WRITE };
}

static uint8_t level_of(struct world *w, uint64_t gfn)
{
	uint8_t level;
	spte_t s = world_spte(w, 0, gfn, &level);

	assert_true(spte_is_present_leaf(s, level));
	return level;
}

static void expect_settled(struct world *w)
{
	if (kvm_vm_is_dead(&w->kvm))
		fail_msg("the VM was given up");
	assert_int_equal(atomic64_load(&w->kvm.inv.in_progress), 0);
	world_audit(w, 0);
}

/* B17: a slot that begin has not seen, end does not see either. */
static void b17_no_slot_between_begin_and_end(void **unused)
{
	struct world *w = world_create(false);
	char *memory = world_memory(16);
	struct host_change h = { .w = w, .memory = memory, .n = 16, .gone = true };
	struct region hit = { .w = w, .slot = 1, .gfn = 0x100, .npages = 16, .memory = memory };
	struct access a;

	INTER_THREAD(change, do_host_change, &h);
	INTER_THREAD(adder, do_region, &hit);
	/* It is counted, so the change tells the VM; but nobody can find it yet. */
	INTER_TO(adder, memslot_before_swap);
	INTER_TO(change, host_change_begun);
	INTER_BLOCKED(adder);
	INTER_END(change);
	INTER_END(adder);
	assert_int_equal(hit.r, 0);
	expect_settled(w);
	a = a_write(w, 0, 0x100);
	do_access(&a);
	assert_int_equal(a.r, RET_PF_FIXED);
	world_destroy(w);
}

/* The same for a change that found no slot near it at all, and so told nobody. */
static void b17_no_slot_under_a_change_that_found_none(void **unused)
{
	struct world *w = world_create(false);
	char *memory = world_memory(16);
	struct host_change h = { .w = w, .memory = memory, .n = 16, .gone = true };
	struct region hit = { .w = w, .slot = 1, .gfn = 0x100, .npages = 16, .memory = memory };

	INTER_THREAD(change, do_host_change, &h);
	INTER_THREAD(adder, do_region, &hit);
	INTER_TO(change, host_change_looked);
	INTER_BLOCKED(adder);
	INTER_END(change);
	INTER_END(adder);
	assert_int_equal(hit.r, 0);
	expect_settled(w);
	world_destroy(w);
}

/* MMU-I7: a neighbour's fault does not bring back what is being taken away. */
static void i7_no_huge_page_over_a_host_change(void **unused)
{
	static const struct row { uint64_t page, n, neighbour; } rows[] = {
		{ 5, 1, 100 }, { 511, 2, 3 }, { 511, 2, 600 }, { 0, 511, 511 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
		const struct row *r = &rows[i / 2];
		struct world *w = a_huge_world();
		struct host_change h = { .w = w, .memory = world_memory_of(w, 0), .page = r->page,
					 .n = r->n, .gone = i % 2, .breaks = true };
		struct access a = a_write(w, 0, r->neighbour);

		/* Or else nobody knows yet that it is huge. */
		world_fault_in(w, 0, r->neighbour, PFERR_WRITE);
		assert_int_equal(level_of(w, r->neighbour), PG_LEVEL_2M);
		INTER_THREAD(change, do_host_change, &h);
		INTER_THREAD(fault, do_access, &a);
		INTER_TO(change, host_change_begun);
		assert_false(world_is_mapped_anywhere(w, r->page));
		INTER_END(fault);
		INTER_END(change);
		if (world_is_mapped_anywhere(w, r->page))
			fail_msg("row %zu: what has gone is mapped through a neighbour", i);
		do_access(&a);
		assert_int_equal(level_of(w, r->neighbour), PG_LEVEL_4K);
		expect_settled(w);
		world_destroy(w);
	}
}

/* FRAMES-G3: what the host said before a change is not believed after it. */
static void g3_a_late_answer_is_not_believed(void **unused)
{
	for (int gone = 0; gone < 2; gone++) {
		struct world *w = a_huge_world();
		struct host_change h = { .w = w, .memory = world_memory_of(w, 0), .page = 5,
					 .n = 1, .gone = gone, .breaks = true };
		struct access a = a_write(w, 0, 100);

		INTER_THREAD(fault, do_access, &a);
		INTER_THREAD(change, do_host_change, &h);
		INTER_TO(fault, gup_host_asked);
		INTER_END(change);
		INTER_END(fault);
		assert_int_equal(a.r, RET_PF_RETRY);
		do_access(&a);
		assert_int_equal(a.r, RET_PF_FIXED);
		if (level_of(w, 100) != PG_LEVEL_4K)
			fail_msg("mapped larger than the host does");
		expect_settled(w);
		world_destroy(w);
	}
}

/* While a fault waits for the host, memslots may change (a userfaultfd monitor's may). */
static void a_fault_that_asks_the_host_holds_nobody_up(void **unused)
{
	struct world *w = world_create(false);
	struct access a = a_write(w, 0, 3);
	struct region delete = { .w = w };

	world_add_slot(w, 0, 0, 16, NULL);
	INTER_THREAD(fault, do_access, &a);
	INTER_THREAD(monitor, do_region, &delete);
	INTER_TO(fault, gup_host_present);
	INTER_END(monitor);
	assert_int_equal(delete.r, 0);
	INTER_END(fault);
	assert_int_equal(a.r, RET_PF_RETRY);
	assert_false(world_is_mapped_anywhere(w, 3));
	world_destroy(w);
}

struct ending {
	struct world	*w;
	struct access	 a;
};

static void it_can_be_had_again(void *arg, uint64_t n)
{
	struct ending *e = arg;

	if (kvm_vm_is_dead(&e->w->kvm))
		fail_msg("step %llu: the VM was given up", (unsigned long long)n);
	world_audit(e->w, n);
	do_access(&e->a);
	if (e->a.r != RET_PF_FIXED && e->a.r != RET_PF_SPURIOUS)
		fail_msg("step %llu: a fault afterwards: %d", (unsigned long long)n, e->a.r);
	if (level_of(e->w, e->a.gfn) != PG_LEVEL_4K)
		fail_msg("step %llu: mapped larger than the host does", (unsigned long long)n);
}

/* MMU-I1, I2, I7: a change at every step of a fault, on the page and beside it; and the reverse. */
static void i2_faults_and_host_changes_at_every_step(void **unused)
{
	for (unsigned turn = 0; turn < 8; turn++) {
		struct ending e = { .w = a_huge_world() };
		struct host_change h = { .w = e.w, .memory = world_memory_of(e.w, 0), .page = 5,
					 .n = 2, .gone = turn & 1, .breaks = true };

		e.a = a_write(e.w, 0, turn & 2 ? 5 : 100);
		INTER_THREAD(fault, do_access, &e.a);
		INTER_THREAD(change, do_host_change, &h);
		world_sweep(e.w, turn & 4 ? fault : change, turn & 4 ? change : fault,
			    it_can_be_had_again, &e);
		INTER_ALL(INTER_MAX_STEPS);
		world_destroy(e.w);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(b17_no_slot_between_begin_and_end),
		cmocka_unit_test(b17_no_slot_under_a_change_that_found_none),
		cmocka_unit_test(i7_no_huge_page_over_a_host_change),
		cmocka_unit_test(g3_a_late_answer_is_not_believed),
		cmocka_unit_test(a_fault_that_asks_the_host_holds_nobody_up),
		cmocka_unit_test(i2_faults_and_host_changes_at_every_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
