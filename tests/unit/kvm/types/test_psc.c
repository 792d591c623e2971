/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_psc.c - page state changes: every row of docs/facts/snp-psc.tsv, and
 * guests that rewrite what they have asked for.
 *
 * usage: test_kvm_psc docs/facts/snp-psc.tsv
 */
#include "a_guest.h"

#include <stdio.h>

#include "model/rmp/facts.h"

#define BUFFER		(GHCB_AT + GHCB_BUFFER)
#define MAX_WORDS	8u

static struct facts facts;
static const char *doing;	/* for messages: the row */

/* The words of a cell; "-" has none. */
struct words {
	unsigned n;
	const char *at[MAX_WORDS];
	char	 text[256];
};

static void words_of(struct words *w, const char *cell)
{
	char *rest = w->text, *word;

	w->n = 0;
	snprintf(w->text, sizeof(w->text), "%s", cell);
	while ((word = strsep(&rest, " ")) && strcmp(word, "-")) {
		assert_true(w->n < MAX_WORDS);
		w->at[w->n++] = word;
	}
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

/* op:GFN:size:done */
static uint64_t an_entry(const char *text)
{
	unsigned long long op, gfn, done;
	char size[3];

	assert_int_equal(sscanf(text, "%llu:%llx:%2[24km]:%llu", &op, &gfn, size, &done), 4);
	return op << 52 | gfn << 12 | (uint64_t)!strcmp(size, "2m") << 56 | done;
}

/* Where the area begins; by the MSR: 0. */
static uint64_t area_of(const char *via)
{
	if (!strcmp(via, "msr"))
		return 0;
	if (!strcmp(via, "page"))
		return BUFFER;
	if (!strcmp(via, "page@other"))
		return GHCB_AT + PAGE_SIZE;
	assert_int_equal(strncmp(via, "page@0x", 7), 0);
	return GHCB_AT + number(via + 5);
}

static void put16(struct a_guest *g, uint64_t at, uint64_t value)
{
	memcpy(g->memory + at, &value, sizeof(uint16_t));
}

static uint16_t get16(const struct a_guest *g, uint64_t at)
{
	uint16_t value;

	memcpy(&value, g->memory + at, sizeof(value));
	return value;
}

static const char *cell(char *const *row, const char *name)
{
	return fact_cell(&facts, row, name);
}

static void ask(struct a_guest *g, char *const *row, uint64_t area)
{
	struct words entries;

	words_of(&entries, cell(row, "entries"));
	if (!area) {
		g->v->svm.ghcb_gpa = an_entry(entries.at[0]) | 0x014;
		return;
	}
	a_guest_asks(g, GHCB_PSC, 0, 0);
	a_guest_put(g, GHCB_SCRATCH, area);
	put16(g, area, number(cell(row, "cur")));
	put16(g, area + 2, number(cell(row, "end")));
	for (unsigned i = 0; i < entries.n; i++) {
		uint64_t e = an_entry(entries.at[i]);

		memcpy(g->memory + area + 8 + 8 * i, &e, sizeof(e));
	}
}

static void is_this_exit(const struct a_guest *g, const char *want)
{
	const struct kvm_run *run = g->v->base.run;
	char text[80];

	assert_int_equal(run->exit_reason, KVM_EXIT_HYPERCALL);
	assert_int_equal(run->hypercall.nr, KVM_HC_MAP_GPA_RANGE);
	snprintf(text, sizeof(text), "0x%llx+%llu/0x%llx",
		 (unsigned long long)run->hypercall.args[0] >> PAGE_SHIFT,
		 (unsigned long long)run->hypercall.args[1],
		 (unsigned long long)run->hypercall.args[2]);
	if ((run->hypercall.args[0] & ~PAGE_MASK) || strcmp(text, want))
		fail_msg("%s: exit %s instead of %s", doing, text, want);
}

static void exits_are(struct a_guest *g, char *const *row)
{
	struct words want, ret;
	int r = a_guest_exits(g);

	words_of(&want, cell(row, "exits"));
	words_of(&ret, cell(row, "ret"));
	assert_int_equal(want.n, ret.n);
	assert_int_equal(!want.n, !strcmp(cell(row, "outcome"), "resume"));
	for (unsigned i = 0; i < want.n; i++) {
		if (r)
			fail_msg("%s: %d instead of exit %u", doing, r, i);
		is_this_exit(g, want.at[i]);
		g->v->base.run->hypercall.ret = (uint64_t)strtoll(ret.at[i], NULL, 0);
		r = a_guest_answered(g);
	}
	if (r != 1)
		fail_msg("%s: %d after the last exit", doing, r);
}

static void result_is(struct a_guest *g, char *const *row, uint64_t area)
{
	const char *result = cell(row, "result");
	bool refused = !strncmp(result, "info1=", 6);
	struct words pages;

	if (!area) {
		assert_int_equal(g->v->svm.ghcb_gpa, number(result));
		return;
	}
	if (a_guest_get(g, GHCB_EXITINFO1) != (refused ? number(result + 6) : 0) ||
	    a_guest_get(g, GHCB_EXITINFO2) != number(refused ? strchr(result, ',') + 1 : result))
		fail_msg("%s: %#llx", doing, (unsigned long long)a_guest_get(g, GHCB_EXITINFO2));
	if (get16(g, area) != number(cell(row, "cur_after")))
		fail_msg("%s: the cursor is %u", doing, get16(g, area));
	words_of(&pages, cell(row, "pages_after"));
	for (unsigned i = 0; i < pages.n; i++) {
		unsigned done = get16(g, area + 8 + 8 * i) & 0xfff;

		if (done != number(pages.at[i]))
			fail_msg("%s: entry %u: %u pages", doing, i, done);
	}
}

static void the_table(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < facts.nr_rows; i++) {
		char *const *row = facts.row[i];
		uint64_t area = area_of(cell(row, "via"));
		struct a_guest g;
		char text[160];

		snprintf(text, sizeof(text), "%s %s", cell(row, "via"), cell(row, "entries"));
		doing = text;
		a_guest_make_snp(&g, false);
		if (!strcmp(cell(row, "hcall"), "0"))
			g.a.kvm->caps.exit_hypercalls = 0;
		ask(&g, row, area);
		exits_are(&g, row);
		a_guest_enters(&g);
		result_is(&g, row, area);
		a_guest_free(&g);
	}
	print_message("snp-psc.tsv: %u rows\n", facts.nr_rows);
}

