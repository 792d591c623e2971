/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_table.c - the table itself: entries in words, locks, what TLBs remember of it. */
#include "hw/snp/an_rmp.h"

#include <string.h>

static void entries_and_words(void **unused)
{
	const struct rmp_entry rows[] = {
		{ .covered = true }, { .covered = true, .assigned = true },
		{ .covered = true, .is_2m = true }, { .covered = true, .immutable = true },
		{ .covered = true, .vmsa = true }, { .covered = true, .validated = true },
		{ .covered = true, .in_use = true }, { .covered = true, .subpages = 511 },
		{ .covered = true, .asid = 0xffff }, { .covered = true, .gpa = BITS(51, 12) },
		{ .covered = true, .perm = { 1, 2, 4, 8 } },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rmp_words w = rmp_words_of(&rows[i]);
		struct rmp_entry e = rmp_entry_of(w);

		struct rmp_words again = rmp_words_of(&e);

		assert_true(e.covered);
		assert_int_equal(again.lo, w.lo);
		assert_int_equal(again.hi, w.hi);
		assert_int_equal(!w.lo && !w.hi, !i);
	}
}

static enum rmp_lock try(struct hw *hw, uint64_t a, bool all, bool patient)
{
	struct rmp_locked l;
	enum rmp_lock r = rmp_lock(hw->frames.rmp, HPA(a), all, patient, &l);

	if (r == RMP_LOCKED)
		rmp_unlock(&l);
	return r;
}

static void who_has_the_lock(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_operand o;
	struct rmp_locked l;

	(void)unused;
	assert_int_equal(rmpread(hw, HPA(AT), &o), RMP_SUCCESS);
	assert_null(hw->frames.rmp->regions[AT >> RMP_REGION_SHIFT]);	/* reading makes none */
	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(AT + 0x5000), false, false, &l), RMP_LOCKED);
	assert_int_equal(rmpread(hw, HPA(AT), &o), RMP_FAIL_INUSE);
	assert_int_equal(l.page, 5);
	for (unsigned patient = 0; patient < 2; patient++) {
		assert_int_equal(try(hw, AT + 0x5000, false, patient), RMP_LOCK_SAME);
		assert_int_equal(try(hw, AT + 0x6000, false, patient), RMP_LOCK_OTHER);
		assert_int_equal(try(hw, AT, true, patient), RMP_LOCK_SAME);
		assert_int_equal(try(hw, AT + M2, true, patient), RMP_LOCKED);
	}
	assert_int_equal(release(hw, AT + 0x5000, false), RMP_FAIL_INUSE);
	assert_int_equal(release(hw, AT + 0x6000, false), RMP_FAIL_OVERLAP);
	assert_int_equal(release(hw, AT, true), RMP_FAIL_INUSE);
	assert_int_equal(psmash(hw, HPA(AT)), RMP_FAIL_INUSE);
	rmp_unlock(&l);
	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(AT), true, false, &l), RMP_LOCKED);
	assert_int_equal(try(hw, AT, false, false), RMP_LOCK_SAME);
	assert_int_equal(try(hw, AT + 0x6000, false, false), RMP_LOCK_SAME);
	rmp_unlock(&l);
	assert_int_equal(try(hw, AT + 0x6000, false, false), RMP_LOCKED);
	no_machine(hw);
}

static uint32_t noted(struct hw *hw, uint64_t a)
{
	struct rmp_region *r = hw->frames.rmp->regions[a >> RMP_REGION_SHIFT];

	return atomic32_load(&r->remembered[(a >> PAGE_SHIFT) % RMP_REGION_PAGES]);
}

static uint32_t take(struct hw *hw, uint64_t a, unsigned page, unsigned nr)
{
	struct rmp_locked l;

	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(a), true, true, &l), RMP_LOCKED);
	rmp_unlock(&l);
	return rmp_take_remembered(&l, page, nr);
}

