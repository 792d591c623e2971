/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_traces.c - pages on their way between host and guest, step by step:
 * the guest's instructions are the machine's (hw/snp), KVM's part is KVM's, and
 * no guest runs.
 */
#include "kvm/types/an_snp_guest.h"

#include <errno.h>

#include "hw/insn/psp_snp.h"
#include "hw/mem/machine.h"
#include "hw/snp/guest.h"
#include "kvm/mmu/tdp_mmu.h"

#define K		77u		/* the page in the middle of 2 MiB */
#define HOLE		(PFERR_USER | PFERR_GUEST_FINAL | PFERR_GUEST_ENC)

/* The level of the nested entry for @page; PG_LEVEL_NONE: none. */
static uint8_t nested_level(struct an_snp_guest *g, uint64_t page)
{
	struct kvm *kvm = g->kvm;
	uint8_t level = PG_LEVEL_NONE;
	gfn_t gfn = GFN(BASE_GFN.v + page);
	struct tdp_iter it;

	rcu_read_lock();
	for_each_tdp_pte(it, kvm, g->v->base.mmu.root_sp, gfn, GFN(gfn.v + 1))
		if (spte_is_present_leaf(it.old, it.level))
			level = it.level;
	rcu_read_unlock();
	return level;
}

static hpa_t hpa_of(struct an_snp_guest *g, uint64_t page)
{
	uint8_t level;

	return an_snp_guest_page(g, page, &level);
}

/* PVALIDATE as the processor executes it, behind its nested translation: 4K or 2M. */
static struct rmp_done pvalidate(struct an_snp_guest *g, hpa_t at, uint64_t page, bool large, bool on)
{
	struct rmp_target t = { .hpa = at, .gpa = (BASE_GFN.v + page) << PAGE_SHIFT,
				.level = nested_level(g, page), .asid = to_kvm_sev(g->kvm)->asid };

	assert_int_not_equal(t.level, PG_LEVEL_NONE);
	return snp_pvalidate(g->module.hw, &t, large, on);
}

static void validates(struct an_snp_guest *g, hpa_t at, uint64_t page, bool large, bool on)
{
	struct rmp_done d = pvalidate(g, at, page, large, on);

	assert_int_equal(d.fault.verdict, RMP_PASS);
	assert_int_equal(d.eax, RMP_SUCCESS);
	assert_false(d.no_change);
}

static uint64_t counted(struct an_snp_guest *g, enum counter_id id)
{
	return counter_read(g->module.counters, id);
}

static void punch(struct an_snp_guest *g, uint64_t page, uint64_t n)
{
	assert_int_equal(kvm_gmem_fallocate(g->gmem, PUNCH, (int64_t)(page << PAGE_SHIFT),
					    (int64_t)(n << PAGE_SHIFT)), 0);
}

/* 2 MiB that the guest has validated as one, and an instruction on one page of them (B38). */
static hpa_t smash(struct an_snp_guest *g)
{
	hpa_t head, page;
	struct rmp_done d;

	an_snp_guest_make(g, 9, 0);
	assert_int_equal(an_snp_guest_faults(g, 0, HOLE | PFERR_WRITE), 1);
	head = hpa_of(g, 0);
	page = HPA(head.v + K * PAGE_SIZE);
	assert_int_equal(nested_level(g, K), PG_LEVEL_2M);
	assert_true(an_snp_guest_entry(g, head).is_2m);
	validates(g, head, 0, true, true);

	d = pvalidate(g, page, K, false, false);
	assert_int_equal(d.fault.verdict, RMP_NPF);
	assert_int_equal(d.fault.info & (PFERR_GUEST_RMP | PFERR_GUEST_SIZEM | PFERR_GUEST_ENC),
			 PFERR_GUEST_RMP | PFERR_GUEST_SIZEM | PFERR_GUEST_ENC);
	assert_int_equal(an_snp_guest_faults(g, K, d.fault.info), 1);
	assert_int_equal(counted(g, COUNTER_PSMASHES), 1);
	assert_int_equal(counted(g, COUNTER_NESTED_DEMOTIONS), 1);
	/* The host's page tables were not asked. */
	assert_int_equal(counted(g, COUNTER_HOST_SIZE_QUESTIONS), 0);
	assert_int_equal(counted(g, COUNTER_HOST_SPLITS), 0);
	assert_int_equal(nested_level(g, K), PG_LEVEL_NONE);
	assert_false(an_snp_guest_entry(g, page).is_2m);
	assert_true(an_snp_guest_entry(g, page).validated);

	assert_int_equal(an_snp_guest_faults(g, K, HOLE), 1);
	assert_int_equal(nested_level(g, K), PG_LEVEL_4K);
	return page;
}

