/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/frames.h"

#include "hw/mem/a_machine.h"

/* Never touched: addresses are all that the frame table looks at. */
#define HOST(gb, offset)	((const void *)(uintptr_t)(((uint64_t)(gb) << 30) + (offset)))

static void addresses_keep_their_place_in_the_gigabyte(void **unused)
{
	struct frames f;
	hpa_t a, b, c;

	(void)unused;
	assert_true(frames_init(&f, 40));
	a = frames_publish(&f, HOST(5, 0x1234567));
	b = frames_publish(&f, HOST(5, 0x3ffff000));
	c = frames_publish(&f, HOST(7, 0x1234567));
	assert_int_equal(a.v & (REGION_SIZE - 1), 0x1234567);
	assert_int_equal(a.v >> 30, b.v >> 30);
	assert_int_not_equal(a.v >> 30, c.v >> 30);
	assert_int_equal(frames_publish(&f, HOST(5, 0x1234567)).v, a.v);
	assert_ptr_equal(frames_host(&f, a), HOST(5, 0x1234567));
	assert_ptr_equal(frames_host(&f, c), HOST(7, 0x1234567));
	assert_null(frames_host(&f, HPA(a.v + PAGE_SIZE)));
	assert_null(frames_host(&f, HPA(0)));
	assert_null(frames_host(&f, HPA(1ull << 39)));
	assert_null(frames_host(&f, HPA_INVALID));
	frames_fini(&f);
}

static void retiring_is_exact_to_the_page(void **unused)
{
	static const struct {
		uint64_t start, size;	/* in pages */
		bool left[6];		/* frames 62 to 67 */
	} rows[] = {
		{ 62, 1, { 0, 1, 1, 1, 1, 1 } },
		{ 63, 2, { 1, 0, 0, 1, 1, 1 } },
		{ 62, 6, { 0, 0, 0, 0, 0, 0 } },
		{ 64, 0, { 1, 1, 1, 1, 1, 1 } },
		{ 0, 65, { 0, 0, 0, 1, 1, 1 } },
		{ 66, 1 << 20, { 1, 1, 1, 1, 0, 0 } },
		{ 100, 1000, { 1, 1, 1, 1, 1, 1 } },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frames f;
		hpa_t a[6];

		assert_true(frames_init(&f, 40));
		for (unsigned n = 0; n < 6; n++)
			a[n] = frames_publish(&f, HOST(9, (62 + n) * PAGE_SIZE));
		frames_retire(&f, HOST(9, rows[i].start * PAGE_SIZE), rows[i].size * PAGE_SIZE);
		for (unsigned n = 0; n < 6; n++)
			assert_int_equal(frames_host(&f, a[n]) != NULL, rows[i].left[n]);
		frames_fini(&f);
	}
}

/* 36 bits are 63 usable regions; ten times as many gigabytes come and go. */
static void physical_space_is_used_again(void **unused)
{
	struct frames f;

	(void)unused;
	assert_true(frames_init(&f, 36));
	for (unsigned i = 1; i < 640; i++) {
		assert_true(hpa_is_valid(frames_publish(&f, HOST(i, 0))));
		assert_true(frames_retire(&f, HOST(i, 0), PAGE_SIZE));
		assert_false(frames_retire(&f, HOST(i, 0), PAGE_SIZE));
	}
	for (unsigned i = 1; i < 64; i++)
		assert_true(hpa_is_valid(frames_publish(&f, HOST(i, 0))));
	assert_false(hpa_is_valid(frames_publish(&f, HOST(64, 0))));
	assert_true(hpa_is_valid(frames_publish(&f, HOST(63, PAGE_SIZE))));
	frames_fini(&f);
}

static void one_retirement_spans_gigabytes(void **unused)
{
	struct frames f;
	hpa_t a, b;

	(void)unused;
	assert_true(frames_init(&f, 46));
	a = frames_publish(&f, HOST(3, REGION_SIZE - PAGE_SIZE));
	b = frames_publish(&f, HOST(4, 0));
	assert_true(frames_retire(&f, HOST(3, REGION_SIZE - PAGE_SIZE), 2 * PAGE_SIZE));
	assert_null(frames_host(&f, a));
	assert_null(frames_host(&f, b));
	frames_fini(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_keep_their_place_in_the_gigabyte),
		cmocka_unit_test(retiring_is_exact_to_the_page),
		cmocka_unit_test(physical_space_is_used_again),
		cmocka_unit_test(one_retirement_spans_gigabytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
