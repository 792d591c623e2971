/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Private and shared: bugs of KVM's history as interleavings.  Numbers are
 * those of docs/guarantees-inter.md, which also says how each was put back.
 */
#include "world.h"

#include <errno.h>

#include "kvm/core/attr.h"
#include "os/memory.h"

#define APIC_GFN	(0xfee00000ull >> PAGE_SHIFT)

/* Exits with KVM_EXIT_MEMORY_FAULT for an access of the kind @private. */
static void wants_memory_fault(struct world *w, uint64_t gfn, bool private, const char *where)
{
	struct access a = { .v = w->vcpus[0], .gfn = gfn, .ec = PFERR_WRITE };
	struct kvm_run *run = w->vcpus[0]->base.run;

	if (private)
		a.ec |= PFERR_PRIVATE_ACCESS;
	run->exit_reason = KVM_EXIT_UNKNOWN;
	INTER_THREAD(fault, do_access, &a);
	INTER_END(fault);
	if (a.r != -EFAULT || run->exit_reason != KVM_EXIT_MEMORY_FAULT)
		fail_msg("%s access, %s: %d, exit %u", private ? "private" : "shared", where, a.r,
			 run->exit_reason);
	assert_int_equal(run->memory_fault.flags,
			 private ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0);
	assert_int_equal(run->memory_fault.gpa, P(gfn));
}

/* B1: one answer to a wrong alias, whatever the state of the slot. */
static void b1_attributes_come_before_slots(void **unused)
{
	static const bool kinds[] = { true, false };
	void *apic;

	for (int i = 0; i < 2; i++) {
		bool private = kinds[i];
		struct world *w = world_create(true);
		struct region move = { .w = w, .gfn = 32, .npages = 16 };
		/* The access is wrong: the frames are of the other kind. */
		struct conversion c = { .w = w, .n = 1ull << 20, .attrs = private ? 0 : PRIV };

		do_conversion(&c);
		assert_int_equal(c.r, 0);
		wants_memory_fault(w, 4, private, "no slot");
		apic = world_memory(1);
		assert_int_equal(kvm_vm_set_internal_slot(&w->kvm, KVM_APIC_ACCESS_SLOT,
							  GPA(P(APIC_GFN)), apic, PAGE_SIZE), 0);
		wants_memory_fault(w, APIC_GFN, private, "the APIC page");
		world_add_slot(w, 0, 0, 16, NULL);
		wants_memory_fault(w, 4, private, "a slot");
		move.memory = (void *)kvm_id_to_memslot(&w->kvm, 0, 0)->userspace_addr.v;

		INTER_THREAD(mover, do_region, &move);
		INTER_TO(mover, memslot_after_invalid_swap);
		wants_memory_fault(w, 4, private, "a slot on its way");
		INTER_END(mover);
		assert_int_equal(move.r, 0);
		world_destroy(w);
	}
}

/* B6: nothing is looked up or written beyond the huge pages of a slot. */
static void b6_huge_pages_end_with_their_slot(void **unused)
{
	struct world *w = world_create(true);
	struct conversion c = { .w = w, .gfn = 513, .n = 2048, .attrs = PRIV };

	world_add_slot(w, 0, 512, 3, NULL);
	INTER_THREAD(converter, do_conversion, &c);
	INTER_END(converter);
	assert_int_equal(c.r, 0);
	if (os_arena_check())
		fail_msg("%s", os_arena_check());
	world_destroy(w);
}

