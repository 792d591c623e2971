/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_cpuid.c - docs/facts/snp-cpuid-page.tsv: each bit of each register that
 * it names goes through SNP_LAUNCH_UPDATE as part of a CPUID page.
 *
 * usage: test_hw_psp_snp_cpuid DOCS/FACTS
 *
 * Which bits of an unchecked register are reserved the table does not say: such a bit passes, or is
 * refused and cleared.
 */
#include "a_snp.h"
#include "model/rmp/facts.h"

#include "hw/psp/snp_cpuid.h"

#include <stdio.h>
#include <stdlib.h>

#define ASID	3u
#define GPA_AT	0x40000000ull

enum { EAX, EBX, ECX, EDX };

static const char *folder;

struct desk {				/* one guest, one page to submit */
	struct snp	s;
	uint64_t	gctx, at;
	struct facts	f;
	uint64_t	nr;
};

/* What the firmware says of the page, and what it leaves of it in the clear. */
static enum psp_status submit_page(struct desk *d, struct snp_cpuid_page *page)
{
	enum psp_status st;

	assign(&d->s, d->at, GPA_AT, ASID, false, true);
	put(&d->s, d->at, page, sizeof(*page));
	st = launch_update(&d->s, d->gctx, d->at, PSP_SNP_CPUID, false);
	assert_int_equal(state_of(&d->s, d->at), st == PSP_SUCCESS ? SNP_STATE_GUEST_VALID
								   : SNP_STATE_PRE_GUEST);
	assert_true(view_read(d->s.hw, HPA(d->at), st == PSP_SUCCESS ? ASID : 0, page,
			      sizeof(*page)));
	give_back(&d->s, d->at, false);
	d->nr++;
	return st;
}

/* True: accepted.  @e is what came back. */
static bool submit(struct desk *d, struct snp_cpuid_entry *e)
{
	struct snp_cpuid_page page = { .count = 1 };
	enum psp_status st;

	page.entry[0] = *e;
	st = submit_page(d, &page);
	assert_true(st == PSP_SUCCESS || st == PSP_INVALID_PARAM);
	assert_true(st != PSP_SUCCESS || !memcmp(e, &page.entry[0], sizeof(*e)));
	*e = page.entry[0];
	return st == PSP_SUCCESS;
}

/* What the processor has, made true for x87, SSE and AVX. */
static struct snp_cpuid_entry the_processors(struct desk *d, uint32_t leaf, uint32_t sub)
{
	const struct cpuid_regs r = hw_cpuid(d->s.hw, leaf, sub);
	struct snp_cpuid_entry e = { .eax_in = leaf, .ecx_in = sub, .xcr0_in = 7,
				     .reg = { r.eax, r.ebx, r.ecx, r.edx } };

	if (leaf == 1)
		e.reg[EBX] &= ~0xffu;
	if (leaf == 0xd && sub < 2)
		e.reg[EBX] = 0x340;
	if (leaf == 7 && !sub)
		e.reg[EDX] = 0;
	return e;
}

/* -- Rows about registers -- */

struct row {
	uint32_t    leaf, sub, bits, host;
	unsigned    reg;
	const char *rule, *corrected;
};

static uint32_t bits_named(const char *text)
{
	unsigned hi, lo;

	if (!strcmp(text, "all") || !strcmp(text, "family, model, stepping"))
		return ~0u;
	if (!strcmp(text, "INVLPGB count"))
		return 0xffff;
	if (!strcmp(text, "RDPRU maximum"))
		return 0xff0000;
	if (sscanf(text, "%u:%u", &hi, &lo) == 2)
		return (uint32_t)BITS(hi, lo);
	assert_int_equal(sscanf(text, "%u", &lo), 1);
	return 1u << lo;
}

static bool same_register(const struct facts *f, char *const *a, char *const *b)
{
	static const char *const names[] = { "kind", "leaf", "sub", "reg" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(fact_cell(f, a, names[i]), fact_cell(f, b, names[i])))
			return false;
	return true;
}

static uint32_t bits_of(const struct facts *f, char *const *row)
{
	uint32_t bits = ~0u;

	if (strcmp(fact_cell(f, row, "bits"), "else"))
		return bits_named(fact_cell(f, row, "bits"));
	for (unsigned i = 0; i < f->nr_rows; i++)
		if (same_register(f, row, f->row[i]) &&
		    strcmp(fact_cell(f, f->row[i], "bits"), "else"))
			bits &= ~bits_named(fact_cell(f, f->row[i], "bits"));
	return bits;
}

