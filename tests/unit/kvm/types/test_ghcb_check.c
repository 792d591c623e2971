/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_ghcb_check.c - what a request has to bring: every event with every
 * combination of valid bits that matter.
 */
#include "kvm/types/sev_ghcb.h"

#include "hw/insn/svm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const enum ghcb_offset fields[] = {
	GHCB_CPL, GHCB_RAX, GHCB_RCX, GHCB_RDX, GHCB_RBX, GHCB_RSI, GHCB_SCRATCH, GHCB_XCR0,
};

enum {				/* by position in fields[] */
	CPL = 1 << 0, RAX = 1 << 1, RCX = 1 << 2, RDX = 1 << 3, SCRATCH = 1 << 6, XCR0 = 1 << 7,
	REFUSED = 1 << 8,
};

/* GHCB specification, table 6, as KVM 6.12 asks for it. */
static const struct {
	uint64_t code, info1, rax;
	unsigned needs;
} events[] = {
	{ 0x27, 0, 0, 0 },
	{ 0x37, 0, 0, RAX },
	{ 0x6e, 0, 0, 0 },
	{ 0x6f, 0, 0, RCX },
	{ 0x72, 0, 0, RAX | RCX },
	{ 0x72, 0, 0xd, RAX | RCX | XCR0 },
	{ 0x76, 0, 0, 0 },
	{ 0x7b, 0x03f80011, 0, 0 },			/* IN */
	{ 0x7b, 0x03f80010, 0, RAX },			/* OUT */
	{ 0x7b, 0x03f80015, 0, SCRATCH },		/* INS */
	{ 0x7b, 0x03f80014, 0, SCRATCH },		/* OUTS */
	{ 0x7c, 0, 0, RCX },
	{ 0x7c, 1, 0, RAX | RCX | RDX },
	{ 0x7c, 2, 0, RAX | RCX | RDX },
	{ 0x81, 0, 0, RAX | CPL },
	{ 0x87, 0, 0, 0 },
	{ 0x89, 0, 0, 0 },
	{ 0x8a, 0, 0, RAX | RCX | RDX },
	{ 0x8b, 0, 0, RAX | RCX },
	{ 0x80000001, 0, 0, SCRATCH },
	{ 0x80000002, 0, 0, SCRATCH },
	{ 0x80000003, 0, 0, 0 },
	{ 0x80000004, 0, 0, 0 },
	{ 0x80000005, 0, 0, 0 },
	{ 0x80000010, 0, 0, REFUSED },
	{ 0x80000011, 0x1000, 0, REFUSED },
	{ 0x80000012, 0x1000, 0, REFUSED },
	{ 0x80000013, 2, 0, REFUSED },
	{ 0x8000fffd, 0, 0, 0 },
	{ 0x8000fffe, 0, 0, 0 },
	{ 0x8000ffff, 0, 0, 0 },
};

static void put64(struct ghcb_copy *g, unsigned at, uint64_t value)
{
	memcpy(g->bytes + at, &value, sizeof(value));
}

static void make_valid(struct ghcb_copy *g, unsigned field)
{
	g->bytes[GHCB_VALID + field / 64] |= (uint8_t)(1u << field / 8 % 8);
}

static struct ghcb_copy a_request(uint64_t code, uint64_t info1, uint64_t rax, unsigned valid)
{
	struct ghcb_copy g = { 0 };

	put64(&g, GHCB_EXITCODE, code);
	put64(&g, GHCB_EXITINFO1, info1);
	put64(&g, GHCB_RAX, rax);
	make_valid(&g, GHCB_EXITCODE);
	make_valid(&g, GHCB_EXITINFO1);
	make_valid(&g, GHCB_EXITINFO2);
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
		if (valid >> i & 1)
			make_valid(&g, fields[i]);
	}
	return g;
}

static void every_event_with_all_valid_bits(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		for (unsigned valid = 0; valid < 1u << ARRAY_SIZE(fields); valid++) {
			const struct ghcb_copy g = a_request(events[i].code, events[i].info1,
							     events[i].rax, valid);
			const unsigned lacks = events[i].needs & ~valid;
			const enum ghcb_error want = lacks ? GHCB_MISSING_INPUT : GHCB_OK;

			if (ghcb_check(&g, false) != want)
				fail_msg("event %#llx, info1 %#llx, bits %#x: %d",
					 (unsigned long long)events[i].code,
					 (unsigned long long)events[i].info1, valid, ghcb_check(&g, false));
		}
	}
}

static void code_and_both_infos_are_always_needed(void **unused)
{
	static const enum ghcb_offset always[] = { GHCB_EXITCODE, GHCB_EXITINFO1, GHCB_EXITINFO2 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
		struct ghcb_copy g = a_request(0x8000fffd, 0, 0, 0);

		assert_int_equal(ghcb_check(&g, false), GHCB_OK);
		g.bytes[GHCB_VALID + always[i] / 64] &= (uint8_t)~(1u << always[i] / 8 % 8);
		assert_int_equal(ghcb_check(&g, false), GHCB_MISSING_INPUT);
	}
}

static bool is_listed(uint64_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		if (events[i].code == code)
			return true;
	}
	return false;
}

static void unknown_codes_are_no_events(void **unused)
{
	static const uint64_t first[] = { 0, 0x80000000, 0x8000ff00, 0x100000072, ~0ull - 0xff };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		for (uint64_t n = 0; n < 0x100; n++) {
			const struct ghcb_copy g = a_request(first[i] + n, 0, 0, 0xff);

			if (!is_listed(first[i] + n))
				assert_int_equal(ghcb_check(&g, false), GHCB_INVALID_EVENT);
		}
	}
}

/* Before anything else. */
static void another_usage_is_refused_first(void **unused)
{
	struct ghcb_copy g = { 0 };

	(void)unused;
	for (unsigned byte = 0; byte < 4; byte++) {
		memset(&g, 0, sizeof(g));
		g.bytes[GHCB_USAGE + byte] = 0x80;
		assert_int_equal(ghcb_check(&g, false), GHCB_INVALID_USAGE);
	}
}

static void bits_are_where_the_specification_has_them(void **unused)
{
	static const struct { enum ghcb_offset field; unsigned bit; } rows[] = {
		{ GHCB_CPL, 25 }, { GHCB_RAX, 63 }, { GHCB_RCX, 97 }, { GHCB_RDX, 98 },
		{ GHCB_RBX, 99 }, { GHCB_RSI, 102 }, { GHCB_EXITCODE, 114 }, { GHCB_EXITINFO1, 115 },
		{ GHCB_EXITINFO2, 116 }, { GHCB_SCRATCH, 117 }, { GHCB_XCR0, 125 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (unsigned bit = 0; bit < 128; bit++) {
			struct ghcb_copy g = { 0 };

			g.bytes[0x3f0 + bit / 8] = (uint8_t)(1u << bit % 8);
			assert_int_equal(ghcb_has(&g, rows[i].field), bit == rows[i].bit);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_with_all_valid_bits),
		cmocka_unit_test(code_and_both_infos_are_always_needed),
		cmocka_unit_test(unknown_codes_are_no_events),
		cmocka_unit_test(another_usage_is_refused_first),
		cmocka_unit_test(bits_are_where_the_specification_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