/* @n entries for 4K pages from @gfn on, of which no two are neighbours. */
static void ask_apart(struct a_guest *g, unsigned n, uint64_t gfn)
{
	a_guest_asks(g, GHCB_PSC, 0, 0);
	a_guest_put(g, GHCB_SCRATCH, BUFFER);
	put16(g, BUFFER, 0);
	put16(g, BUFFER + 2, n - 1);
	for (unsigned i = 0; i < n; i++) {
		uint64_t e = 1ull << 52 | (gfn + 2 * i) << 12;

		memcpy(g->memory + BUFFER + 8 + 8 * i, &e, sizeof(e));
	}
}

/* All 253: each goes out once, whatever the guest puts there meanwhile. */
static void what_is_asked_is_of_one_moment(void **unused)
{
	struct a_guest g;
	int r;

	(void)unused;
	a_guest_make_snp(&g, false);
	ask_apart(&g, 253, 0x100);
	r = a_guest_exits(&g);
	for (unsigned i = 0; i < 253; i++) {
		assert_int_equal(r, 0);
		assert_int_equal(g.v->base.run->hypercall.args[0], (0x100 + 2 * i) << PAGE_SHIFT);
		assert_int_equal(g.v->base.run->hypercall.args[1], 1);
		memset(g.memory + BUFFER, i & 1 ? 0xff : 0, 2032);
		a_guest_put(&g, GHCB_SCRATCH, GHCB_AT + 0xfe8);
		g.v->base.run->hypercall.ret = 0;
		r = a_guest_answered(&g);
	}
	assert_int_equal(r, 1);
	a_guest_enters(&g);
	assert_int_equal(get16(&g, BUFFER), 253);
	assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), 0);
	a_guest_free(&g);
}

