/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Zaps, roots and flushes: bugs of KVM's history as interleavings
 * (docs/guarantees-inter.md).
 */
#include "world.h"

#include "hw/insn/phys.h"
#include "kvm/core/request.h"
#include "os/memory.h"

/* Takes [start, end) out of all tables, as an invalidation by the host does. */
struct unmap {
	struct world	*w;
	uint64_t	 start, end;
};

static void do_unmap(void *arg)
{
	struct unmap *u = arg;
	struct kvm *kvm = &u->w->kvm;
	struct kvm_memory_slot *slot = kvm_gfn_to_memslot(kvm, 0, GFN(u->start));

	write_lock(&kvm->mmu_lock);
	if (kvm_mmu_unmap_range(kvm, slot, GFN(u->start), GFN(u->end), KVM_FILTER_SHARED,
				false))
		kvm_flush_remote_tlbs(kvm);
	write_unlock(&kvm->mmu_lock);
}

/* What a new root asks for is not what the tests are after. */
static void forget_flushes(struct world *w)
{
	for (unsigned i = 0; i < WORLD_VCPUS; i++)
		(void)kvm_check_request(KVM_REQ_TLB_FLUSH, &w->vcpus[i]->base);
}

/* B8: a walk that lets go of the lock comes back to where it was. */
static void b8_no_entry_is_skipped_after_a_yield(void **unused)
{
	static const uint64_t mapped[] = { 0, 1, 2, 511, 512, 513, 1024, 1500, 1501, 2047 };
	struct world *w = world_create(false);
	struct unmap u = { .w = w, .start = 0, .end = 2048 };

	world_add_slot(w, 0, 0, 2048, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(mapped); i++)
		world_fault_in(w, 0, mapped[i], PFERR_WRITE);
	inter_always_yield(true);
	INTER_THREAD(unmap, do_unmap, &u);
	INTER_END(unmap);
	inter_always_yield(false);
	for (size_t i = 0; i < ARRAY_SIZE(mapped); i++)
		if (world_is_mapped_anywhere(w, mapped[i]))
			fail_msg("frame %llu was skipped", (unsigned long long)mapped[i]);
	world_destroy(w);
}

/* B9: after an invalidation no root has the page, dying ones included. */
static void b9_dying_roots_are_unmapped_too(void **unused)
{
	struct world *w = world_create(false);
	struct unmap u = { .w = w, .start = 3, .end = 4 };

	world_add_slot(w, 0, 0, 16, NULL);
	world_fault_in(w, 0, 3, PFERR_WRITE);
	INTER_THREAD(zapper, do_zap_all, w);
	INTER_THREAD(unmap, do_unmap, &u);
	INTER_TO(zapper, zap_all_after_invalidate);
	INTER_END(unmap);
	if (world_is_mapped_anywhere(w, 3))
		fail_msg("a dying root still maps a page that is gone");
	INTER_END(zapper);
	world_destroy(w);
}

/* B10: who lets go of mmu_lock has flushed what it zapped. */
static void b10_a_yield_owes_no_flush(void **unused)
{
	struct world *w = world_create(false);
	struct unmap u = { .w = w, .start = 0, .end = 8 };

	world_add_slot(w, 0, 0, 16, NULL);
	/* One more than we look at: a walk goes by what is empty without a yield. */
	for (uint64_t gfn = 0; gfn < 4; gfn++)
		world_fault_in(w, 0, gfn, PFERR_WRITE);
	forget_flushes(w);
	inter_always_yield(true);
	INTER_THREAD(unmap, do_unmap, &u);
	for (uint64_t gfn = 0; gfn < 3; gfn++) {
		INTER_TO(unmap, iter_yield);
		if (world_is_mapped_anywhere(w, gfn))
			continue;	/* it has not come that far */
		for (unsigned i = 0; i < WORLD_VCPUS; i++)
			if (!kvm_check_request(KVM_REQ_TLB_FLUSH, &w->vcpus[i]->base))
				fail_msg("the lock is free, frame %llu is gone, vCPU %u may use it",
					 (unsigned long long)gfn, i);
	}
	INTER_END(unmap);
	inter_always_yield(false);
	world_destroy(w);
}

/*
 * B10 of what has several parts: what was zapped in one is flushed before a
 * walk of the next yields.  Page 1 of each part, so that there is a yield
 * before anything of it goes.
 */
struct parts {
	struct world	*w;
	void		(*fn)(void *);
	void		*arg;
	uint64_t	 gfns[2];	/* mapped, one of each part */
};

static void expect_flushed(struct world *w, uint64_t gfn)
{
	for (unsigned i = 0; i < WORLD_VCPUS; i++)
		if (!kvm_check_request(KVM_REQ_TLB_FLUSH, &w->vcpus[i]->base))
			fail_msg("the lock is free, frame %#llx is gone, vCPU %u may use it",
				 (unsigned long long)gfn, i);
}

