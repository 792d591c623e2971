/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/tmr.h"

#include <string.h>

#include "hw/mem/a_machine.h"

#define BASE	HPA(0x10000000)
#define SIZE	0x100000u

static void name_place(uint8_t *vmsa, hpa_t sum)
{
	memcpy(vmsa + TMR_VMSA_ADDRESS, &sum.v, sizeof(sum.v));
}

/* Every byte under the checksum counts, and none above it. */
static void a_changed_byte_is_seen(void **unused)
{
	struct hw *hw = a_machine((struct hw_config){ .phys_bits = 40 });
	uint8_t vmsa[PAGE_SIZE];
	hpa_t sum;

	(void)unused;
	assert_true(tmr_open(hw, BASE, SIZE));
	sum = tmr_take(hw);
	assert_true(sum.v >= BASE.v + SIZE / 2 && sum.v < BASE.v + SIZE);
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		vmsa[i] = (uint8_t)(i * 7 + i / 256);
	name_place(vmsa, sum);
	assert_false(tmr_matches(hw, vmsa));
	assert_true(tmr_store(hw, vmsa));
	assert_true(tmr_matches(hw, vmsa));
	for (unsigned i = 0; i < PAGE_SIZE; i++) {
		vmsa[i] ^= 0x10;
		assert_int_equal(tmr_matches(hw, vmsa), i >= TMR_VMSA_SUMMED);
		vmsa[i] ^= 0x10;
	}
	assert_true(tmr_matches(hw, vmsa));
	no_machine(hw);
}

/* A VMSA may name only a place that was taken, and not another VMSA's contents. */
static void only_taken_places_count(void **unused)
{
	static const int64_t wrong[] = { -64, 64, 8, -(int64_t)(SIZE / 2), SIZE / 2 };
	struct hw *hw = a_machine((struct hw_config){ .phys_bits = 40 });
	uint8_t vmsa[PAGE_SIZE] = { 1 };
	hpa_t sum;

	(void)unused;
	assert_false(tmr_store(hw, vmsa));
	assert_false(hpa_is_valid(tmr_take(hw)));
	assert_true(tmr_open(hw, BASE, SIZE));
	sum = tmr_take(hw);
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		name_place(vmsa, HPA(sum.v + (uint64_t)wrong[i]));
		assert_false(tmr_store(hw, vmsa));
		assert_false(tmr_matches(hw, vmsa));
	}
	name_place(vmsa, sum);
	assert_true(tmr_store(hw, vmsa));
	tmr_give(hw, sum);
	assert_false(tmr_matches(hw, vmsa));
	tmr_close(hw);
	assert_false(tmr_store(hw, vmsa));
	no_machine(hw);
}

/* All of them, each once; SHUTDOWN and INIT free them all. */
static void places_are_handed_out_once(void **unused)
{
	struct hw *hw = a_machine((struct hw_config){ .phys_bits = 40 });
	uint64_t last = 0;
	unsigned n;
	hpa_t a;

	(void)unused;
	for (unsigned round = 0; round < 2; round++, last = 0) {
		assert_true(tmr_open(hw, BASE, 0x8000));
		for (n = 0; hpa_is_valid(a = tmr_take(hw)); n++, last = a.v)
			assert_true(a.v > last);
		assert_int_equal(n, 0x4000 / 64);
		tmr_close(hw);
	}
	no_machine(hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_byte_is_seen),
		cmocka_unit_test(only_taken_places_count),
		cmocka_unit_test(places_are_handed_out_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
