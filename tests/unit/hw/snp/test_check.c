/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/insn/svm.h"
#include "hw/mem/rmp_check.h"
#include "hw/snp/an_rmp.h"

#include <string.h>

#define BASE	(SVM_NPF_PRESENT | SVM_NPF_USER | SVM_NPF_RMP)

/* A validated 4K page of ASID's at GPA_AT; each row breaks some of it. */
static struct rmp_page good(void)
{
	return (struct rmp_page){
		.entry = { .covered = true, .assigned = true, .validated = true, .asid = ASID,
			   .gpa = GPA_AT, .perm = { RMP_PERM_ALL } },
		.gpa = GPA_AT, .assigned = true, .any_assigned = true,
	};
}

static struct rmp_access snp(enum rmp_what what, bool c)
{
	return (struct rmp_access){ .who = RMP_SNP_GUEST, .what = what, .c_bit = c, .asid = ASID,
				    .level = PG_LEVEL_4K, .gpa = GPA_AT + 0x123 };
}

static void expect(const struct rmp_page *p, const struct rmp_access *a, enum rmp_verdict v,
		   enum rmp_reason why, uint64_t info)
{
	struct rmp_outcome o = rmp_check(p, a);

	assert_int_equal(o.verdict, v);
	assert_int_equal(o.reason, why);
	assert_int_equal(o.info, info);
}

/* Highest first: everything wrong, then one thing less after the other. */
static void the_order_of_checks(void **unused)
{
	struct rmp_access a = snp(RMP_WRITE, true);
	const uint64_t info = BASE | SVM_NPF_WRITE | SVM_NPF_FINAL | SVM_NPF_ENC;
	struct rmp_page p = { .entry = { .is_2m = true, .immutable = true } };

	(void)unused;
	expect(&p, &a, RMP_NPF, RMP_NOT_COVERED, info);
	p.entry.covered = true;
	expect(&p, &a, RMP_NPF, RMP_NOT_OWNED, info);
	p.entry.assigned = true;
	p.entry.asid = ASID + 1;
	expect(&p, &a, RMP_NPF, RMP_NOT_OWNED, info);
	p.entry.asid = ASID;
	expect(&p, &a, RMP_NPF, RMP_OTHER_GPA, info);
	p.gpa = GPA_AT;
	expect(&p, &a, RMP_NPF, RMP_NOT_MUTABLE, info);
	p.entry.immutable = false;
	expect(&p, &a, RMP_NPF, RMP_OTHER_SIZE, info);
	p.entry.is_2m = false;
	expect(&p, &a, RMP_VC, RMP_NOT_VALIDATED, 0x404);
	p.entry.validated = true;
	expect(&p, &a, RMP_NPF, RMP_NO_PERMISSION, info | SVM_NPF_VMPL);
	p.entry.perm[0] = RMP_PERM_WRITE;	/* without read it is none */
	expect(&p, &a, RMP_NPF, RMP_NO_PERMISSION, info | SVM_NPF_VMPL);
	p.entry.perm[0] |= RMP_PERM_READ;
	expect(&p, &a, RMP_PASS, RMP_REASON_NONE, 0);
	a.level = PG_LEVEL_1G;
	expect(&p, &a, RMP_NPF, RMP_OTHER_SIZE, info);
	p.entry.is_2m = true;
	expect(&p, &a, RMP_PASS, RMP_REASON_NONE, 0);
}