static void yield_between_parts(const struct parts *p, uint64_t ec)
{
	unsigned gone;

	for (unsigned i = 0; i < 2; i++)
		world_fault_in(p->w, 0, p->gfns[i], ec);
	forget_flushes(p->w);
	inter_always_yield(true);
	INTER_THREAD(change, p->fn, p->arg);
	INTER_TO(change, iter_yield);
	INTER_TO(change, iter_yield);
	/* Either part may have been the first. */
	gone = world_is_mapped_anywhere(p->w, p->gfns[0]) ? 1 : 0;
	assert_true(world_is_mapped_anywhere(p->w, p->gfns[!gone]));
	assert_false(world_is_mapped_anywhere(p->w, p->gfns[gone]));
	expect_flushed(p->w, p->gfns[gone]);
	INTER_END(change);
	inter_always_yield(false);
	assert_false(world_is_mapped_anywhere(p->w, p->gfns[!gone]));
	expect_flushed(p->w, p->gfns[!gone]);
}

static void add_region(struct region r)
{
	do_region(&r);
	assert_int_equal(r.r, 0);
}

/* A range of the host's in which private frames lie between shared ones. */
static void b10_between_shared_frames(void **unused)
{
	struct world *w = world_create(true);
	struct conversion c = { .w = w, .gfn = 5, .n = 1, .attrs = PRIV };
	struct host_change h = { .w = w, .n = 16, .gone = true };
	struct parts p = { w, do_host_change, &h, { 1, 9 } };

	world_add_slot(w, 0, 0, 16, NULL);
	h.memory = world_memory_of(w, 0);
	do_conversion(&c);
	assert_int_equal(c.r, 0);
	yield_between_parts(&p, PFERR_WRITE);
	world_destroy(w);
}

/* A range of the host's that two slots have. */
static void b10_between_slots_of_a_host_change(void **unused)
{
	struct world *w = world_create(false);
	struct host_change h = { .w = w, .n = 16, .gone = true };
	struct parts p = { w, do_host_change, &h, { 1, 0x101 } };

	world_add_slot(w, 0, 0, 16, NULL);
	h.memory = world_memory_of(w, 0);
	add_region((struct region){ .w = w, .slot = 1, .gfn = 0x100, .npages = 16,
				    .memory = h.memory });
	yield_between_parts(&p, PFERR_WRITE);
	world_destroy(w);
}

