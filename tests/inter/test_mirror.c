/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A mirror and its external table under every order of two users: after each
 * one the auditor compares them entry by entry (MMU-I4).
 */
#include "world.h"

#include <errno.h>

#include "hw/insn/phys.h"
#include "kvm/core/request.h"

#define WRITES_PRIVATE	(PFERR_WRITE | PFERR_PRIVATE_ACCESS)
#define GFN_OF_TEST	3ull

/* Slot 0 has 16 frames, all of them private. */
static struct world *a_private_world(struct gmem_file **gmem)
{
	struct world *w = world_create_separate();
	struct conversion c = { .w = w, .gfn = 0, .n = 16, .attrs = PRIV };

	*gmem = world_gmem(w, 16);
	world_add_slot(w, 0, 0, 16, *gmem);
	do_conversion(&c);
	assert_int_equal(c.r, 0);
	world_fault_in(w, 0, 8, WRITES_PRIVATE);
	return w;
}

static void end(struct world *w, struct gmem_file *gmem)
{
	kvm_gmem_release(gmem);
	world_destroy(w);
}

static spte_t mirror_entry(struct world *w, uint64_t gfn)
{
	struct tdp_iter it, last = { .old = SPTE_NONPRESENT };

	rcu_read_lock();
	for_each_tdp_pte(it, &w->kvm, w->vcpus[0]->base.mmu.mirror_root_sp, GFN(gfn), GFN(gfn + 1))
		last = it;
	rcu_read_unlock();
	return last.old;
}

/* While one adds, the entry is frozen for all others: they try again. */
static void the_second_fault_tries_again(void **unused)
{
	struct gmem_file *gmem;
	struct world *w = a_private_world(&gmem);
	struct access a = { .v = w->vcpus[0], .gfn = GFN_OF_TEST, .ec = WRITES_PRIVATE };
	struct access b = { .v = w->vcpus[1], .gfn = GFN_OF_TEST, .ec = WRITES_PRIVATE };

	INTER_THREAD(first, do_access, &a);
	INTER_THREAD(second, do_access, &b);
	INTER_TO(first, mirror_external_added);
	assert_true(spte_is_frozen(mirror_entry(w, GFN_OF_TEST)));
	INTER_END(second);
	assert_int_equal(b.r, RET_PF_RETRY);
	INTER_END(first);
	assert_int_equal(a.r, RET_PF_FIXED);
	assert_true(spte_is_present(mirror_entry(w, GFN_OF_TEST)));
	do_access(&b);
	assert_int_equal(b.r, RET_PF_SPURIOUS);
	world_audit(w, 0);
	end(w, gmem);
}

/* Who takes away waits until the one who adds is through. */
static void a_conversion_waits_for_a_frozen_entry(void **unused)
{
	struct gmem_file *gmem;
	struct world *w = a_private_world(&gmem);
	struct access a = { .v = w->vcpus[0], .gfn = GFN_OF_TEST, .ec = WRITES_PRIVATE };
	struct conversion c = { .w = w, .gfn = GFN_OF_TEST, .n = 1, .attrs = 0 };

	INTER_THREAD(fault, do_access, &a);
	INTER_THREAD(conversion, do_conversion, &c);
	INTER_TO(fault, mirror_frozen);
	INTER_BLOCKED(conversion);
	INTER_END(fault);
	INTER_END(conversion);
	assert_int_equal(mirror_entry(w, GFN_OF_TEST).v, SPTE_NONPRESENT.v);
	world_audit(w, 0);
	end(w, gmem);
}

enum taker { CONVERSION, HOLE, FAULT, ZAP_ALL, NR_TAKERS };

static void any_order_is_fine(void *arg, uint64_t n)
{
	struct world *w = arg;

	if (spte_is_frozen(mirror_entry(w, GFN_OF_TEST)))
		fail_msg("step %llu: an entry stays frozen", (unsigned long long)n);
	if (kvm_vm_is_dead(&w->kvm))
		fail_msg("step %llu: the VM was given up", (unsigned long long)n);
}

/* Each of those who take away, add or zap, at every step of a fault, and the reverse. */
static void i4_everybody_at_every_step_of_a_fault(void **unused)
{
	for (unsigned n = 0; n < 2 * NR_TAKERS; n++) {
		enum taker taker = n / 2;
		struct gmem_file *gmem;
		struct world *w = a_private_world(&gmem);
		struct access a = { .v = w->vcpus[0], .gfn = GFN_OF_TEST, .ec = WRITES_PRIVATE };
		struct access b = { .v = w->vcpus[1], .gfn = GFN_OF_TEST, .ec = WRITES_PRIVATE };
		struct conversion c = { .w = w, .gfn = GFN_OF_TEST, .n = 1, .attrs = 0 };
		struct hole h = { .file = gmem, .page = GFN_OF_TEST, .n = 1 };
		void (*const fn[])(void *) = { do_conversion, do_hole, do_access, do_zap_all };
		void *const args[] = { &c, &h, &b, w };

		INTER_THREAD(fault, do_access, &a);
		INTER_THREAD(second, fn[taker], args[taker]);
		world_sweep(w, n % 2 ? fault : second, n % 2 ? second : fault, any_order_is_fine, w);
		INTER_ALL(INTER_MAX_STEPS);
		end(w, gmem);
	}
}

/* What a mirror holds cannot be had again: it goes when the VMM says so, and never otherwise. */
static void b22_nobody_else_takes_from_a_mirror(void **unused)
{
	struct gmem_file *gmem;
	struct world *w = a_private_world(&gmem);
	struct host_change h = { .w = w, .memory = world_memory_of(w, 0), .n = 16, .gone = true };
	struct region alias = { .w = w, .slot = 1, .npages = 16, .memory = world_memory(16) };
	spte_t before;

	world_fault_in(w, 0, GFN_OF_TEST, WRITES_PRIVATE);
	before = mirror_entry(w, GFN_OF_TEST);
	assert_true(spte_is_present(before));
	INTER_THREAD(zapper, do_zap_all, w);
	INTER_END(zapper);
	if (mirror_entry(w, GFN_OF_TEST).v != before.v)
		fail_msg("zapping everything has taken private memory");
	do_host_change(&h);
	if (mirror_entry(w, GFN_OF_TEST).v != before.v)
		fail_msg("a munmap of shared memory has taken private memory");
	/* And no slot gives a gfn a second name. */
	for (unsigned edge = 0; edge < 2; edge++) {
		alias.gfn = w->kvm.mmu.direct_bits - edge * 8;
		do_region(&alias);
		if (alias.r != -EINVAL)
			fail_msg("a slot at %#llx: %d", (unsigned long long)alias.gfn, alias.r);
	}
	world_audit(w, 0);
	end(w, gmem);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_fault_tries_again),
		cmocka_unit_test(a_conversion_waits_for_a_frozen_entry),
		cmocka_unit_test(b22_nobody_else_takes_from_a_mirror),
		cmocka_unit_test(i4_everybody_at_every_step_of_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