/* B7: no huge page while attributes within it change. */
static void b7_no_huge_page_over_a_change(void **unused)
{
	static const uint64_t changed[] = { 5, 511, 1024 + 5 };

	for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
		struct world *w = world_create(true);
		struct conversion c = { .w = w, .gfn = changed[i], .n = 1, .attrs = PRIV };
		uint64_t neighbour = ALIGN_DOWN(changed[i], 512) + 100;
		struct access a = { .v = w->vcpus[0], .gfn = neighbour, .ec = PFERR_WRITE };
		uint8_t level;

		world_add_slot(w, 0, 0, 2048, NULL);
		world_map_huge(w, 0, PG_LEVEL_2M);
		/* A range that begins in one huge page and ends in the next. */
		if (changed[i] == 511)
			c.n = 2;
		INTER_THREAD(converter, do_conversion, &c);
		INTER_THREAD(fault, do_access, &a);
		INTER_TO(converter, attr_after_pre);
		INTER_END(fault);
		INTER_END(converter);

		assert_int_equal(c.r, 0);
		(void)world_spte(w, 0, neighbour, &level);
		if (a.r == RET_PF_FIXED && level > PG_LEVEL_4K)
			fail_msg("frame %llu is private under a shared page of level %d",
				 (unsigned long long)changed[i], level);
		/* And afterwards it is known to be mixed. */
		do_access(&a);
		assert_true(a.r == RET_PF_FIXED || a.r == RET_PF_SPURIOUS);
		(void)world_spte(w, 0, neighbour, &level);
		assert_int_equal(level, PG_LEVEL_4K);
		world_destroy(w);
	}
}

/* B31: what a conversion costs does not grow with its size. */
static void b31_a_conversion_of_a_tebibyte_is_short(void **unused)
{
	static const struct row { uint64_t gfn, n; } rows[] = {
		{ 0, 1ull << 28 }, { 3, (1ull << 28) - 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world *w = world_create(true);
		struct conversion c = { .w = w, .gfn = rows[i].gfn, .n = rows[i].n, .attrs = PRIV };

		INTER_THREAD(converter, do_conversion, &c);
		if (INTER_STEPS(converter, 20000))
			fail_msg("1 TiB takes more than 20,000 steps");
		assert_int_equal(c.r, 0);
		assert_true(kvm_mem_is_private(&w->kvm, GFN(1ull << 27)));
		world_destroy(w);
	}
}

/*
 * MMU-I1: wherever a conversion is interrupted by a fault, or a fault by
 * a conversion, in the end no frame is mapped as what it is not.
 */
struct ending {
	struct world	*w;
	struct conversion c;
	struct access	 a;
};

static void nothing_is_mapped(void *arg, uint64_t n)
{
	struct ending *e = arg;

	assert_int_equal(e->c.r, 0);
	assert_true(e->a.r == RET_PF_FIXED || e->a.r == RET_PF_RETRY || e->a.r == -EFAULT);
	if (world_is_mapped_anywhere(e->w, 5))
		fail_msg("step %llu: mapped as what it is not", (unsigned long long)n);
}

static void i1_faults_and_conversions_at_every_step(void **unused)
{
	for (int turn = 0; turn < 4; turn++) {
		bool to_private = turn & 2;
		struct ending e = { .w = world_create(true) };
		struct gmem_file *file = world_gmem(e.w, 16);

		world_add_slot(e.w, 0, 0, 16, file);
		e.c = (struct conversion){ .w = e.w, .n = 16, .attrs = PRIV };
		if (!to_private)
			do_conversion(&e.c);
		e.c = (struct conversion){ .w = e.w, .gfn = 5, .n = 1,
					   .attrs = to_private ? PRIV : 0 };
		e.a = (struct access){ .v = e.w->vcpus[0], .gfn = 5, .ec = PFERR_WRITE |
				       (to_private ? 0 : PFERR_PRIVATE_ACCESS) };
		INTER_THREAD(fault, do_access, &e.a);
		INTER_THREAD(converter, do_conversion, &e.c);
		world_sweep(e.w, turn & 1 ? fault : converter, turn & 1 ? converter : fault,
			    nothing_is_mapped, &e);
		INTER_ALL(INTER_MAX_STEPS);
		kvm_gmem_release(file);
		world_destroy(e.w);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(b1_attributes_come_before_slots),
		cmocka_unit_test(b6_huge_pages_end_with_their_slot),
		cmocka_unit_test(b7_no_huge_page_over_a_change),
		cmocka_unit_test(b31_a_conversion_of_a_tebibyte_is_short),
		cmocka_unit_test(i1_faults_and_conversions_at_every_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