/* Worked trace 11.2. */
static void private_shared_private_inside_2m(void **unused)
{
	struct an_snp_guest g;
	struct rmp_done d;
	hpa_t page = smash(&g);

	(void)unused;
	validates(&g, page, K, false, false);
	assert_false(an_snp_guest_entry(&g, page).validated);
	an_snp_guest_convert(&g, K, 1, 0);
	assert_int_equal(nested_level(&g, K), PG_LEVEL_NONE);
	assert_true(an_snp_guest_entry(&g, page).assigned);	/* nobody has asked for it */
	punch(&g, K, 1);
	assert_false(an_snp_guest_entry(&g, page).assigned);
	assert_true(an_snp_guest_entry(&g, HPA(page.v + PAGE_SIZE)).validated);
	/* The guest uses what the VMM has there, and then wants it back. */
	assert_int_equal(an_snp_guest_faults(&g, K, PFERR_USER | PFERR_GUEST_FINAL | PFERR_WRITE), 1);
	an_snp_guest_convert(&g, K, 1, PRIVATE);
	assert_int_equal(nested_level(&g, K), PG_LEVEL_NONE);
	assert_int_equal(an_snp_guest_faults(&g, K, HOLE | PFERR_WRITE), 1);
	assert_int_equal(nested_level(&g, K), PG_LEVEL_4K);
	page = hpa_of(&g, K);
	assert_true(an_snp_guest_entry(&g, page).assigned);
	assert_false(an_snp_guest_entry(&g, page).validated);
	validates(&g, page, K, false, true);
	d = pvalidate(&g, page, K, false, true);
	assert_true(d.no_change);				/* twice */
	assert_int_equal(counted(&g, COUNTER_RMP_FAULTS), 1);
	assert_null(peek_rmp_wrong(g.module.hw, page));
	an_snp_guest_end(&g);
}

/* B39: a conversion alone takes nothing from the guest, and gives nothing anew. */
static void without_a_hole_it_is_the_same_page(void **unused)
{
	struct an_snp_guest g;
	hpa_t page = smash(&g);

	(void)unused;
	an_snp_guest_convert(&g, K, 1, 0);
	an_snp_guest_convert(&g, K, 1, PRIVATE);
	assert_int_equal(an_snp_guest_faults(&g, K, HOLE | PFERR_WRITE), 1);
	assert_int_equal(hpa_of(&g, K).v, page.v);
	assert_true(an_snp_guest_entry(&g, page).validated);
	an_snp_guest_end(&g);
}

