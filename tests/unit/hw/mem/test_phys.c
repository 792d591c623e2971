/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/insn/phys.h"

#include <string.h>

#include "hw/insn/peek.h"
#include "hw/mem/a_machine.h"

static void words_are_the_bytes_of_the_process(void **unused)
{
	struct hw *hw = a_machine((struct hw_config){ .phys_bits = 46 });
	static uint64_t words[4] = { 1, 2, 3, 4 };
	hpa_t a = phys_publish(hw, words);
	uint64_t expected = 7;

	(void)unused;
	assert_ptr_equal(peek_phys(hw, a), words);
	assert_int_equal(phys_load64(hw, HPA(a.v + 8)), 2);
	phys_store64(hw, HPA(a.v + 8), 0x55);
	assert_int_equal(words[1], 0x55);
	assert_int_equal(phys_xchg64(hw, HPA(a.v + 16), 0xff), 3);
	assert_int_equal(phys_and64(hw, HPA(a.v + 16), 0xf0), 0xff);
	assert_int_equal(words[2], 0xf0);
	assert_false(phys_cas64(hw, a, &expected, 9));
	assert_int_equal(expected, 1);
	assert_true(phys_cas64(hw, a, &expected, 9));
	assert_int_equal(words[0], 9);
	phys_fill64(hw, a, 0x77, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(words[i], 0x77);
	words[2] = 0x78;
	assert_int_equal(phys_skip64(hw, a, 0x77, 4), 2);
	assert_int_equal(phys_skip64(hw, a, 0x77, 2), 2);
	assert_int_equal(phys_skip64(hw, a, 0x77, 0), 0);
	assert_int_equal(phys_skip64(hw, HPA(a.v + 16), 0x77, 2), 0);
	assert_int_equal(phys_skip64(hw, HPA(a.v + 24), 0x77, 1), 1);
	assert_int_equal(hw_nr_findings(hw), 0);
	no_machine(hw);
}

/* No frame, then a frame whose host mapping went away behind our back. */
static void what_is_not_there_reads_as_ones_and_is_a_finding(void **unused)
{
	struct hw *hw = a_machine((struct hw_config){ .phys_bits = 46 });
	char *p = os_map_private(PAGE_SIZE, PAGE_SIZE);
	hpa_t rows[] = { HPA(0), HPA(0x123456000), HPA(1ull << 50), phys_publish(hw, p) };
	struct hw_finding last;

	(void)unused;
	os_unmap(p, PAGE_SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t expected = 0, before = hw_nr_findings(hw);

		assert_true(phys_load64(hw, rows[i]) == ~0ull);
		phys_store64(hw, rows[i], 1);
		assert_true(phys_xchg64(hw, rows[i], 1) == ~0ull);
		assert_true(phys_and64(hw, rows[i], 1) == ~0ull);
		assert_false(phys_cas64(hw, rows[i], &expected, 1));
		assert_true(expected == ~0ull);
		phys_fill64(hw, rows[i], 1, 512);
		assert_int_equal(phys_skip64(hw, rows[i], ~0ull, 512), 0);
		assert_int_equal(hw_nr_findings(hw), before + 6);	/* looking is none */
	}
	assert_int_equal(hw_findings_read(hw, &last, 1), 1);
	assert_non_null(strstr(last.text, "fill"));
	assert_int_equal(counter_read(hw_config(hw)->counters, COUNTER_HW_FINDINGS), 24);
	no_machine(hw);
}

static void bad_machines_are_refused(void **unused)
{
	struct counters *c = counters_create(NR_COUNTERS);
	const struct hw_config rows[] = {
		{ HW_VENDOR_AMD, 35, 0, 0, 1, c },
		{ HW_VENDOR_AMD, 53, 0, 0, 1, c },
		{ HW_VENDOR_AMD, 48, 13, 0, 1, c },
		{ HW_VENDOR_AMD, 48, 5, 30, 1, c },
		{ HW_VENDOR_AMD, 48, 5, 51, 0, c },
		{ HW_VENDOR_AMD, 48, 5, 51, 1, NULL },
		{ HW_VENDOR_INTEL, 46, 0, 51, 1, c },
		{ HW_VENDOR_INTEL, 46, 1, 0, 1, c },
	};
	struct hw *hw;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(hw_create(&rows[i], &hw), HW_BAD_CONFIG);
	counters_destroy(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_the_bytes_of_the_process),
		cmocka_unit_test(what_is_not_there_reads_as_ones_and_is_a_finding),
		cmocka_unit_test(bad_machines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