static void what_needs_which_permission(void **unused)
{
	static const struct { enum rmp_what what; bool user; uint8_t need; uint64_t bits; } rows[] = {
		{ RMP_READ, false, RMP_PERM_READ, SVM_NPF_FINAL },
		{ RMP_WRITE, true, RMP_PERM_READ | RMP_PERM_WRITE, SVM_NPF_FINAL | SVM_NPF_WRITE },
		{ RMP_FETCH, true, RMP_PERM_XU, SVM_NPF_FINAL | SVM_NPF_FETCH },
		{ RMP_FETCH, false, RMP_PERM_XS, SVM_NPF_FINAL | SVM_NPF_FETCH },
		{ RMP_TABLE_READ, true, RMP_PERM_READ, SVM_NPF_TABLE | SVM_NPF_WRITE },
		{ RMP_TABLE_WRITE, false, RMP_PERM_READ | RMP_PERM_WRITE,
		  SVM_NPF_TABLE | SVM_NPF_WRITE },
	};
	struct rmp_page p = good();

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (unsigned perm = 0; perm < 32; perm++)
			for (uint8_t vmpl = 0; vmpl < RMP_NR_VMPLS; vmpl++) {
				struct rmp_access a = snp(rows[i].what, true);
				bool ok = (perm & rows[i].need) == rows[i].need;

				a.user = rows[i].user;
				a.vmpl = vmpl;
				memset(p.entry.perm, (int)~perm & RMP_PERM_ALL, RMP_NR_VMPLS);
				p.entry.perm[vmpl] = (uint8_t)perm;
				expect(&p, &a, ok ? RMP_PASS : RMP_NPF,
				       ok ? RMP_REASON_NONE : RMP_NO_PERMISSION,
				       ok ? 0 : BASE | SVM_NPF_ENC | SVM_NPF_VMPL | rows[i].bits);
			}
}

/* Without the C-bit: reads of anything, writes of what is the hypervisor's. */
static void shared_accesses(void **unused)
{
	struct rmp_access r = snp(RMP_READ, false), w = snp(RMP_WRITE, false);
	struct rmp_access x = snp(RMP_FETCH, false), t = snp(RMP_TABLE_READ, false);
	struct rmp_page p = good(), hv = { .entry.covered = true };
	const uint64_t info = BASE | SVM_NPF_WRITE | SVM_NPF_FINAL;

	(void)unused;
	expect(&p, &r, RMP_PASS, RMP_REASON_NONE, 0);
	expect(&hv, &r, RMP_PASS, RMP_REASON_NONE, 0);
	expect(&p, &w, RMP_NPF, RMP_NOT_HYPERVISORS, info);
	expect(&hv, &w, RMP_PASS, RMP_REASON_NONE, 0);
	hv.any_assigned = true;
	expect(&hv, &w, RMP_PASS, RMP_REASON_NONE, 0);
	w.level = PG_LEVEL_2M;
	expect(&hv, &w, RMP_NPF, RMP_NOT_HYPERVISORS, info);
	hv.entry.covered = false;
	expect(&hv, &w, RMP_PASS, RMP_REASON_NONE, 0);
	hv.entry.covered = true;
	expect(&hv, &x, RMP_NPF, RMP_NOT_OWNED, BASE | SVM_NPF_FETCH | SVM_NPF_FINAL | SVM_NPF_ENC);
	expect(&hv, &t, RMP_NPF, RMP_NOT_OWNED, 
	       BASE | SVM_NPF_TABLE | SVM_NPF_WRITE | SVM_NPF_ENC);
}

