/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_measure.c - MRTD and RTMR against digests that were computed elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/page.h"
#include "hw/tdx/measure.h"

#define TOP		0xfffff000ull

static void is(const uint8_t got[TDX_DIGEST], const char *want)
{
	char hex[2 * TDX_DIGEST + 1];

	for (unsigned i = 0; i < TDX_DIGEST; i++)
		snprintf(hex + 2 * i, 3, "%02x", got[i]);
	assert_string_equal(hex, want);
}

static void extend(struct measurement *mr, uint64_t gpa)
{
	const uint8_t zeros[TDX_MR_CHUNK] = { 0 };

	for (unsigned i = 0; i < PAGE_SIZE; i += TDX_MR_CHUNK)
		assert_true(measure_extend(mr, gpa + i, zeros));
}

static void launches(void **unused)
{
	static const struct {
		unsigned	pages;
		bool		extend, two_passes;
		const char	*mrtd;
	} rows[] = {
		{ 0, false, false, "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
				   "274edebfe76f65fbd51ad2f14898b95b" },
		{ 1, false, false, "8d411e4377a0da03b249acbe9a7939b44b4483b5a6c81341f00d60c1f417257f"
				   "9a5c1c03f2f223c59f010f4933f238b8" },
		{ 1, true, false, "07f08f558c5e2593b33452cf00c12a165c07b027a36424ecfa15ebf39b5415e0"
				  "ed62418458e4bfd77f16fec0f1568dc9" },
		{ 2, true, false, "da27a8c2adaae377d7170841582c1cce16f4350399078c8cd60753736eea0a8c"
				  "adf3014d5a0a03e86fa21fd392dc0bf2" },
		{ 2, true, true, "c5bf7eaa77cb32114dcbce2637c0037628a35699b5d565fb1d19ddb75f4bd5e4"
				 "607e6a7ce995ae00a4883311c39d5712" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct measurement *mr = measure_new();

		assert_non_null(mr);
		for (unsigned p = rows[i].pages; p--;) {
			assert_true(measure_page_add(mr, TOP - p * PAGE_SIZE));
			if (rows[i].extend && !rows[i].two_passes)
				extend(mr, TOP - p * PAGE_SIZE);
		}
		for (unsigned p = rows[i].two_passes ? rows[i].pages : 0; p--;)
			extend(mr, TOP - p * PAGE_SIZE);
		assert_true(measure_finalize(mr));
		is(measure_mrtd(mr), rows[i].mrtd);
		measure_free(mr);
	}
}

static void rtmr(void **unused)
{
	const uint8_t zeros[TDX_DIGEST] = { 0 };
	struct measurement *mr = measure_new();

	(void)unused;
	assert_non_null(mr);
	assert_true(measure_finalize(mr));
	assert_true(measure_rtmr_extend(mr, 2, zeros));
	is(measure_rtmr(mr, 2), "f57bb7ed82c6ae4a29e6c9879338c592c7d42a39135583e8ccbe3940f2344b0e"
				"b6eb8503db0ffd6a39ddd00cd07d8317");
	assert_memory_equal(measure_rtmr(mr, 1), zeros, TDX_DIGEST);
	measure_free(mr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(launches),
		cmocka_unit_test(rtmr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
