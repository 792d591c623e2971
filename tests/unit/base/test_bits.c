/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define WHOLE_HI	63
#define WHOLE_LO	0
#define GPA_HI		50
#define GPA_LO		12
#define TOP_HI		63
#define TOP_LO		63

static void fields_sit_where_they_are_named(void **unused)
{
	(void)unused;
	assert_int_equal(FIELD_MASK(WHOLE), ~0ull);
	assert_int_equal(FIELD_MASK(GPA), 0x0007fffffffff000ull);
	assert_int_equal(FIELD_MASK(TOP), 1ull << 63);
	assert_int_equal(FIELD_GET(GPA, 0xfff7fffffffff123ull), 0x7fffffffffull);
	assert_int_equal(FIELD_PUT(GPA, ~0ull), FIELD_MASK(GPA));
	assert_int_equal(BITS(5, 3), 0x38);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_sit_where_they_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