/* A hole in a file that two slots have. */
static void b10_between_slots_of_a_hole(void **unused)
{
	struct world *w = world_create(true);
	struct gmem_file *file = world_gmem(w, 32);
	struct conversion c = { .w = w, .n = 0x200, .attrs = PRIV };
	struct hole h = { .file = file, .n = 32 };
	struct parts p = { w, do_hole, &h, { 1, 0x101 } };

	world_add_slot(w, 0, 0, 16, file);
	add_region((struct region){ .w = w, .slot = 1, .gfn = 0x100, .npages = 16,
				    .memory = world_memory(16), .gmem = file,
				    .gmem_offset = P(16) });
	do_conversion(&c);
	assert_int_equal(c.r, 0);
	yield_between_parts(&p, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
	assert_int_equal(h.r, 0);
	kvm_gmem_release(file);
	world_destroy(w);
}

/* A conversion over two slots. */
static void b10_between_slots_of_a_conversion(void **unused)
{
	struct world *w = world_create(true);
	struct conversion c = { .w = w, .n = 0x200, .attrs = PRIV };
	struct parts p = { w, do_conversion, &c, { 1, 0x101 } };

	world_add_slot(w, 0, 0, 16, NULL);
	world_add_slot(w, 1, 0x100, 16, NULL);
	yield_between_parts(&p, PFERR_WRITE);
	assert_int_equal(c.r, 0);
	world_destroy(w);
}

/* B11: nothing is installed into a root that has become obsolete. */
static void b11_a_dying_root_gets_no_more_entries(void **unused)
{
	struct world *w = world_create(false);
	struct access a = { .v = w->vcpus[0], .gfn = 3, .ec = PFERR_WRITE };

	world_add_slot(w, 0, 0, 16, NULL);
	INTER_THREAD(fault, do_access, &a);
	INTER_THREAD(zapper, do_zap_all, w);
	INTER_TO(fault, fault_before_lock);
	INTER_END(zapper);
	INTER_END(fault);
	assert_int_equal(a.r, RET_PF_RETRY);
	assert_false(world_is_mapped_anywhere(w, 3));
	do_access(&a);			/* a new root, and all is well */
	assert_int_equal(a.r, RET_PF_FIXED);
	world_destroy(w);
}

/* B13: a prefault gets itself a new root, however often the old one dies. */
static void b13_a_prefault_outlives_its_root(void **unused)
{
	struct world *w = world_create(false);
	struct prefault p = { .v = w->vcpus[0], .gfn = 3 };

	world_add_slot(w, 0, 0, 16, NULL);
	INTER_THREAD(prefault, do_prefault, &p);
	INTER_THREAD(zap1, do_zap_all, w);
	INTER_THREAD(zap2, do_zap_all, w);
	INTER_TO(prefault, fault_before_lock);
	INTER_END(zap1);
	INTER_TO(prefault, fault_snapshot_seq);
	INTER_END(zap2);
	INTER_END(prefault);
	assert_int_equal(p.r, 0);
	assert_true(world_is_mapped(w, 0, 3));
	world_destroy(w);
}

/* The processor's walker: sets Accessed in an entry that is present. */
struct walker {
	struct world	*w;
	hpa_t		 sptep;
};

static void do_walk(void *arg)
{
	struct walker *k = arg;
	struct hw *hw = k->w->module.hw;
	spte_t old = { .v = phys_load64(hw, k->sptep) };

	while (spte_is_present(old) &&
	       !phys_cas64(hw, k->sptep, &old.v, old.v | k->w->module.spte->accessed))
		;
}

static hpa_t entry_of(struct world *w, uint64_t gfn)
{
	struct tdp_iter it;
	hpa_t sptep = HPA_INVALID;

	rcu_read_lock();
	for_each_tdp_pte(it, &w->kvm, w->vcpus[0]->base.mmu.root_sp, GFN(gfn), GFN(gfn + 1))
		sptep = it.sptep;
	rcu_read_unlock();
	return sptep;
}

/* B44: a zap that lost to the processor looks at the entry anew. */
static void b44_a_lost_exchange_is_looked_at_anew(void **unused)
{
	struct world *w = world_create(false);
	struct prefault p = { .v = w->vcpus[0], .gfn = 3 };
	struct walker k = { .w = w };

	world_add_slot(w, 0, 0, 16, NULL);
	do_prefault(&p);		/* not accessed yet */
	k.sptep = entry_of(w, 3);
	INTER_THREAD(zapper, do_zap_all, w);
	INTER_THREAD(walker, do_walk, &k);
	INTER_TO(zapper, zap_all_after_invalidate);
	os_arena_snapshot();
	for (uint64_t n = 1; n < 200; n++) {
		os_arena_reset();
		if (!INTER_STEPS(zapper, n))
			fail_msg("the zap has only %llu steps", (unsigned long long)n);
		INTER_END(walker);
		INTER_END(zapper);
		assert_false(world_is_mapped_anywhere(w, 3));
	}
	world_destroy(w);
}

/* MMU-I1: a zap of everything at every step of a fault, and the reverse. */
struct ending {
	struct world	*w;
	struct access	 a;
};

static void what_is_mapped_is_reachable(void *arg, uint64_t n)
{
	struct ending *e = arg;

	if (world_is_mapped_anywhere(e->w, 3) != world_is_mapped(e->w, 0, 3))
		fail_msg("step %llu: mapped in a root that nobody uses", (unsigned long long)n);
	if (world_is_mapped_anywhere(e->w, 3) && spt_is_invalid(e->w->vcpus[0]->base.mmu.root_sp))
		fail_msg("step %llu: mapped in a dying root", (unsigned long long)n);
}

static void i1_faults_and_zaps_at_every_step(void **unused)
{
	for (int turn = 0; turn < 2; turn++) {
		struct ending e = { .w = world_create(false) };

		e.a = (struct access){ .v = e.w->vcpus[0], .gfn = 3, .ec = PFERR_WRITE };
		world_add_slot(e.w, 0, 0, 16, NULL);
		world_fault_in(e.w, 0, 4, PFERR_WRITE);
		INTER_THREAD(fault, do_access, &e.a);
		INTER_THREAD(zapper, do_zap_all, e.w);
		world_sweep(e.w, turn ? fault : zapper, turn ? zapper : fault,
			    what_is_mapped_is_reachable, &e);
		INTER_ALL(INTER_MAX_STEPS);
		world_destroy(e.w);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(b8_no_entry_is_skipped_after_a_yield),
		cmocka_unit_test(b9_dying_roots_are_unmapped_too),
		cmocka_unit_test(b10_a_yield_owes_no_flush),
		cmocka_unit_test(b10_between_shared_frames),
		cmocka_unit_test(b10_between_slots_of_a_host_change),
		cmocka_unit_test(b10_between_slots_of_a_hole),
		cmocka_unit_test(b10_between_slots_of_a_conversion),
		cmocka_unit_test(b11_a_dying_root_gets_no_more_entries),
		cmocka_unit_test(b13_a_prefault_outlives_its_root),
		cmocka_unit_test(b44_a_lost_exchange_is_looked_at_anew),
		cmocka_unit_test(i1_faults_and_zaps_at_every_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