/* A whole hole, and the next page is one of 2M again. */
static void two_mib_given_back_come_back_as_two_mib(void **unused)
{
	struct an_snp_guest g;
	hpa_t head;

	(void)unused;
	smash(&g);
	punch(&g, 0, 512);
	assert_int_equal(peek_rmp_asid_pages(g.module.hw, to_kvm_sev(g.kvm)->asid), 0);
	assert_int_equal(an_snp_guest_faults(&g, K, HOLE), 1);
	assert_int_equal(nested_level(&g, K), PG_LEVEL_2M);
	head = hpa_of(&g, 0);
	assert_true(an_snp_guest_entry(&g, head).is_2m);
	assert_false(an_snp_guest_entry(&g, head).validated);
	/* Part of it goes, unsplit before: what stays is 4K and the guest's. */
	validates(&g, head, 0, true, true);
	punch(&g, K, 3);
	assert_false(an_snp_guest_entry(&g, HPA(head.v + K * PAGE_SIZE)).assigned);
	assert_true(an_snp_guest_entry(&g, HPA(head.v + (K + 3) * PAGE_SIZE)).validated);
	assert_int_equal(counted(&g, COUNTER_PSMASHES), 2);
	assert_int_equal(nested_level(&g, 0), PG_LEVEL_NONE);
	assert_int_equal(an_snp_guest_faults(&g, 0, HOLE), 1);
	assert_int_equal(nested_level(&g, 0), PG_LEVEL_4K);
	an_snp_guest_end(&g);
}

/* Worked trace 11.3: guest_memfd of the kernel's knows 4K only. */
static void two_mib_of_a_guest_are_refused_by_4k(void **unused)
{
	struct an_snp_guest g;
	struct rmp_done d;
	hpa_t page;

	(void)unused;
	an_snp_guest_make(&g, 0, 0);
	assert_int_equal(an_snp_guest_faults(&g, 0, HOLE), 1);
	page = hpa_of(&g, 0);
	d = pvalidate(&g, page, 0, true, true);
	assert_int_equal(d.fault.verdict, RMP_PASS);
	assert_int_equal(d.eax, RMP_FAIL_SIZEMISMATCH);
	validates(&g, page, 0, false, true);
	assert_int_equal(counted(&g, COUNTER_RMP_FAULTS), 0);
	an_snp_guest_end(&g);
}

/* What the processor says of a C=1 access to @page of 4K. */
static struct rmp_outcome touch(struct an_snp_guest *g, hpa_t at, uint64_t page)
{
	struct rmp_access a = { .who = RMP_SNP_GUEST, .what = RMP_WRITE, .c_bit = true,
				.asid = (uint16_t)to_kvm_sev(g->kvm)->asid, .level = PG_LEVEL_4K,
				.gpa = (BASE_GFN.v + page) << PAGE_SHIFT };
	struct rmp_look l;

	rmp_look(g->module.hw->frames.rmp, at, 0, &l);
	return rmp_check(&l.page, &a);
}

/* Worked trace 11.5: the host sees the first fault and nothing else. */
static void what_is_not_validated_is_the_guests_business(void **unused)
{
	struct an_snp_guest g;
	struct rmp_outcome o;

	(void)unused;
	an_snp_guest_make(&g, 0, 0);
	assert_int_equal(an_snp_guest_faults(&g, K, HOLE), 1);
	o = touch(&g, hpa_of(&g, K), K);
	assert_int_equal(o.verdict, RMP_VC);
	assert_int_equal(o.info, RMP_VC_NOT_VALIDATED);
	assert_int_equal(counted(&g, COUNTER_RMP_FAULTS), 0);
	an_snp_guest_end(&g);
}

