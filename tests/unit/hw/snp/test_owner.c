/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_owner.c - the RMP's part of a walk, where docs/facts has no row: what a fault and a
 * finding say, what a TLB knew before there was an RMP to ask.
 */
#include "hw/mmu/a_guest.h"
#include "hw/snp/an_rmp.h"

#include <string.h>

#define LINEAR	0x400000ull
#define TARGET	0x600000ull
#define NESTED	(2ull << 30)	/* a nested table of its own */

static void start(struct guest *g, bool snp)
{
	guest_init_on(g, (struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48, .c_bit = 47,
					     .phys_reduction = 5, .snp = true, .rmp_end = 1ull << 42 });
	g->nested.snp = snp;
	g->nested.asid = ASID;
	map(g, LINEAR, TARGET | P | W | U | A | D, 1);
	nested_set(g, TARGET, 1, guest_hpa(g, TARGET) | nested_all(g) | A | D);
	guest_enter(g);
}

static void finish(struct guest *g)
{
	mmu_leave(g->m);
	os_unmap(g->bytes, GUEST_SIZE);
	no_machine(g->hw);
}

/* The first entry of a gigabyte: its TLBs have noted nothing. */
static void a_tlb_from_before(void **unused)
{
	struct guest g;
	uint64_t a;

	(void)unused;
	start(&g, false);
	a = guest_hpa(&g, TARGET);
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	assert_non_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_WRITE));
	assert_null(g.hw->frames.rmp->regions[a >> RMP_REGION_SHIFT]);
	assert_int_equal(assign(g.hw, a, TARGET, ASID, false), RMP_SUCCESS);
	assert_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_WRITE));
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_NESTED_FAULT);
		assert_int_equal(g.fault.gpa.v, TARGET);
		assert_int_equal(g.fault.info, SVM_NPF_PRESENT | SVM_NPF_WRITE | SVM_NPF_USER |
					       SVM_NPF_RMP | SVM_NPF_FINAL);
	}
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);	/* and is kept for reads alone */
	assert_non_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_READ));
	assert_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_WRITE));
	assert_int_equal(release(g.hw, a, false), RMP_SUCCESS);
	assert_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_READ));
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	assert_non_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_WRITE));	/* a read is kept for both */
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	finish(&g);
}

/* A TLB keeps a fetch where user and supervisor may both, or neither. */
static void fetches_are_kept_for_both(void **unused)
{
	static const struct { uint64_t perm; bool user, kept; } rows[] = {
		{ RMP_PERM_ALL, true, true }, { RMP_PERM_ALL, false, true },
		{ RMP_PERM_READ | RMP_PERM_XU, true, false },
		{ RMP_PERM_ALL & ~RMP_PERM_XS, true, false },
	};
	struct guest g;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rmp_target t;
		uint64_t a;

		start(&g, true);
		g.state.cr0 = X86_CR0_PE;		/* no tables of its own */
		g.state.cr4 = g.state.efer = 0;
		g.state.cpl = rows[i].user ? 3 : 0;
		g.nested.vmpl = 1;
		guest_enter(&g);
		a = guest_hpa(&g, TARGET);
		t = target(a, TARGET, false);
		assert_int_equal(assign(g.hw, a, TARGET, ASID, false), RMP_SUCCESS);
		assert_int_equal(pvalidate(g.hw, a, TARGET, false, true).eax, RMP_SUCCESS);
		assert_int_equal(snp_rmpadjust(g.hw, &t, 0, rows[i].perm << 8 | 1).eax, RMP_SUCCESS);
		assert_int_equal(touch(&g, TARGET, MMU_EXEC), MMU_OK);
		assert_int_equal(!!tlb_code(&g.m->tlb, TARGET, 1), rows[i].kept);
		assert_int_equal(touch(&g, TARGET, MMU_READ), MMU_OK);
		assert_non_null(tlb_data(&g.m->tlb, TARGET, 1, MMU_READ));
		finish(&g);
	}
}