/* RMP-G3: which TLB has a page, until it is told to forget. */
static void who_remembers(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_look l;

	(void)unused;
	assert_int_equal(try(hw, AT, false, true), RMP_LOCKED);	/* makes the region */
	rmp_look(hw->frames.rmp, HPA(AT + 0x5000), 0, &l);
	assert_int_equal(noted(hw, AT + 0x5000), 0);
	for (unsigned i = 0; i < 2; i++) {
		rmp_look(hw->frames.rmp, HPA(AT + 0x5000), 3, &l);
		assert_int_equal(noted(hw, AT + 0x5000), 3);
	}
	assert_int_equal(noted(hw, AT + 0x6000), 0);
	rmp_look(hw->frames.rmp, HPA(AT + 0x7000), 3, &l);
	rmp_look(hw->frames.rmp, HPA(AT + 0x8000), 4, &l);
	rmp_look(hw->frames.rmp, HPA(AT + 0x9000), 3, &l);
	assert_int_equal(take(hw, AT, 0, 5), 0);
	assert_int_equal(take(hw, AT, 5, 3), 3);
	assert_int_equal(noted(hw, AT + 0x5000) | noted(hw, AT + 0x7000), 0);
	assert_int_equal(noted(hw, AT + 0x8000), 4);
	rmp_look(hw->frames.rmp, HPA(AT + 0x7000), 3, &l);
	assert_int_equal(take(hw, AT, 0, 9), RMP_ALL_TLBS);	/* 3 and 4 */
	assert_int_equal(take(hw, AT, 0, 512), 3);
	rmp_look(hw->frames.rmp, HPA(AT + 0x5000), 3, &l);
	rmp_look(hw->frames.rmp, HPA(AT + 0x5000), 4, &l);
	assert_int_equal(noted(hw, AT + 0x5000), RMP_ALL_TLBS);
	rmp_look(hw->frames.rmp, HPA(AT + 0x6000), 4, &l);
	assert_int_equal(take(hw, AT, 0, 512), RMP_ALL_TLBS);
	no_machine(hw);
}

/* A lock that stays: who looks does not wait for ever, and does not guess. */
static void a_look_at_what_changes(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_locked l;
	struct rmp_look look;

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(AT + 0x3000), false, true, &l), RMP_LOCKED);
	rmp_look(hw->frames.rmp, HPA(AT), 0, &look);
	assert_true(look.page.busy && look.page.entry.covered);
	assert_int_equal(rmp_check_owner(&look.page, ASID, GPA_AT), RMP_IS_BUSY);
	rmp_unlock(&l);
	rmp_look(hw->frames.rmp, HPA(AT), 0, &look);
	assert_false(look.page.busy);
	no_machine(hw);
}