static struct row row_of(struct desk *d, char *const *cells)
{
	const char *name = fact_cell(&d->f, cells, "reg");
	struct row r = {
		.leaf = (uint32_t)strtoul(fact_cell(&d->f, cells, "leaf"), NULL, 0),
		.sub = (uint32_t)strtoul(fact_cell(&d->f, cells, "sub"), NULL, 0),
		.reg = (unsigned)(name[1] - 'a'), .bits = bits_of(&d->f, cells),
		.rule = fact_cell(&d->f, cells, "rule"),
		.corrected = fact_cell(&d->f, cells, "corrected"),
	};

	r.host = the_processors(d, r.leaf, r.sub).reg[r.reg];
	return r;
}

/* @value in the row's register, all else as the processor has it. */
static bool try_value(struct desk *d, const struct row *r, uint32_t value, uint32_t *back)
{
	struct snp_cpuid_entry e = the_processors(d, r->leaf, r->sub);
	bool ok;

	e.reg[r->reg] = value;
	ok = submit(d, &e);
	*back = e.reg[r->reg];
	return ok;
}

static void expect(struct desk *d, const struct row *r, uint32_t value, bool pass, uint32_t want)
{
	uint32_t back;
	const bool ok = try_value(d, r, value, &back);

	if (ok != pass || back != want)
		fail_msg("%#x/%u %u: %#x: %s, %#x; not %s, %#x", r->leaf, r->sub, r->reg, value,
			 ok ? "passes" : "fails", back, pass ? "passes" : "fails", want);
}

static void do_mask(struct desk *d, const struct row *r)
{
	for (unsigned i = 0; i < 32; i++) {
		const uint32_t bit = 1u << i & r->bits;

		if (bit)
			expect(d, r, r->host ^ bit, r->host & bit,
			       r->host & bit ? r->host ^ bit : r->host);
	}
}

static void do_exact(struct desk *d, const struct row *r)
{
	for (unsigned i = 0; i < 32; i++)
		if (1u << i & r->bits)
			expect(d, r, r->host ^ 1u << i, false, r->host);
}

/* The bits are a number: one more fails, one less and none at all pass. */
static void do_less(struct desk *d, const struct row *r)
{
	const uint32_t one = r->bits & -r->bits, has = r->host & r->bits;
	const uint32_t rest = r->host & ~r->bits;

	expect(d, r, rest, true, rest);
	if (has)
		expect(d, r, rest | (has - one), true, rest | (has - one));
	if (has != r->bits)
		expect(d, r, rest | (has + one), false, r->host);
}

static void do_unchecked(struct desk *d, const struct row *r)
{
	for (unsigned i = 0; i < 32; i++) {
		const uint32_t bit = 1u << i & r->bits, value = r->host ^ bit;
		uint32_t back;

		if (!bit)
			continue;
		if (!try_value(d, r, value, &back))
			assert_true(value & bit && back == r->host);
	}
}

static void do_zero(struct desk *d, const struct row *r)
{
	for (unsigned i = 0; i < 32; i++)
		if (1u << i & r->bits)
			expect(d, r, r->host | 1u << i, false, r->host & ~(1u << i));
}

/* As the firmware corrects it: what the processor has goes too. */
static void do_mask_inverse(struct desk *d, const struct row *r)
{
	const uint32_t host = hw_cpuid(d->s.hw, r->leaf, r->sub).edx;

	for (unsigned i = 0; i < 32; i++)
		expect(d, r, host | 1u << i, host & 1u << i, host & 1u << i ? host : 1u << i);
}

static void do_both_set(struct desk *d, const struct row *r)
{
	expect(d, r, r->host & ~1u, false, r->host);
	expect(d, r, r->host & ~2u, false, r->host);
}

static uint32_t signature(uint32_t family, uint32_t model, uint32_t stepping)
{
	return (family - 0xf) << 20 | (model >> 4) << 16 | 0xf00 | (model & 0xf) << 4 | stepping;
}

/* Family 19h, model 1, stepping 1 here. */
static void do_signature(struct desk *d, const struct row *r)
{
	const uint32_t s = signature(0x19, 1, 1);
	static const struct { uint8_t family, model, stepping, ok; } tries[] = {
		{ 0x19, 1, 1, 1 }, { 0x19, 1, 0, 1 }, { 0x19, 0, 15, 1 }, { 0x17, 15, 15, 1 },
		{ 0x19, 1, 2, 0 }, { 0x19, 2, 0, 0 }, { 0x1a, 0, 0, 0 },
	};

	assert_int_equal(r->host, s);
	for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
		const uint32_t v = signature(tries[i].family, tries[i].model, tries[i].stepping);

		expect(d, r, v, tries[i].ok, tries[i].ok ? v : s);
	}
}

static void do_size(struct desk *d, const struct row *r)
{
	do_exact(d, r);			/* the sizes themselves: rows xsave and compact */
}