/* Worked trace 11.6: nothing repairs what the host has taken under a live entry. */
static void a_page_that_the_host_took_is_missed_for_ever(void **unused)
{
	const struct rmp_operand none = { 0 };
	struct an_snp_guest g;
	struct rmp_outcome o;
	hpa_t page;

	(void)unused;
	an_snp_guest_make(&g, 0, 0);
	assert_int_equal(an_snp_guest_faults(&g, K, HOLE), 1);
	page = hpa_of(&g, K);
	validates(&g, page, K, false, true);
	assert_int_equal(rmpupdate(g.module.hw, page, &none), RMP_SUCCESS);
	for (unsigned i = 1; i <= 3; i++) {
		o = touch(&g, page, K);
		assert_int_equal(o.verdict, RMP_NPF);
		assert_true(o.info & PFERR_GUEST_RMP);
		assert_int_equal(an_snp_guest_faults(&g, K, o.info), 1);
		assert_int_equal(counted(&g, COUNTER_RMP_FAULTS), i);
		assert_false(an_snp_guest_entry(&g, page).assigned);
	}
	assert_int_equal(nested_level(&g, K), PG_LEVEL_4K);
	/* Given back, it is not what the guest had: it will notice. */
	assert_int_equal(rmp_make_private(&g.module, page, (BASE_GFN.v + K) << PAGE_SHIFT, PG_LEVEL_4K,
					  to_kvm_sev(g.kvm)->asid, false), 0);
	assert_int_equal(touch(&g, page, K).verdict, RMP_VC);
	an_snp_guest_end(&g);
}

/* The file outlives what the VM was: its pages come back all the same. */
static void a_file_that_is_closed_late_gives_its_pages_back(void **unused)
{
	struct an_snp_guest g;
	unsigned asid;
	hpa_t page;

	(void)unused;
	an_snp_guest_make(&g, 9, 0);
	assert_int_equal(an_snp_guest_faults(&g, K, HOLE), 1);
	page = hpa_of(&g, 0);
	asid = to_kvm_sev(g.kvm)->asid;
	assert_int_equal(snp_decommission(g.kvm), 0);
	to_kvm_sev(g.kvm)->active = false;
	kvm_gmem_release(g.gmem);
	g.gmem = NULL;
	to_kvm_sev(g.kvm)->active = true;
	assert_false(an_snp_guest_entry(&g, page).assigned);
	assert_int_equal(peek_rmp_asid_pages(g.module.hw, (uint16_t)asid), 0);
	assert_int_equal(counted(&g, COUNTER_HW_FINDINGS), 0);
	assert_int_equal(counted(&g, COUNTER_LEAKED_PAGES), 0);
	an_snp_guest_end(&g);
}

/* B37: the page for answers is the firmware's from the first to the last, whatever it answers. */
static void a_request_that_fails_leaves_its_pages(void **unused)
{
	struct psp_snp_guest_request cmd;
	struct rmp_entry before, after;
	struct an_snp_guest g;
	struct kvm_sev *sev;
	uint32_t error = 0;

	(void)unused;
	an_snp_guest_make(&g, 0, 0);
	sev = to_kvm_sev(g.kvm);
	before = an_snp_guest_entry(&g, sev->guest_response);
	assert_true(before.assigned && before.immutable && !before.asid);
	assert_false(an_snp_guest_entry(&g, sev->guest_request).assigned);
	cmd = (struct psp_snp_guest_request){ .gctx = sev->guest_request.v,
					      .request = sev->guest_request.v,
					      .response = sev->guest_response.v };
	assert_int_equal(sev_do_cmd(g.kvm, PSP_SNP_GUEST_REQUEST, &cmd, &error), -EIO);
	assert_int_not_equal(error, 0);
	after = an_snp_guest_entry(&g, sev->guest_response);
	assert_true(after.assigned && after.immutable && !after.asid && after.gpa == before.gpa);
	assert_int_equal(counted(&g, COUNTER_LEAKED_PAGES), 0);
	an_snp_guest_end(&g);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_shared_private_inside_2m),
		cmocka_unit_test(without_a_hole_it_is_the_same_page),
		cmocka_unit_test(two_mib_given_back_come_back_as_two_mib),
		cmocka_unit_test(two_mib_of_a_guest_are_refused_by_4k),
		cmocka_unit_test(what_is_not_validated_is_the_guests_business),
		cmocka_unit_test(a_page_that_the_host_took_is_missed_for_ever),
		cmocka_unit_test(a_file_that_is_closed_late_gives_its_pages_back),
		cmocka_unit_test(a_request_that_fails_leaves_its_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
