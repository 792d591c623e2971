/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/insn/svm.h"
#include "hw/snp/an_rmp.h"

#include <string.h>

#define NPF	(SVM_NPF_PRESENT | SVM_NPF_USER | SVM_NPF_RMP | SVM_NPF_FINAL | SVM_NPF_ENC)

static void operands(void **unused)
{
	(void)unused;
	assert_int_equal(snp_pvalidate_operands(0x1fffff000, 0, 1), RMP_SUCCESS);
	assert_int_equal(snp_pvalidate_operands(0x1fff000, 1, 1), RMP_FAIL_INPUT);
	assert_int_equal(snp_pvalidate_operands(0x200000, 1, 0), RMP_SUCCESS);
	assert_int_equal(snp_pvalidate_operands(0x200000, 2, 0), RMP_FAIL_INPUT);
	assert_int_equal(snp_pvalidate_operands(0x200000, 0, 2), RMP_FAIL_INPUT);
	assert_int_equal(snp_rmpadjust_operands(0x1000, 0, 0x101, 0), RMP_SUCCESS);
	assert_int_equal(snp_rmpadjust_operands(0x1000, 1, 0x101, 0), RMP_FAIL_INPUT);
	assert_int_equal(snp_rmpadjust_operands(0x1000, 0, 0x104, 0), RMP_FAIL_INPUT);
	assert_int_equal(snp_rmpadjust_operands(0x1000, 0, 0x2101, 0), RMP_FAIL_INPUT);
	assert_int_equal(snp_rmpadjust_operands(0x1000, 0, 0x0201, 0), RMP_FAIL_INPUT);
	assert_int_equal(snp_rmpadjust_operands(0x1000, 0, 0x20101, 0), RMP_FAIL_INPUT);
	assert_int_equal(snp_rmpadjust_operands(0x1000, 0, 0x100, 0), RMP_FAIL_PERMISSION);
	assert_int_equal(snp_rmpadjust_operands(0x1000, 0, 0x101, 2), RMP_FAIL_PERMISSION);
	assert_int_equal(snp_rmpquery_operands(1, 0), RMP_SUCCESS);
	assert_int_equal(snp_rmpquery_operands(1, 2), RMP_FAIL_PERMISSION);
	assert_int_equal(snp_rmpquery_operands(3, 2), RMP_SUCCESS);
	assert_int_equal(snp_rmpquery_operands(4, 2), RMP_FAIL_PERMISSION);
}

/* Table 15-40: what was asked for, the RMP's, the nested entry's. */
static void sizes(void **unused)
{
	static const struct {
		bool asked, rmp, nested;
		enum rmp_verdict verdict;
		uint64_t info;
		enum rmp_status eax;
	} rows[] = {
		{ 0, 0, 0, RMP_PASS, 0, RMP_SUCCESS },
		{ 0, 0, 1, RMP_NPF, NPF, RMP_SUCCESS },
		{ 0, 1, 0, RMP_NPF, NPF | SVM_NPF_SIZEM, RMP_SUCCESS },
		{ 0, 1, 1, RMP_NPF, NPF | SVM_NPF_SIZEM, RMP_SUCCESS },
		{ 1, 0, 0, RMP_PASS, 0, RMP_FAIL_SIZEMISMATCH },
		{ 1, 0, 1, RMP_PASS, 0, RMP_FAIL_SIZEMISMATCH },
		{ 1, 1, 0, RMP_NPF, NPF, RMP_SUCCESS },
		{ 1, 1, 1, RMP_PASS, 0, RMP_SUCCESS },
	};
	struct hw *hw = an_rmp();

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rmp_target t = target(AT, GPA_AT, rows[i].nested);
		struct rmp_done d;

		assert_int_equal(assign(hw, AT, GPA_AT, ASID, rows[i].rmp), RMP_SUCCESS);
		d = snp_pvalidate(hw, &t, rows[i].asked, 1);
		assert_int_equal(d.fault.verdict, rows[i].verdict);
		assert_int_equal(d.fault.info, rows[i].info);
		assert_int_equal(d.eax, rows[i].eax);
		assert_int_equal(entry_at(hw, AT).validated, !d.fault.verdict && !d.eax);
		assert_sound(hw, AT);
		assert_int_equal(release(hw, AT, rows[i].rmp), RMP_SUCCESS);
	}
	no_machine(hw);
}