static void do_register(struct desk *d, char *const *cells)
{
	static const struct {
		const char *rule;
		void	  (*run)(struct desk *d, const struct row *r);
	} rules[] = {
		{ "mask", do_mask }, { "exact", do_exact }, { "lessequal", do_less },
		{ "unchecked", do_unchecked }, { "zero", do_zero }, { "both set", do_both_set },
		{ "lessequal, compared in this order", do_signature },
		{ "exact: see xsave", do_size }, { "exact: see compact", do_size },
	};
	const struct row r = row_of(d, cells);
	struct snp_cpuid_entry e = the_processors(d, r.leaf, r.sub);

	assert_true(submit(d, &e));
	if (!strncmp(r.corrected, "value & ~host", 13)) {
		do_mask_inverse(d, &r);
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(rules); i++)
		if (!strcmp(rules[i].rule, r.rule)) {
			rules[i].run(d, &r);
			return;
		}
	fail_msg("no such rule: %s", r.rule);
}

/* -- Sizes of the state that XSAVE saves -- */

/* "xcr0 bit 9", "xss bit 11", "xcr0 bit none", "base" */
static void set_bit(const char *text, struct snp_cpuid_entry *e)
{
	unsigned bit;

	if (sscanf(text, "xcr0 bit %u", &bit) == 1)
		e->xcr0_in |= 1u << bit;
	else if (sscanf(text, "xss bit %u", &bit) == 1)
		e->xss_in |= 1u << bit;
}

static uint32_t number_in(const char *text)
{
	return (uint32_t)strtoul(strstr(text, "0x"), NULL, 16);
}

static void expect_size(struct desk *d, struct snp_cpuid_entry e, uint32_t want)
{
	struct snp_cpuid_entry wrong = e;

	e.reg[EBX] = want;
	assert_true(submit(d, &e));
	wrong.reg[EBX] = want + 8;
	assert_false(submit(d, &wrong));
	assert_int_equal(wrong.reg[EBX], want);
}

/* Alone, and with all that the rows below name (which come later in the order). */
static void do_xsave(struct desk *d, unsigned at)
{
	struct snp_cpuid_entry e = the_processors(d, 0xd, 0);

	for (unsigned i = at; i < d->f.nr_rows; i++) {
		if (strcmp(fact_cell(&d->f, d->f.row[i], "kind"), "xsave"))
			break;
		if (i == at) {
			e.xcr0_in = 3;
			set_bit(fact_cell(&d->f, d->f.row[i], "bits"), &e);
			expect_size(d, e, number_in(fact_cell(&d->f, d->f.row[at], "rule")));
		} else {
			set_bit(fact_cell(&d->f, d->f.row[i], "bits"), &e);
		}
	}
	expect_size(d, e, number_in(fact_cell(&d->f, d->f.row[at], "rule")));
}

static void do_compact(struct desk *d, unsigned at)
{
	struct snp_cpuid_entry e = the_processors(d, 0xd, 1);
	const uint32_t mine = number_in(fact_cell(&d->f, d->f.row[at], "rule"));
	const bool is_base = !strcmp(fact_cell(&d->f, d->f.row[at], "bits"), "base");
	uint32_t sum = 0, base = 0;

	e.xcr0_in = 3;
	for (unsigned i = 0; i < d->f.nr_rows; i++) {
		const char *bits = fact_cell(&d->f, d->f.row[i], "bits");

		if (strcmp(fact_cell(&d->f, d->f.row[i], "kind"), "compact"))
			continue;
		if (!strcmp(bits, "base"))
			base = number_in(fact_cell(&d->f, d->f.row[i], "rule"));
		if (i != at)
			sum += number_in(fact_cell(&d->f, d->f.row[i], "rule"));
	}
	set_bit(fact_cell(&d->f, d->f.row[at], "bits"), &e);
	expect_size(d, e, is_base ? mine : base + mine);
	for (unsigned i = 0; i < d->f.nr_rows; i++)
		if (!strcmp(fact_cell(&d->f, d->f.row[i], "kind"), "compact"))
			set_bit(fact_cell(&d->f, d->f.row[i], "bits"), &e);
	expect_size(d, e, sum + mine);
}

/* -- Rows about the page and its entries -- */