/* The nested table is somebody's: on the way to data, and to a table of the guest's. */
static void nested_tables_in_a_guest_page(void **unused)
{
	struct guest g;
	hpa_t table;

	(void)unused;
	for (unsigned for_table = 0; for_table < 2; for_table++) {
		uint64_t linear = for_table ? 2ull << 39 : LINEAR + PAGE_SIZE;

		start(&g, false);
		map(&g, LINEAR + PAGE_SIZE, NESTED | P | W | U | A | D, 1);
		*(uint64_t *)(void *)(g.bytes + GUEST_PML4 + 16) = NESTED | P | W | U | A;
		table = HPA(nested_at(&g, NESTED, 1).v & PAGE_MASK);
		nested_set(&g, NESTED, 1, guest_hpa(&g, TARGET) | nested_all(&g));
		assert_int_equal(assign(g.hw, table.v, 0, ASID, false), RMP_SUCCESS);
		assert_int_equal(touch(&g, linear, MMU_READ), MMU_NESTED_FAULT);
		assert_int_equal(g.fault.gpa.v & PAGE_MASK, NESTED);
		assert_int_equal(g.fault.info, SVM_NPF_PRESENT | SVM_NPF_WRITE | SVM_NPF_USER |
				 SVM_NPF_RMP | (for_table ? SVM_NPF_TABLE : SVM_NPF_FINAL));
		assert_int_equal(nested_get(&g, NESTED, 1) & A, 0);
		assert_int_equal(release(g.hw, table.v, false), RMP_SUCCESS);
		assert_int_equal(touch(&g, linear, MMU_READ), for_table ? MMU_GUEST_FAULT : MMU_OK);
		assert_int_equal(nested_get(&g, NESTED, 1) & A, A);
		finish(&g);
	}
}

static void expect_finding(struct hw *hw, uint64_t nr, const char *section, const char *start)
{
	struct hw_finding f;

	assert_int_equal(hw_nr_findings(hw), nr);
	assert_int_equal(hw_findings_read(hw, &f, 1), 1);
	assert_string_equal(f.section, section);
	if (strncmp(f.text, start, strlen(start)))
		fail_msg("%s", f.text);
}

/* What is somebody's mistake, and what is not. */
static void findings(void **unused)
{
	struct guest g;
	uint64_t a;

	(void)unused;
	start(&g, true);
	g.state.cr0 = X86_CR0_PE;
	g.state.cr4 = g.state.efer = 0;
	guest_enter(&g);
	a = guest_hpa(&g, TARGET);
	assert_int_equal(touch(&g, TARGET, MMU_EXEC), MMU_NESTED_FAULT);	/* not owned */
	assert_int_equal(hw_nr_findings(g.hw), 0);
	assert_int_equal(assign(g.hw, a, TARGET, ASID, false), RMP_SUCCESS);
	assert_int_equal(touch(&g, TARGET, MMU_EXEC), MMU_GUEST_VC);
	assert_int_equal(g.fault.pf_error, 0x404);
	assert_int_equal(g.fault.gpa.v, TARGET);
	expect_finding(g.hw, 1, "APM vol. 2 15.36.6", "gfn 0x600 used without PVALIDATE: page 0x");
	assert_int_equal(assign(g.hw, a, TARGET + M2, ASID, false), RMP_SUCCESS);
	assert_int_equal(touch(&g, TARGET, MMU_EXEC), MMU_NESTED_FAULT);
	expect_finding(g.hw, 2, "APM vol. 2 15.36.10",
		       "gfn 0x600 leads to another's page: page 0x");
	assert_int_equal(assign(g.hw, a, TARGET, ASID, false), RMP_SUCCESS);
	assert_int_equal(pvalidate(g.hw, a, TARGET, false, true).eax, RMP_SUCCESS);
	g.nested.vmpl = 2;
	guest_enter(&g);
	assert_int_equal(touch(&g, TARGET, MMU_EXEC), MMU_NESTED_FAULT);	/* no permission */
	assert_int_equal(g.fault.info & SVM_NPF_VMPL, SVM_NPF_VMPL);
	assert_int_equal(hw_nr_findings(g.hw), 2);
	finish(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tlb_from_before), cmocka_unit_test(fetches_are_kept_for_both),
		cmocka_unit_test(nested_tables_in_a_guest_page), cmocka_unit_test(findings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