static void others(void **unused)
{
	struct rmp_access a = { .who = RMP_GUEST, .what = RMP_WRITE, .level = PG_LEVEL_4K };
	struct rmp_page p = good();

	(void)unused;
	expect(&p, &a, RMP_NPF, RMP_NOT_HYPERVISORS, BASE | SVM_NPF_WRITE | SVM_NPF_FINAL);
	a.who = RMP_SEV_GUEST;
	expect(&p, &a, RMP_NPF, RMP_NOT_HYPERVISORS, BASE | SVM_NPF_WRITE | SVM_NPF_FINAL);
	a.c_bit = true;
	expect(&p, &a, RMP_NPF, RMP_NOT_HYPERVISORS,
	       BASE | SVM_NPF_WRITE | SVM_NPF_FINAL | SVM_NPF_ENC);
	a.who = RMP_GUEST;
	a.what = RMP_TABLE_WRITE;
	expect(&p, &a, RMP_NPF, RMP_NOT_HYPERVISORS, BASE | SVM_NPF_WRITE | SVM_NPF_TABLE);
	a.level = PG_LEVEL_2M;	/* a write of 4K all the same */
	p.assigned = false;
	expect(&p, &a, RMP_PASS, RMP_REASON_NONE, 0);
	p.assigned = true;
	a.what = RMP_READ;
	expect(&p, &a, RMP_PASS, RMP_REASON_NONE, 0);
	a.what = RMP_FETCH;
	expect(&p, &a, RMP_PASS, RMP_REASON_NONE, 0);
	a = (struct rmp_access){ .who = RMP_HOST, .what = RMP_WRITE, .level = PG_LEVEL_4K };
	expect(&p, &a, RMP_PF, RMP_NOT_HYPERVISORS, 0x80000003);
	a.user = true;
	expect(&p, &a, RMP_PF, RMP_NOT_HYPERVISORS, 0x80000007);
	a.what = RMP_READ;
	expect(&p, &a, RMP_PASS, RMP_REASON_NONE, 0);
	a = snp(RMP_NESTED_WRITE, false);	/* the guest's own page is no place for nested tables */
	expect(&p, &a, RMP_NPF, RMP_NOT_HYPERVISORS, BASE | SVM_NPF_WRITE | SVM_NPF_FINAL);
}

/* Somebody changes the entry, or VMRUN has it. */
static void busy_pages(void **unused)
{
	const uint64_t info = BASE | SVM_NPF_FINAL;
	struct rmp_access w = snp(RMP_WRITE, false), r = snp(RMP_READ, true);
	struct rmp_page p = good();

	(void)unused;
	p.busy = true;
	expect(&p, &r, RMP_NPF, RMP_IS_BUSY, info | SVM_NPF_ENC);
	expect(&p, &w, RMP_NPF, RMP_IS_BUSY, info | SVM_NPF_WRITE);
	p.entry = (struct rmp_entry){ .covered = true };	/* what it says counts for nothing */
	expect(&p, &r, RMP_NPF, RMP_IS_BUSY, info | SVM_NPF_ENC);
	p.entry.covered = false;
	expect(&p, &w, RMP_PASS, RMP_REASON_NONE, 0);
	expect(&p, &r, RMP_NPF, RMP_NOT_COVERED, info | SVM_NPF_ENC);
	p = good();
	p.entry.in_use = true;
	expect(&p, &r, RMP_NPF, RMP_IS_BUSY, info | SVM_NPF_ENC);
	p.entry.is_2m = true;			/* Page-Size is first, Validated after */
	expect(&p, &r, RMP_NPF, RMP_OTHER_SIZE, info | SVM_NPF_ENC);
	p.entry.is_2m = p.entry.validated = false;
	expect(&p, &r, RMP_NPF, RMP_IS_BUSY, info | SVM_NPF_ENC);
	p.entry.asid++;
	expect(&p, &r, RMP_NPF, RMP_NOT_OWNED, info | SVM_NPF_ENC);
}

/* Its size is 4K whatever maps what; what it is on the way to is told. */
static void nested_entries(void **unused)
{
	struct rmp_access a = snp(RMP_NESTED_WRITE, false);
	struct rmp_page p = { .entry.covered = true, .any_assigned = true };

	(void)unused;
	a.level = PG_LEVEL_2M;
	expect(&p, &a, RMP_PASS, RMP_REASON_NONE, 0);
	p.assigned = true;
	expect(&p, &a, RMP_NPF, RMP_NOT_HYPERVISORS, BASE | SVM_NPF_WRITE | SVM_NPF_FINAL);
	a.for_table = true;
	expect(&p, &a, RMP_NPF, RMP_NOT_HYPERVISORS,
	       BASE | SVM_NPF_WRITE | SVM_NPF_TABLE | SVM_NPF_ENC);
	a = snp(RMP_READ, true);
	p = (struct rmp_page){ .entry.covered = true };
	a.for_table = true;			/* means nothing to others */
	expect(&p, &a, RMP_NPF, RMP_NOT_OWNED, BASE | SVM_NPF_FINAL | SVM_NPF_ENC);
}