static void whose_page_it_is(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_operand o = to_guest(GPA_AT, ASID, false, true);

	(void)unused;
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).fault.reason, RMP_NOT_OWNED);
	assert_int_equal(pvalidate(hw, 1ull << 42, GPA_AT, false, true).fault.reason,
			 RMP_NOT_COVERED);
	assert_int_equal(assign(hw, AT, GPA_AT, ASID + 1, false), RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).fault.reason, RMP_NOT_OWNED);
	assert_int_equal(assign(hw, AT, GPA_AT + 0x1000, ASID, false), RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).fault.info, NPF);
	assert_int_equal(rmpupdate(hw, HPA(AT), &o), RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).fault.reason, RMP_NOT_MUTABLE);
	no_machine(hw);
}

/* Twice the same is no failure, and a finding. */
static void twice(void **unused)
{
	struct hw *hw = an_rmp();
	struct hw_finding f;
	struct rmp_done d;

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, false), RMP_SUCCESS);
	d = pvalidate(hw, AT, GPA_AT, false, false);
	assert_true(!d.eax && d.no_change);
	assert_int_equal(hw_findings_read(hw, &f, 1), 1);
	assert_non_null(strstr(f.text, "changes nothing, rescinded already: page 0x40000"));
	d = pvalidate(hw, AT, GPA_AT, false, true);
	assert_true(!d.eax && !d.no_change);
	assert_int_equal(hw_nr_findings(hw), 1);
	d = pvalidate(hw, AT, GPA_AT, false, true);
	assert_true(!d.eax && d.no_change);
	assert_int_equal(hw_nr_findings(hw), 2);
	assert_int_equal(hw_findings_read(hw, &f, 1), 1);
	assert_string_equal(f.section, "APM vol. 2 15.36.6");
	assert_string_equal(f.text, "PVALIDATE changes nothing, validated already: page 0x40000: "
			    "gfn 0x12000 of ASID 5, 4K, validated; RMPUPDATE assigned it (ASID 5, 4K), "
			    "PVALIDATE validated it");
	d = pvalidate(hw, AT, GPA_AT, false, false);
	assert_true(!d.eax && !d.no_change && !entry_at(hw, AT).validated);
	d = pvalidate(hw, AT, GPA_AT, false, true);
	assert_true(!d.eax && !d.no_change);
	assert_int_equal(hw_nr_findings(hw), 2);	/* the same page again is no second one */
	no_machine(hw);
}

/* One GPA on two pages: only while both are validated. */
static void two_pages_of_one_gpa(void **unused)
{
	struct hw *hw = an_rmp();
	struct hw_finding f;

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(assign(hw, AT + 0x5000, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(assign(hw, AT + 0x6000, GPA_AT + 0x1000, ASID, false), RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).eax, RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT + 0x6000, GPA_AT + 0x1000, false, true).eax, RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, false).eax, RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT + 0x5000, GPA_AT, false, true).eax, RMP_SUCCESS);
	assert_int_equal(hw_nr_findings(hw), 0);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).eax, RMP_SUCCESS);
	assert_int_equal(hw_nr_findings(hw), 1);
	assert_int_equal(hw_findings_read(hw, &f, 1), 1);
	assert_string_equal(f.section, "APM vol. 2 15.36.6");
	assert_string_equal(f.text, "PVALIDATE makes page 0x40000 a second one of gfn 0x12000: "
			    "page 0x40005: gfn 0x12000 of ASID 5, 4K, validated; "
			    "RMPUPDATE assigned it (ASID 5, 4K), PVALIDATE validated it");
	/* Where owners or GPAs share a place in the table. */
	assert_int_equal(assign(hw, AT + 0x7000, GPA_AT + (65536ull << PAGE_SHIFT), ASID, false),
			 RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT + 0x7000, GPA_AT + (65536ull << PAGE_SHIFT), false, true).eax,
			 RMP_SUCCESS);
	assert_int_equal(hw_nr_findings(hw), 1);
	no_machine(hw);
}

static void rmpadjust(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_target t = target(AT, GPA_AT, false);
	struct rmp_done d;

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, false), RMP_SUCCESS);
	d = snp_rmpadjust(hw, &t, 0, 0x10301);
	assert_true(d.fault.verdict == RMP_VC && d.fault.info == RMP_VC_NOT_VALIDATED);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).eax, RMP_SUCCESS);
	d = snp_rmpadjust(hw, &t, 0, 0x10301);
	assert_true(!d.fault.verdict && !d.eax);
	assert_true(entry_at(hw, AT).vmsa);
	assert_int_equal(entry_at(hw, AT).perm[1], 3);
	t.vmpl = 1;
	assert_int_equal(snp_rmpadjust(hw, &t, 0, 0x0502).eax, RMP_FAIL_PERMISSION);
	assert_int_equal(snp_rmpadjust(hw, &t, 0, 0x0102).eax, RMP_SUCCESS);
	assert_true(entry_at(hw, AT).vmsa);	/* not VMPL0's to clear */
	assert_int_equal(entry_at(hw, AT).perm[2], 1);
	d = snp_rmpquery(hw, &t, 2);
	assert_int_equal(d.rdx, 0x10102);
	t.vmpl = 0;
	assert_int_equal(snp_rmpadjust(hw, &t, 0, 0x0001).eax, RMP_SUCCESS);
	assert_false(entry_at(hw, AT).vmsa);
	assert_int_equal(snp_rmpadjust(hw, &t, 1, 0x0001).eax, RMP_FAIL_SIZEMISMATCH);
	no_machine(hw);
}