/* RMP_END is within a gigabyte, in the middle of a region that there is. */
static void the_end_of_the_table(void **unused)
{
	const uint64_t end = AT + 4 * M2;
	struct hw *hw = a_machine((struct hw_config){
		.vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 47,
		.snp = true, .rmp_end = end });
	struct rmp_look l;

	(void)unused;
	assert_int_equal(assign(hw, end - PAGE_SIZE, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(assign(hw, end, GPA_AT, ASID, false), RMP_FAIL_INPUT);
	rmp_look(hw->frames.rmp, HPA(end - PAGE_SIZE), 0, &l);
	assert_true(l.page.entry.covered && l.page.assigned);
	rmp_look(hw->frames.rmp, HPA(end), 0, &l);
	assert_true(!l.page.entry.covered && !l.region);
	assert_int_equal(rmp_host_store(hw, HPA(end), PG_LEVEL_2M, false), 0);
	no_machine(hw);
}

/* Each change of an entry asks for all that it covers. */
static void a_change_takes_the_notes(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_look l;

	(void)unused;
	assert_int_equal(assign(hw, AT + M2, 0, ASID, true), RMP_SUCCESS);	/* ready */
	rmp_look(hw->frames.rmp, HPA(AT + M2 + 0x5000), 1, &l);
	rmp_look(hw->frames.rmp, HPA(AT + 2 * M2), 1, &l);
	assert_int_equal(pvalidate(hw, AT + M2, 0, true, true).eax, RMP_SUCCESS);
	assert_int_equal(noted(hw, AT + M2 + 0x5000), 1);	/* nothing is denied that was not */
	assert_int_equal(pvalidate(hw, AT + M2, 0, true, false).eax, RMP_SUCCESS);
	assert_int_equal(noted(hw, AT + M2 + 0x5000), 0);
	rmp_look(hw->frames.rmp, HPA(AT + M2 + 0x5000), 1, &l);
	assert_int_equal(psmash(hw, HPA(AT + M2)), RMP_SUCCESS);
	assert_int_equal(noted(hw, AT + M2 + 0x5000), 0);
	rmp_look(hw->frames.rmp, HPA(AT + M2 + 0x5000), 1, &l);
	rmp_look(hw->frames.rmp, HPA(AT + M2 + 0x6000), 1, &l);
	assert_int_equal(release(hw, AT + M2 + 0x5000, false), RMP_SUCCESS);
	assert_int_equal(noted(hw, AT + M2 + 0x5000), 0);
	assert_int_equal(noted(hw, AT + M2 + 0x6000), 1);
	assert_int_equal(noted(hw, AT + 2 * M2), 1);
	rmp_look(hw->frames.rmp, HPA(AT + 0x5000), 1, &l);
	assert_int_equal(assign(hw, AT, 0, ASID, true), RMP_SUCCESS);
	assert_int_equal(noted(hw, AT + 0x5000), 0);
	no_machine(hw);
}

static bool is_still(struct hw *hw, uint64_t a, const struct rmp_look *l)
{
	return rmp_is_still(hw->frames.rmp, HPA(a), l);
}

static void what_was_seen_is_still_so(void **unused)
{
	const uint64_t far = 1ull << 42;
	struct hw *hw = an_rmp();
	struct rmp_look l;

	(void)unused;
	rmp_look(hw->frames.rmp, HPA(far), 1, &l);
	assert_true(!l.page.entry.covered && is_still(hw, far, &l));
	rmp_look(hw->frames.rmp, HPA(AT), 1, &l);
	assert_true(!l.region && is_still(hw, AT, &l));
	assert_int_equal(assign(hw, AT + M2, 0, ASID, false), RMP_SUCCESS);
	assert_false(is_still(hw, AT, &l));	/* there is a region now */
	rmp_look(hw->frames.rmp, HPA(AT), 1, &l);
	assert_true(l.region && is_still(hw, AT, &l));
	assert_int_equal(take(hw, AT + M2, 0, 512), 0);
	assert_true(is_still(hw, AT, &l));
	assert_int_equal(rmp_take_remembered(&(struct rmp_locked){ .region = l.region,
					     .head = l.region->entry }, 0, 1), 1);
	assert_false(is_still(hw, AT, &l));	/* forgotten for somebody else */
	rmp_look(hw->frames.rmp, HPA(AT), 1, &l);
	assert_true(is_still(hw, AT, &l));
	assert_int_equal(try(hw, AT + 0x3000, false, true), RMP_LOCKED);
	assert_false(is_still(hw, AT, &l));	/* changed, perhaps */
	no_machine(hw);
}

/* Use is each page's own, all else is the first one's of 2M. */
static void in_use_within_2m(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_target t = target(AT, GPA_AT, true);
	struct rmp_look l;

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, true, true).eax, RMP_SUCCESS);
	assert_int_equal(snp_rmpadjust(hw, &t, 1, 0x10101).eax, RMP_SUCCESS);
	assert_int_equal(snp_vmsa_take(hw, HPA(AT + 0x5000), ASID), RMP_VMRUN_PASS);
	rmp_look(hw->frames.rmp, HPA(AT + 0x5000), 0, &l);
	assert_true(l.page.entry.in_use);
	rmp_look(hw->frames.rmp, HPA(AT + 0x6000), 0, &l);
	assert_false(l.page.entry.in_use);
	assert_int_equal(psmash(hw, HPA(AT)), RMP_FAIL_INUSE);
	assert_int_equal(release(hw, AT, true), RMP_FAIL_INUSE);
	snp_vmsa_give(hw, HPA(AT + 0x5000));
	assert_int_equal(snp_vmsa_take(hw, HPA(AT), ASID), RMP_VMRUN_PASS);
	rmp_look(hw->frames.rmp, HPA(AT + 0x6000), 0, &l);
	assert_false(l.page.entry.in_use);
	snp_vmsa_give(hw, HPA(AT));
	assert_int_equal(psmash(hw, HPA(AT + 0xfff)), RMP_SUCCESS);	/* its page counts */
	assert_int_equal(psmash(hw, HPA(AT)), RMP_FAIL_BADADDR);
	assert_int_equal(snp_vmsa_take(hw, HPA(AT + 0x5000), ASID), RMP_VMRUN_PASS);
	assert_int_equal(psmash(hw, HPA(AT)), RMP_FAIL_INUSE);	/* first who has it, then what it is */
	snp_vmsa_give(hw, HPA(AT + 0x5000));
	no_machine(hw);
}

/* 15.36.4: 2M in the place of one page of 4K; the secure processor's are nobody's. */
static void an_asid_counts_its_pages(void **unused)
{
	struct hw *hw = an_rmp();

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(peek_rmp_asid_pages(hw, ASID), 512);
	assert_int_equal(assign(hw, AT, GPA_AT, ASID + 1, true), RMP_SUCCESS);
	assert_int_equal(peek_rmp_asid_pages(hw, ASID), 0);
	assert_int_equal(peek_rmp_asid_pages(hw, ASID + 1), 512);
	assert_int_equal(assign(hw, AT, 0, 0, true), RMP_SUCCESS);
	assert_int_equal(peek_rmp_asid_pages(hw, ASID + 1), 0);
	assert_int_equal(assign(hw, AT + M2, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(assign(hw, AT + M2, 0, 0, false), RMP_SUCCESS);
	assert_int_equal(peek_rmp_asid_pages(hw, ASID), 0);
	assert_int_equal(peek_rmp_asid_pages(hw, 0), 0);
	no_machine(hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_and_words), cmocka_unit_test(who_has_the_lock),
		cmocka_unit_test(who_remembers), cmocka_unit_test(a_change_takes_the_notes),
		cmocka_unit_test(a_look_at_what_changes), cmocka_unit_test(the_end_of_the_table),
		cmocka_unit_test(what_was_seen_is_still_so), cmocka_unit_test(in_use_within_2m),
		cmocka_unit_test(an_asid_counts_its_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
