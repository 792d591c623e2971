/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * An SNP guest's pages: the RMP against nested entries, holes and other faults
 * (docs/guarantees-inter.md).  What the guest does to its pages is done between
 * two steps.
 */
#include "world.h"

#include <errno.h>

#include "hw/insn/peek.h"
#include "hw/snp/guest.h"
#include "kvm/types/snp.h"
#include "kvm/mmu/spte.h"
#include "trace/counters.h"

#define NR_PAGES	512
#define PAGE		77	/* the one that is looked at */
#define OTHER		300	/* of the same 2 MiB */

struct snp {
	struct world	*w;
	struct gmem_file *file;
	hpa_t		 first;	/* of the 2 MiB */
};

/* 2 MiB of private memory from gfn 0 on; nothing of it is mapped. */
static void make(struct snp *s, uint32_t order)
{
	struct conversion c = { .n = NR_PAGES, .attrs = PRIV };

	c.w = s->w = world_create_snp(order);
	s->file = world_gmem(s->w, NR_PAGES);
	world_add_slot(s->w, 0, 0, NR_PAGES, s->file);
	do_conversion(&c);
	assert_int_equal(c.r, 0);
}

static void end(struct snp *s)
{
	kvm_gmem_release(s->file);
	world_destroy(s->w);
}

static struct access access_to(struct snp *s, unsigned vcpu, uint64_t gfn)
{
	return (struct access){ .v = s->w->vcpus[vcpu], .gfn = gfn,
				.ec = PFERR_WRITE | PFERR_PRIVATE_ACCESS };
}

/* Where the 2 MiB are: known once a page is mapped. */
static void find(struct snp *s, uint64_t gfn)
{
	uint8_t level;
	spte_t spte = world_spte(s->w, 0, gfn, &level);

	s->first = HPA(ALIGN_DOWN(spte_address(s->w->module.spte, spte).v, PG_LEVEL_SIZE(PG_LEVEL_2M)));
}

static struct rmp_entry entry(struct snp *s, uint64_t page)
{
	struct rmp_entry e;

	assert_true(peek_rmp(s->w->module.hw, HPA(s->first.v + P(page)), &e));
	return e;
}

/* The guest's PVALIDATE, behind a nested entry of @level. */
static struct rmp_done pvalidate(struct snp *s, uint64_t page, uint8_t level, bool large)
{
	const struct rmp_target t = { .hpa = HPA(s->first.v + P(page)), .gpa = P(page),
				      .level = level, .asid = WORLD_ASID };

	return snp_pvalidate(s->w->module.hw, &t, large, true);
}

/* Any step: a private nested entry is no larger than the RMP's, and the page is the guest's (R6, R7). */
static void check_page(struct snp *s, uint64_t n, uint64_t page)
{
	const char *wrong = peek_rmp_wrong(s->w->module.hw, s->first);

	if (wrong)
		fail_msg("step %llu: %s", (unsigned long long)n, wrong);
	for (unsigned v = 0; v < WORLD_VCPUS; v++) {
		uint8_t level;
		spte_t spte = world_spte(s->w, v, page, &level);

		if (!spte_is_present_leaf(spte, level))
			continue;
		if (!entry(s, page).assigned)
			fail_msg("step %llu: gfn %llu is mapped, and the hypervisor's",
				 (unsigned long long)n, (unsigned long long)page);
		if (level > PG_LEVEL_4K && !entry(s, 0).is_2m)
			fail_msg("step %llu: gfn %llu is mapped by 2M, and the RMP has 4K (B38)",
				 (unsigned long long)n, (unsigned long long)page);
	}
}

struct rmp_fault {		/* a nested fault with the RMP bit, as KVM_RUN handles it */
	struct access	 a;
};

static void do_rmp_fault(void *arg)
{
	struct rmp_fault *f = arg;
	struct kvm_vcpu *vcpu = &f->a.v->base;

	do_access(&f->a);
	if (f->a.r < 0)
		return;
	vcpu->srcu_idx = srcu_read_lock(&vcpu->kvm->srcu);
	vcpu->kvm->ops->handle_rmp_fault(vcpu, GPA(P(f->a.gfn)), f->a.ec);
	srcu_read_unlock(&vcpu->kvm->srcu, vcpu->srcu_idx);
}

/* Two vCPUs meet at a new page: who comes second takes nothing from the guest. */
static void snp1_a_page_is_prepared_once(void **unused)
{
	struct access a, b;
	struct snp s;

	make(&s, 0);
	a = access_to(&s, 0, PAGE);
	b = access_to(&s, 1, PAGE);
	INTER_THREAD(slow, do_access, &a);
	INTER_THREAD(quick, do_access, &b);
	INTER_TO(slow, snp_prepare_looked);
	if (INTER_GO(quick)) {
		struct kvm_vcpu *v = &s.w->vcpus[1]->base;
		uint8_t level;
		spte_t spte = world_spte(s.w, 1, PAGE, &level);

		assert_non_null(v->mmu.root_sp);
		s.first = HPA(spte_address(s.w->module.spte, spte).v - P(PAGE));
		assert_int_equal(pvalidate(&s, PAGE, level, false).eax, RMP_SUCCESS);
		INTER_END(slow);
		if (!entry(&s, PAGE).validated)
			fail_msg("a page that the guest has validated is prepared again");
	} else {
		INTER_ALL(INTER_MAX_STEPS);
		find(&s, PAGE);
		assert_true(entry(&s, PAGE).assigned);
	}
	end(&s);
}