/* 15.36.12: while VMRUN has it, nobody else does. */
static void a_vmsa_in_use(void **unused)
{
	const struct rmp_access read = { .who = RMP_SNP_GUEST, .what = RMP_READ, .c_bit = true,
					 .asid = ASID, .level = PG_LEVEL_4K, .gpa = GPA_AT };
	struct hw *hw = an_rmp();
	struct rmp_target t = target(AT, GPA_AT, false);
	struct rmp_look l;

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(snp_vmsa_take(hw, HPA(AT), ASID), RMP_VMRUN_INVALID);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).eax, RMP_SUCCESS);
	assert_int_equal(snp_rmpadjust(hw, &t, 0, 0x10001).eax, RMP_SUCCESS);
	assert_int_equal(snp_vmsa_take(hw, HPA(AT), ASID + 1), RMP_VMRUN_INVALID);
	assert_int_equal(snp_vmsa_take(hw, HPA(AT), ASID), RMP_VMRUN_PASS);
	assert_int_equal(snp_vmsa_take(hw, HPA(AT), ASID), RMP_VMRUN_INVALID);
	assert_int_equal(release(hw, AT, false), RMP_FAIL_INUSE);
	assert_int_equal(release(hw, AT, true), RMP_FAIL_INUSE);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, false).fault.reason, RMP_IS_BUSY);
	assert_int_equal(pvalidate(hw, AT, GPA_AT + 0x1000, false, false).fault.reason, RMP_OTHER_GPA);
	rmp_look(hw->frames.rmp, HPA(AT), 0, &l);
	assert_int_equal(rmp_check(&l.page, &read).reason, RMP_IS_BUSY);
	snp_vmsa_give(hw, HPA(AT));
	rmp_look(hw->frames.rmp, HPA(AT), 0, &l);
	assert_int_equal(rmp_check(&l.page, &read).verdict, RMP_PASS);
	assert_int_equal(release(hw, AT, false), RMP_SUCCESS);
	assert_sound(hw, AT);
	no_machine(hw);
}

/* Nobody gives it back: a guest's instruction waits its time, and then it is as if in use. */
static void a_lock_that_stays(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_locked l;
	struct rmp_done d;

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(AT), false, true, &l), RMP_LOCKED);
	d = pvalidate(hw, AT, GPA_AT, false, true);
	assert_int_equal(d.fault.verdict, RMP_NPF);
	assert_int_equal(d.fault.reason, RMP_IS_BUSY);
	assert_int_equal(d.fault.info, NPF);
	rmp_unlock(&l);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).fault.verdict, RMP_PASS);
	no_machine(hw);
}

/* Which check it was, for messages. */
static void why_not(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_target t = target(AT, GPA_AT, true);
	struct rmp_done d;

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	d = snp_pvalidate(hw, &t, 0, 1);
	assert_true(d.fault.reason == RMP_OTHER_SIZE && (d.fault.info & SVM_NPF_SIZEM));
	t.level = PG_LEVEL_4K;
	assert_int_equal(snp_pvalidate(hw, &t, 1, 1).fault.reason, RMP_OTHER_SIZE);
	assert_int_equal(snp_rmpquery(hw, &t, 1).fault.reason, RMP_NOT_VALIDATED);
	assert_int_equal(snp_rmpadjust(hw, &t, 1, 0x101).fault.reason, RMP_OTHER_SIZE);
	t.level = PG_LEVEL_2M;
	assert_int_equal(snp_rmpadjust(hw, &t, 1, 0x101).fault.reason, RMP_NOT_VALIDATED);
	no_machine(hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operands), cmocka_unit_test(sizes),
		cmocka_unit_test(whose_page_it_is), cmocka_unit_test(twice),
		cmocka_unit_test(two_pages_of_one_gpa),
		cmocka_unit_test(rmpadjust), cmocka_unit_test(a_vmsa_in_use),
		cmocka_unit_test(a_lock_that_stays), cmocka_unit_test(why_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