/* 512 times the same: a guest is held up for 253 entries at most. */
static void many_that_are_done_take_no_exit(void **unused)
{
	struct a_guest g;

	(void)unused;
	a_guest_make_snp(&g, false);
	ask_apart(&g, 253, 0x100);
	for (unsigned i = 0; i < 253; i++)
		put16(&g, BUFFER + 8 + 8 * i, get16(&g, BUFFER + 8 + 8 * i) | 1);
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(get16(&g, BUFFER), 253);
	a_guest_free(&g);
}

/* KVM_CAP_EXIT_HYPERCALL as it is at each exit. */
static void a_vmm_that_no_longer_wants_to_know(void **unused)
{
	struct a_guest g;

	(void)unused;
	a_guest_make_snp(&g, false);
	ask_apart(&g, 3, 0x100);
	assert_int_equal(a_guest_exits(&g), 0);
	g.a.kvm->caps.exit_hypercalls = 0;
	g.v->base.run->hypercall.ret = 0;
	assert_int_equal(a_guest_answered(&g), 1);
	assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), 0x10000000000);
	assert_int_equal(get16(&g, BUFFER), 1);
	a_guest_free(&g);
}

/* 6.12 leaves hypercall.ret as the VMM had it: one that does not write it has answered before. */
static void what_is_in_ret_at_the_exit(void **unused)
{
	static const struct { unsigned abi; uint64_t ret; } rows[] = {
		{ KERNEL_ABI_6_12, 55 }, { KERNEL_ABI_6_16, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct a_guest g;

		a_guest_make_snp(&g, false);
		g.a.module.abi = rows[i].abi;
		ask_apart(&g, 1, 0x100);
		g.v->base.run->hypercall.ret = 55;
		assert_int_equal(a_guest_exits(&g), 0);
		assert_int_equal(g.v->base.run->hypercall.ret, rows[i].ret);
		assert_int_equal(a_guest_answered(&g), 1);
		assert_int_equal(get16(&g, BUFFER), !rows[i].ret);
		a_guest_enters(&g);
		a_guest_free(&g);
	}
}

/* Which a VMM may choose for SNP, too: the area is outside the page, and holds a header only. */
static void version_1(void **unused)
{
	struct a_guest g;

	(void)unused;
	a_guest_make_snp(&g, false);
	g.sev.ghcb_version = 1;
	ask_apart(&g, 1, 0x100);
	assert_int_equal(a_guest_exits(&g), 0);
	g.v->base.run->hypercall.ret = 0;
	assert_int_equal(a_guest_answered(&g), 1);
	a_guest_enters(&g);
	memcpy(g.memory + 0x8000, g.memory + BUFFER, 2032);
	put16(&g, 0x8000, 0);
	a_guest_asks(&g, GHCB_PSC, 0, 0);
	a_guest_put(&g, GHCB_SCRATCH, 0x8000);
	assert_int_equal(a_guest_exits(&g), 1);
	assert_int_equal(a_guest_get(&g, GHCB_EXITINFO2), 0x100000001);
	a_guest_enters(&g);
	a_guest_free(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table),
		cmocka_unit_test(what_is_asked_is_of_one_moment),
		cmocka_unit_test(many_that_are_done_take_no_exit),
		cmocka_unit_test(a_vmm_that_no_longer_wants_to_know),
		cmocka_unit_test(what_is_in_ret_at_the_exit),
		cmocka_unit_test(version_1),
	};
	int r;

	if (argc != 2)
		return 2;
	facts = facts_read(argv[1]);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	facts_free(&facts);
	return r;
}
