/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/dram.h"

#include <stdlib.h>

#include "hw/insn/peek.h"
#include "hw/insn/phys.h"
#include "hw/mem/a_machine.h"

#define MANY	3000u

static int by_value(const void *a, const void *b)
{
	const uint64_t x = ((const hpa_t *)a)->v, y = ((const hpa_t *)b)->v;

	return x < y ? -1 : x > y;
}

/* Round after round: zero when handed out, dirty when given back. */
static void pages_are_zero_and_nobody_elses(void **unused)
{
	struct hw *hw = a_machine((struct hw_config){ .phys_bits = 40 });
	hpa_t *pages = calloc(MANY, sizeof(*pages));

	(void)unused;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < MANY; i++) {
			pages[i] = phys_page_alloc(hw);
			assert_true(hpa_is_valid(pages[i]));
			for (unsigned o = 0; o < PAGE_SIZE; o += 8 + i % 5 * 504)
				assert_int_equal(phys_load64(hw, HPA(pages[i].v + o)), 0);
			phys_fill64(hw, pages[i], 0xdead0000 + i, PAGE_SIZE / 8);
		}
		assert_int_equal(peek_dram_pages(hw), MANY);
		qsort(pages, MANY, sizeof(*pages), by_value);
		for (unsigned i = 1; i < MANY; i++)
			assert_true(pages[i - 1].v + PAGE_SIZE <= pages[i].v);
		for (unsigned i = 0; i < MANY; i++)
			phys_page_free(hw, pages[i]);
		assert_int_equal(peek_dram_pages(hw), 0);
	}
	assert_int_equal(hw_nr_findings(hw), 0);
	free(pages);
	no_machine(hw);
}

static void wrong_frees_are_findings(void **unused)
{
	struct hw *hw = a_machine((struct hw_config){ .phys_bits = 40 });
	hpa_t a = phys_page_alloc(hw);
	static uint64_t vmm_bytes;

	(void)unused;
	phys_page_free(hw, HPA(a.v + 8));
	assert_int_equal(hw_nr_findings(hw), 1);
	phys_page_free(hw, phys_publish(hw, &vmm_bytes));
	assert_int_equal(hw_nr_findings(hw), 2);
	phys_page_free(hw, HPA(1ull << 38));
	assert_int_equal(hw_nr_findings(hw), 3);
	phys_page_free(hw, a);
	assert_int_equal(hw_nr_findings(hw), 3);
	phys_page_free(hw, a);
	assert_int_equal(hw_nr_findings(hw), 4);
	assert_int_equal(peek_dram_pages(hw), 0);
	no_machine(hw);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_zero_and_nobody_elses),
		cmocka_unit_test(wrong_frees_are_findings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
