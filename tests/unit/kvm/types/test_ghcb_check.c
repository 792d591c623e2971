/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_ghcb_check.c - what a request has to bring: every event of
 * docs/facts/snp-ghcb-v2.tsv with every combination of valid bits that matter, for
 * SNP guests and others.
 *
 * usage: test_kvm_ghcb_check docs/facts/snp-ghcb-v2.tsv
 */
#include "kvm/types/sev_ghcb.h"

#include "hw/insn/svm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/rmp/facts.h"

static const enum ghcb_offset fields[] = {
	GHCB_CPL, GHCB_RAX, GHCB_RCX, GHCB_RDX, GHCB_RBX, GHCB_RSI, GHCB_SCRATCH, GHCB_XCR0,
};

/* Their names in the table. */
static const char *const names[] = { "cpl", "rax", "rcx", "rdx", "rbx", "rsi", "scratch", "xcr0" };

static struct facts facts;

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

static unsigned bits_of(const char *need)
{
	unsigned bits = 0;
	char text[64], *rest = text, *word;

	snprintf(text, sizeof(text), "%s", need);
	while ((word = strsep(&rest, "+"))) {
		for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
			bits |= (unsigned)!strcmp(names[i], word) << i;
	}
	return bits;
}

/* What a condition of the table says of the request. */
struct condition {
	uint64_t info1, info2, rax;
	bool	 snp, not_snp;
};

static const struct { const char *when; struct condition c; } conditions[] = {
	{ "-", { 0 } },
	{ "rax!=0xd", { .rax = 0xc } },
	{ "rax=0xd", { .rax = 0xd } },
	{ "info1.str=1", { .info1 = 0x03f80015 } },
	{ "info1.str=0 info1.in=0", { .info1 = 0x03f80010 } },
	{ "info1.str=0 info1.in=1", { .info1 = 0x03f80011 } },
	{ "info1=0", { 0 } },
	{ "info1!=0", { .info1 = 2 } },
	{ "snp", { .snp = true, .info1 = 0x1000 } },
	{ "not snp", { .not_snp = true, .info1 = 0x1000 } },
	{ "snp info1.low!=2", { .snp = true, .info1 = 0x200000001 } },
	{ "snp info1.low=2", { .snp = true, .info1 = 0x100000002 } },
	{ "info1 not page aligned", { .snp = true, .info1 = 0x1ff8 } },
	{ "info2 not page aligned", { .snp = true, .info1 = 0x1000, .info2 = 1 } },
	{ "info1=info2", { .snp = true, .info1 = 0x1000, .info2 = 0x1000 } },
};

static bool find_condition(const char *when, struct condition *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
		if (strcmp(conditions[i].when, when))
			continue;
		*out = conditions[i].c;
		return true;
	}
	return false;
}

/* 4 and 6 are said here; what has another reason, or another condition, is not this check's. */
static bool is_ours(char *const *row, struct condition *c)
{
	const char *reason = fact_cell(&facts, row, "reason");

	return row[0][0] == '0' && strcmp(reason, "5") && strcmp(reason, "3") &&
	       find_condition(fact_cell(&facts, row, "when"), c);
}

/* Without needs a row with a reason is refused whatever is valid. */
static enum ghcb_error wanted(char *const *row, unsigned valid)
{
	const char *need = fact_cell(&facts, row, "need");
	const char *reason = fact_cell(&facts, row, "reason");
	const bool refused = !strcmp(need, "-") ? strcmp(reason, "-") != 0 :
						  (bits_of(need) & ~valid) != 0;

	return refused ? (enum ghcb_error)atoi(reason) : GHCB_OK;
}

static void one_event(char *const *row, const struct condition *c, bool snp)
{
	const uint64_t code = strtoull(row[0], NULL, 0);

	for (unsigned valid = 0; valid < 1u << ARRAY_SIZE(fields); valid++) {
		struct ghcb_copy g = a_request(code, c->info1, c->rax, valid);
		const enum ghcb_error want = wanted(row, valid);

		put64(&g, GHCB_EXITINFO2, c->info2);
		if (ghcb_check(&g, snp) != want)
			fail_msg("%s %s, bits %#x, SNP %d: %d instead of %d", row[0], row[1], valid,
				 snp, ghcb_check(&g, snp), want);
	}
}

static void every_event_with_all_valid_bits(void **unused)
{
	unsigned nr = 0;

	(void)unused;
	for (unsigned i = 0; i < facts.nr_rows; i++) {
		char *const *row = facts.row[i];
		struct condition c;

		if (!is_ours(row, &c))
			continue;
		nr++;
		if (!c.snp)
			one_event(row, &c, false);
		if (!c.not_snp)
			one_event(row, &c, true);
	}
	print_message("snp-ghcb-v2.tsv: %u of %u rows are about this check\n", nr, facts.nr_rows);
	assert_true(nr >= 48);
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
	for (unsigned i = 0; i < facts.nr_rows; i++) {
		if (facts.row[i][0][0] == '0' && strtoull(facts.row[i][0], NULL, 0) == code &&
		    strcmp(fact_cell(&facts, facts.row[i], "reason"), "6"))
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

/* All are words but this. */
static void cpl_is_a_byte(void **unused)
{
	struct ghcb_copy g;

	(void)unused;
	memset(&g, 0xee, sizeof(g));
	g.bytes[0xcb] = 3;
	assert_int_equal(ghcb_get(&g, GHCB_CPL), 3);
	assert_int_equal(ghcb_get(&g, GHCB_RAX), 0xeeeeeeeeeeeeeeee);
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_with_all_valid_bits),
		cmocka_unit_test(code_and_both_infos_are_always_needed),
		cmocka_unit_test(unknown_codes_are_no_events),
		cmocka_unit_test(another_usage_is_refused_first),
		cmocka_unit_test(cpl_is_a_byte),
		cmocka_unit_test(bits_are_where_the_specification_has_them),
	};
	int r;

	if (argc != 2)
		return 2;
	facts = facts_read(argv[1]);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	facts_free(&facts);
	return r;
}
