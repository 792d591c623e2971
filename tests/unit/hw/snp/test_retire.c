/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_retire.c - memory goes away under an RMP entry; what a finding says of it. */
#include "hw/insn/phys.h"
#include "hw/snp/an_rmp.h"

#include <string.h>

static void expect(struct hw *hw, uint64_t nr, const char *start, const char *end)
{
	struct hw_finding f;

	assert_int_equal(hw_nr_findings(hw), nr);
	if (!nr)
		return;
	assert_int_equal(hw_findings_read(hw, &f, 1), 1);
	assert_string_equal(f.section, "APM vol. 2 15.36.5");
	assert_ptr_equal(strstr(f.text, start), f.text);
	assert_non_null(strstr(f.text, end));
}

static void dram(void **unused)
{
	struct hw *hw = an_rmp();
	hpa_t page = phys_page_alloc(hw);

	(void)unused;
	phys_page_free(hw, page);		/* nobody has asked for an entry yet */
	page = phys_page_alloc(hw);
	assert_int_equal(assign(hw, page.v, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(release(hw, page.v, false), RMP_SUCCESS);
	phys_page_free(hw, page);
	expect(hw, 0, NULL, NULL);
	page = phys_page_alloc(hw);
	assert_int_equal(assign(hw, page.v, GPA_AT, ASID, false), RMP_SUCCESS);
	phys_page_free(hw, page);
	expect(hw, 1, "freed without RMPUPDATE: page 0x",
	       ": gfn 0x12000 of ASID 5, 4K, not validated; RMPUPDATE gave it to the hypervisor, "
	       "RMPUPDATE assigned it (ASID 5, 4K), its memory went away");
	no_machine(hw);
}

static void host_memory(void **unused)
{
	struct hw *hw = an_rmp();
	uint8_t *p = os_map_private(4 * M2, 4 * M2);
	struct rmp_past past[RMP_HISTORY];
	uint64_t a;

	(void)unused;
	for (uint64_t i = 0; i < 4 * M2; i += PAGE_SIZE)
		a = phys_publish(hw, p + i).v;
	a -= 4 * M2 - PAGE_SIZE;
	assert_int_equal(assign(hw, a + 2 * M2, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(assign(hw, a + 0x7000, GPA_AT, ASID, false), RMP_SUCCESS);
	phys_retire(hw, p + 0x3000, 0x2000);
	expect(hw, 0, NULL, NULL);
	assert_int_equal(release(hw, a + 0x7000, false), RMP_SUCCESS);
	phys_retire(hw, p, 2 * M2);
	expect(hw, 0, NULL, NULL);
	phys_retire(hw, p + 2 * M2 + 0x3000, 0x2000);
	expect(hw, 1, "freed without RMPUPDATE: page 0x", "gfn 0x12003 of ASID 5, 2M");
	assert_int_equal(peek_rmp_history(hw, HPA(a + 2 * M2 + 0x4000), past), 2);
	assert_int_equal(past[0].event, RMP_EVENT_RETIRED);
	for (unsigned i = 2; i <= 5; i += 3) {
		assert_int_equal(peek_rmp_history(hw, HPA(a + 2 * M2 + i * PAGE_SIZE), past), 1);
		assert_int_equal(past[0].event, RMP_EVENT_ASSIGNED);
	}
	phys_retire(hw, p, 4 * M2);
	expect(hw, 2, "freed without RMPUPDATE: page 0x", "gfn 0x12000 of ASID 5, 2M");
	assert_true(entry_at(hw, a + 2 * M2).assigned);	/* it stays so, as on silicon */
	os_unmap(p, 4 * M2);
	no_machine(hw);
}

/* What KVM itself stores to, by where it is in this process. */
static void host_stores(void **unused)
{
	struct hw *hw = an_rmp();
	uint8_t *p = os_map_private(4 * M2, 4 * M2);
	uint64_t a;

	(void)unused;
	for (uint64_t i = 0; i < M2; i += PAGE_SIZE)
		a = phys_publish(hw, p + i).v;
	a -= M2 - PAGE_SIZE;
	assert_int_equal(rmp_host_store_at(hw, p, PG_LEVEL_4K, false), 0);	/* no region yet */
	assert_int_equal(assign(hw, a + 0x3000, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(rmp_host_store_at(hw, p + 0x3123, PG_LEVEL_4K, false), 0x80000003);
	assert_int_equal(rmp_host_store_at(hw, p + 0x3123, PG_LEVEL_4K, true), 0x80000007);
	assert_int_equal(rmp_host_store_at(hw, p + 0x4000, PG_LEVEL_4K, false), 0);	/* its neighbour */
	assert_int_equal(rmp_host_store_at(hw, &hw, PG_LEVEL_4K, false), 0);		/* no physical memory */
	assert_int_equal(release(hw, a + 0x3000, false), RMP_SUCCESS);
	assert_int_equal(rmp_host_store_at(hw, p + 0x3123, PG_LEVEL_4K, false), 0);
	assert_int_equal(assign(hw, a + 0x3000, GPA_AT, ASID, false), RMP_SUCCESS);
	phys_retire(hw, p, M2);
	assert_int_equal(rmp_host_store_at(hw, p + 0x3123, PG_LEVEL_4K, false), 0);	/* other memory now */
	os_unmap(p, 4 * M2);
	no_machine(hw);
	hw = a_machine((struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48,
					   .phys_reduction = 5, .c_bit = 47 });
	assert_int_equal(rmp_host_store_at(hw, &hw, PG_LEVEL_4K, false), 0);
	no_machine(hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dram), cmocka_unit_test(host_memory),
		cmocka_unit_test(host_stores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