/* A page of one good and one bad entry: the bad one's register comes back as 0 for EAX of leaf 6. */
static void do_page(struct desk *d, const char *rule)
{
	struct snp_cpuid_page p = { .count = 3 }, q;

	p.entry[0] = the_processors(d, 6, 0);
	p.entry[0].reg[EBX] = 1;
	p.entry[1] = the_processors(d, 0x80000000, 0);
	p.entry[2] = p.entry[0];
	q = p;
	if (strstr(rule, "reserved fields")) {
		q.reserved1 = 1;
		assert_int_equal(submit_page(d, &q), PSP_INVALID_PARAM);
		assert_memory_equal(q.entry, p.entry, sizeof(p.entry));
		q = p;
		q.reserved2 = 1;
		assert_int_equal(submit_page(d, &q), PSP_INVALID_PARAM);
		assert_memory_equal(q.entry, p.entry, sizeof(p.entry));
	} else if (strstr(rule, "count above 64")) {
		q.count = 65;
		assert_int_equal(submit_page(d, &q), PSP_INVALID_PARAM);
		assert_memory_equal(q.entry, p.entry, sizeof(p.entry));
	} else {			/* an entry fails; and all are checked */
		assert_int_equal(submit_page(d, &q), PSP_INVALID_PARAM);
		assert_int_equal(q.entry[0].reg[EBX], 0);
		assert_int_equal(q.entry[2].reg[EBX], 0);
		assert_memory_equal(&q.entry[1], &p.entry[1], sizeof(p.entry[1]));
	}
}

static void do_entry(struct desk *d, const char *leaf, const char *rule)
{
	struct snp_cpuid_entry e = { .reg = { 1, 2, 3, 4 } };

	if (strstr(leaf, "-")) {	/* a range that is checked: leaves that are not in the table */
		const bool high = leaf[2] == '8';

		e.eax_in = high ? 0x8000ffff : 0xffff;
		assert_false(submit(d, &e));
		assert_int_equal(e.reg[EAX] | e.reg[EBX] | e.reg[ECX] | e.reg[EDX], 0);
		assert_true(submit(d, &e));
	} else if (!strcmp(leaf, "else")) {
		static const uint32_t leaves[] = { 0x10000, 0x40000000, 0x7fffffff, 0x80010000,
						   0xffffffff };

		e.reserved = 1;
		for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++) {
			e.eax_in = leaves[i];
			assert_true(submit(d, &e));
		}
	} else if (strstr(rule, "reserved field")) {
		e = the_processors(d, 0, 0);
		e.reserved = 5;
		assert_false(submit(d, &e));
		assert_int_equal(e.reserved, 5);
	} else if (strstr(rule, "not in the table")) {
		e.eax_in = 3;
		assert_false(submit(d, &e));
		assert_int_equal(e.reg[EAX] | e.reg[EBX] | e.reg[ECX] | e.reg[EDX], 0);
	} else {			/* a reserved bit, whatever the rule: unchecked, less, exact, mask */
		static const struct { uint32_t leaf, reg, bit; } bits[] = {
			{ 0xb, EAX, 31 }, { 0x80000001, EAX, 31 }, { 6, EBX, 3 }, { 6, ECX, 31 },
		};

		for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
			const struct row r = { .leaf = bits[i].leaf, .reg = bits[i].reg };
			const uint32_t host = the_processors(d, r.leaf, 0).reg[r.reg];

			expect(d, &r, host | 1u << bits[i].bit, false, host);
		}
	}
}

static void do_row(struct desk *d, unsigned i)
{
	char *const *row = d->f.row[i];
	const char *kind = fact_cell(&d->f, row, "kind");

	if (!strcmp(fact_cell(&d->f, row, "confidence"), "memory")) {
		d->f.nr_memory++;
		return;
	}
	if (!strcmp(kind, "register"))
		do_register(d, row);
	else if (!strcmp(kind, "xsave"))
		do_xsave(d, i);
	else if (!strcmp(kind, "compact"))
		do_compact(d, i);
	else if (!strcmp(kind, "page"))
		do_page(d, fact_cell(&d->f, row, "rule"));
	else if (!strcmp(kind, "entry"))
		do_entry(d, fact_cell(&d->f, row, "leaf"), fact_cell(&d->f, row, "rule"));
	else
		assert_string_equal(kind, "rule");	/* the words of the others */
	d->f.nr_cases++;
}

static void every_row_holds(void **unused)
{
	char path[4096];
	struct desk d = { .s = an_snp() };

	(void)unused;
	snprintf(path, sizeof(path), "%s/snp-cpuid-page.tsv", folder);
	d.f = facts_read(path);
	d.gctx = a_guest(&d.s, POLICY, ASID);
	d.at = a_page(&d.s);
	for (unsigned i = 0; i < d.f.nr_rows; i++)
		do_row(&d, i);
	no_snp(&d.s);
	printf("snp-cpuid-page.tsv: %llu of %u rows hold, %llu from memory, by %llu pages\n",
	       (unsigned long long)d.f.nr_cases, d.f.nr_rows, (unsigned long long)d.f.nr_memory,
	       (unsigned long long)d.nr);
	assert_int_equal(d.f.nr_cases + d.f.nr_memory, d.f.nr_rows);
	facts_free(&d.f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_holds) };

	folder = argc > 1 ? argv[1] : "docs/facts";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