/* Pages as the table has them: the first of 2M speaks for all. */
static void through_the_table(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_access a = snp(RMP_READ, true);
	struct rmp_look l;

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, true, true).eax, RMP_SUCCESS);
	a.level = PG_LEVEL_2M;
	a.gpa = GPA_AT + 0x7000;
	rmp_look(hw->frames.rmp, HPA(AT + 0x7000), 0, &l);
	expect(&l.page, &a, RMP_PASS, RMP_REASON_NONE, 0);
	rmp_look(hw->frames.rmp, HPA(AT + 0x8000), 0, &l);
	assert_int_equal(rmp_check(&l.page, &a).reason, RMP_OTHER_GPA);
	assert_int_equal(assign(hw, AT + M2 + 0x1000, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(rmp_host_store(hw, HPA(AT + M2), PG_LEVEL_4K, false), 0);
	assert_int_equal(rmp_host_store(hw, HPA(AT + M2 + 0x1000), PG_LEVEL_4K, false), 0x80000003);
	assert_int_equal(rmp_host_store(hw, HPA(AT + M2), PG_LEVEL_2M, true), 0x80000007);
	assert_int_equal(rmp_host_store(hw, HPA(AT + 2 * M2), PG_LEVEL_1G, true), 0);
	assert_int_equal(assign(hw, AT + 3 * M2, GPA_AT, ASID, false), RMP_SUCCESS);	/* the first */
	assert_int_equal(rmp_host_store(hw, HPA(AT + 3 * M2 + 0x5000), PG_LEVEL_2M, false), 0x80000003);
	assert_int_equal(rmp_host_store(hw, HPA(AT + 3 * M2 + 0x5000), PG_LEVEL_4K, false), 0);
	assert_int_equal(rmp_host_store(hw, HPA(AT + 0x5000), PG_LEVEL_4K, false), 0x80000003);
	no_machine(hw);
}

static void structures(void **unused)
{
	struct rmp_page p = good(), hv = { .entry.covered = true }, none = { 0 };

	(void)unused;
	for (enum rmp_structure s = RMP_VMCB; s <= RMP_VMSA_PAGE; s++) {
		assert_int_equal(rmp_check_structure(&hv, s, ASID), RMP_VMRUN_PASS);
		assert_int_equal(rmp_check_structure(&none, s, ASID), RMP_VMRUN_PASS);
		assert_int_equal(rmp_check_structure(&p, s, ASID),
				 s == RMP_VMCB ? RMP_VMRUN_GP : RMP_VMRUN_INVALID);
	}
	assert_int_equal(rmp_check_structure(&p, RMP_SNP_VMSA_PAGE, ASID), RMP_VMRUN_INVALID);
	p.entry.vmsa = true;
	assert_int_equal(rmp_check_structure(&p, RMP_SNP_VMSA_PAGE, ASID), RMP_VMRUN_PASS);
	assert_int_equal(rmp_check_structure(&p, RMP_SNP_VMSA_PAGE, ASID + 1), RMP_VMRUN_INVALID);
	p.entry.immutable = true;
	assert_int_equal(rmp_check_structure(&p, RMP_SNP_VMSA_PAGE, ASID), RMP_VMRUN_INVALID);
	assert_int_equal(rmp_check_structure(&none, RMP_SNP_VMSA_PAGE, ASID), RMP_VMRUN_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_of_checks),
		cmocka_unit_test(what_needs_which_permission),
		cmocka_unit_test(shared_accesses), cmocka_unit_test(others),
		cmocka_unit_test(busy_pages), cmocka_unit_test(nested_entries),
		cmocka_unit_test(through_the_table), cmocka_unit_test(structures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