/* R7: what goes back is mapped nowhere any more when it changes hands. */
static void snp2_unmapped_before_it_goes_back(void **unused)
{
	struct hole h = { .page = 0, .n = NR_PAGES };
	struct snp s;

	make(&s, 0);
	h.file = s.file;
	world_fault_in(s.w, 0, PAGE, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
	find(&s, PAGE);
	INTER_THREAD(puncher, do_hole, &h);
	INTER_TO(puncher, snp_page_released);
	if (world_is_mapped_anywhere(s.w, PAGE))
		fail_msg("a page is the hypervisor's, and mapped");
	INTER_END(puncher);
	assert_false(entry(&s, PAGE).assigned);
	end(&s);
}

/* R7, the other way: the page is the guest's before there is a way to it. */
static void snp2_the_guests_before_it_is_mapped(void **unused)
{
	struct access a;
	struct snp s;

	make(&s, 0);
	a = access_to(&s, 0, PAGE);
	INTER_THREAD(fault, do_access, &a);
	INTER_TO(fault, snp_prepare_looked);
	if (world_is_mapped_anywhere(s.w, PAGE))
		fail_msg("a page is mapped, and not yet the guest's");
	INTER_END(fault);
	assert_int_equal(a.r, RET_PF_FIXED);
	find(&s, PAGE);
	assert_true(entry(&s, PAGE).assigned);
	end(&s);
}

struct hole_and_fault {
	struct snp	*s;
	struct access	 a;
	struct hole	 h;
};

static void no_page_without_file(void *arg, uint64_t n)
{
	struct hole_and_fault *e = arg;
	bool in_file = kvm_gmem_nr_pages(e->h.file);

	if (in_file && !world_is_mapped_anywhere(e->s->w, PAGE) && entry(e->s, PAGE).assigned)
		return;		/* the fault starts over */
	check_page(e->s, n, PAGE);
	if (!in_file && entry(e->s, PAGE).assigned)
		fail_msg("step %llu: a page that left the file is the guest's", (unsigned long long)n);
}

/* A hole at every step of a fault, and the reverse. */
static void snp3_no_page_is_prepared_while_it_goes(void **unused)
{
	for (int turn = 0; turn < 2; turn++) {
		struct snp s;
		struct hole_and_fault e = { .s = &s, .h = { .page = 0, .n = NR_PAGES } };

		make(&s, 0);
		/* Once there and gone again, so that its place is known. */
		world_fault_in(s.w, 0, PAGE, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
		find(&s, PAGE);
		e.h.file = s.file;
		do_hole(&e.h);
		assert_int_equal(e.h.r, 0);
		e.a = access_to(&s, 0, PAGE);
		INTER_THREAD(fault, do_access, &e.a);
		INTER_THREAD(puncher, do_hole, &e.h);
		world_sweep(s.w, turn ? fault : puncher, turn ? puncher : fault,
			    no_page_without_file, &e);
		INTER_ALL(INTER_MAX_STEPS);
		end(&s);
	}
}

struct smash {
	struct snp	*s;
	struct rmp_fault f;
	struct access	 a;
	struct hole	 h;
};

static void none_is_larger_than_the_rmps(void *arg, uint64_t n)
{
	struct smash *e = arg;

	check_page(e->s, n, PAGE);
	check_page(e->s, n, OTHER);
}

/* 2 MiB that the RMP has as one page, and both vCPUs by a 2M entry. */
static void make_huge(struct snp *s)
{
	make(s, 9);
	world_fault_in(s->w, 0, 0, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
	find(s, 0);
	assert_true(entry(s, 0).is_2m);
	assert_int_equal(pvalidate(s, 0, PG_LEVEL_2M, true).eax, RMP_SUCCESS);
}

/* B38: PSMASH for one vCPU, after another has mapped the same 2 MiB by 2M. */
static void b38_zapped_after_psmash(void **unused)
{
	struct snp s;
	struct smash e = { .s = &s };

	make_huge(&s);
	e.f.a = access_to(&s, 0, PAGE);
	e.f.a.ec |= PFERR_PRESENT | PFERR_GUEST_RMP | PFERR_GUEST_SIZEM;
	e.a = access_to(&s, 1, OTHER);
	INTER_THREAD(smasher, do_rmp_fault, &e.f);
	INTER_THREAD(fault, do_access, &e.a);
	INTER_TO(smasher, snp_smash);
	INTER_END(fault);
	INTER_END(smasher);
	none_is_larger_than_the_rmps(&e, 0);
	end(&s);
}

/* And while it does so, at every step. */
static void b38_nested_entries_are_no_larger_than_the_rmps(void **unused)
{
	for (int turn = 0; turn < 4; turn++) {
		struct snp s;
		struct smash e = { .s = &s };

		make_huge(&s);
		if (turn & 2)	/* nothing is mapped when they begin */
			kvm_mmu_zap_gfn_range(&s.w->kvm, GFN(0), GFN(NR_PAGES));
		e.f.a = access_to(&s, 0, PAGE);
		e.f.a.ec |= PFERR_PRESENT | PFERR_GUEST_RMP | PFERR_GUEST_SIZEM;
		e.a = access_to(&s, 1, OTHER);
		INTER_THREAD(smasher, do_rmp_fault, &e.f);
		INTER_THREAD(fault, do_access, &e.a);
		world_sweep(s.w, turn & 1 ? fault : smasher, turn & 1 ? smasher : fault,
			    none_is_larger_than_the_rmps, &e);
		INTER_ALL(INTER_MAX_STEPS);
		assert_false(entry(&s, 0).is_2m);
		assert_true(entry(&s, OTHER).validated);
		end(&s);
	}
}

/* And two that smash at once: one of them finds it done. */
static void b38_two_smash_at_once(void **unused)
{
	struct snp s;
	struct smash e = { .s = &s };
	struct rmp_fault g;

	make_huge(&s);
	e.f.a = access_to(&s, 0, PAGE);
	e.f.a.ec |= PFERR_PRESENT | PFERR_GUEST_RMP;
	g.a = access_to(&s, 1, OTHER);
	g.a.ec = e.f.a.ec;
	INTER_THREAD(one, do_rmp_fault, &e.f);
	INTER_THREAD(two, do_rmp_fault, &g);
	world_sweep(s.w, one, two, none_is_larger_than_the_rmps, &e);
	INTER_ALL(INTER_MAX_STEPS);
	assert_int_equal(counter_read(s.w->module.counters, COUNTER_PSMASHES), 1);
	end(&s);
}

static void a_hole_of_one_page(void *arg, uint64_t n)
{
	struct smash *e = arg;

	none_is_larger_than_the_rmps(arg, n);
	if (!entry(e->s, OTHER).validated)
		fail_msg("step %llu: the neighbour of a hole has lost its contents",
			 (unsigned long long)n);
}

/* Part of a 2M page is punched, while its neighbour is mapped. */
static void b38_a_hole_in_2m(void **unused)
{
	for (int turn = 0; turn < 4; turn++) {
		struct snp s;
		struct smash e = { .s = &s, .h = { .page = PAGE, .n = 1 } };

		make_huge(&s);
		if (turn & 2)
			kvm_mmu_zap_gfn_range(&s.w->kvm, GFN(0), GFN(NR_PAGES));
		e.h.file = s.file;
		e.a = access_to(&s, 1, OTHER);
		INTER_THREAD(puncher, do_hole, &e.h);
		INTER_THREAD(fault, do_access, &e.a);
		world_sweep(s.w, turn & 1 ? fault : puncher, turn & 1 ? puncher : fault,
			    a_hole_of_one_page, &e);
		INTER_ALL(INTER_MAX_STEPS);
		assert_false(entry(&s, PAGE).assigned);
		end(&s);
	}
}

/* B39: a conversion there and back leaves the page as it was, whatever comes between. */
static void b39_a_conversion_is_no_new_page(void **unused)
{
	struct conversion c = { .gfn = PAGE, .n = 1 };
	struct access a;
	struct snp s;

	make(&s, 0);
	world_fault_in(s.w, 0, PAGE, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
	find(&s, PAGE);
	assert_int_equal(pvalidate(&s, PAGE, PG_LEVEL_4K, false).eax, RMP_SUCCESS);
	c.w = s.w;
	a = access_to(&s, 1, PAGE);
	INTER_THREAD(to_shared, do_conversion, &c);
	INTER_THREAD(fault, do_access, &a);
	INTER_TO(fault, fault_attr_read);
	INTER_END(to_shared);
	INTER_END(fault);
	assert_int_equal(a.r, RET_PF_RETRY);
	assert_true(entry(&s, PAGE).assigned);
	c.attrs = PRIV;
	do_conversion(&c);
	world_fault_in(s.w, 0, PAGE, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
	assert_true(entry(&s, PAGE).validated);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(snp1_a_page_is_prepared_once),
		cmocka_unit_test(snp2_unmapped_before_it_goes_back),
		cmocka_unit_test(snp2_the_guests_before_it_is_mapped),
		cmocka_unit_test(snp3_no_page_is_prepared_while_it_goes),
		cmocka_unit_test(b38_zapped_after_psmash),
		cmocka_unit_test(b38_nested_entries_are_no_larger_than_the_rmps),
		cmocka_unit_test(b38_two_smash_at_once),
		cmocka_unit_test(b38_a_hole_in_2m),
		cmocka_unit_test(b39_a_conversion_is_no_new_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
