/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_host.c - RMPUPDATE, PSMASH, RMPREAD in all combinations of their columns. */
#include "model/rmp/a_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One case of RMPUPDATE or PSMASH: columns as there. */
struct host_case {
	const char	*a, *size, *imm, *asid, *gpa, *rsvd, *spa, *cur, *curimm, *others, *busy;
};

static unsigned page_of(const struct host_case *h)
{
	return is(h->spa, "even") ? 0 : 5;
}

static uint64_t address_of(const struct host_case *h)
{
	return is(h->spa, "uncovered") ? UNCOVERED : AT + page_of(h) * PAGE_SIZE;
}

static struct rmp_operand operand_of(const struct host_case *h)
{
	return (struct rmp_operand){
		.assigned = *h->a == '1', .page_size = is(h->size, "2m"), .immutable = *h->imm == '1',
		.asid = is(h->asid, "n") ? ASID : 0, .reserved = *h->rsvd == '1',
		.gpa = GPA_AT + (is(h->gpa, "odd") ? is(h->size, "2m") ? PAGE_SIZE : 0x800 : 0),
	};
}

/* What the column names cannot be together. */
static bool can_be(const struct host_case *h)
{
	bool even = is(h->spa, "even"), odd = is(h->spa, "odd");
	bool large = is(h->cur, "head") || is(h->cur, "sub");

	if ((is(h->cur, "head") && !even) || (is(h->cur, "sub") && !odd))
		return false;
	if (!even && !odd && (!is(h->cur, "unassigned") || *h->curimm == '1' ||
			      !is(h->others, "none") || !is(h->busy, "0")))
		return false;
	if (large && !is(h->others, "none"))
		return false;
	return !is(h->cur, "identical") ||
	       (*h->a == '1' && is(h->size, "4k") && h->imm[0] == h->curimm[0] &&
		is(h->gpa, "even") && is(h->asid, "n"));
}

static void prepare(struct hw *hw, const struct host_case *h)
{
	struct rmp_words all[RMP_PAGES] = { { 0 } };
	unsigned page = page_of(h), at = is(h->cur, "sub") ? 0 : page;
	struct rmp_entry e = { .immutable = *h->curimm == '1' }, other = { .assigned = true };
	bool large = is(h->cur, "head") || is(h->cur, "sub");

	if (!is(h->cur, "unassigned"))
		e = (struct rmp_entry){
			.assigned = true, .is_2m = large, .immutable = *h->curimm == '1',
			.validated = true, .vmsa = true, .asid = OTHER_ASID,
			.gpa = GPA_AT + M2, .perm = { 0x03, 0x01, 0x0d, 0x11 },
		};
	if (is(h->cur, "identical")) {
		e.asid = ASID;
		e.gpa = GPA_AT;
	}
	for (unsigned i = 0; large && i < RMP_PAGES; i++)
		all[i].lo = RMP_ASSIGNED;
	all[at] = rmp_words_of(&e);
	other.immutable = is(h->others, "4k-imm");
	if (!is(h->others, "none"))
		all[7] = rmp_words_of(&other);
	if (!large)
		all[0].lo |= FIELD_PUT(RMP_SUBPAGES, (page && e.assigned) + !is(h->others, "none"));
	if (is(h->busy, "vmrun"))
		all[page].lo |= RMP_IN_USE;
	a_page_restore(hw, all);
}

/* A value of the facts against ours; "~" after it: from memory. */
static bool fits(const char *cell, const char *name, uint64_t got, uint64_t was, uint64_t in)
{
	if (is(cell, "any") || cell[strlen(cell) - 1] == '~')
		return true;
	if (is(cell, "=") || is(cell, "copy"))
		return got == was;
	if (is(cell, "in"))
		return got == in;
	if (is(cell, "all"))
		return (got & 0xf) == 0xf;
	if (is(cell, "4k") || is(cell, "2m"))
		return got == is(cell, "2m");
	return is(name, "count") || got == strtoull(cell, NULL, 0);
}

static const char *entry_fits(const struct facts *f, char *const *row, struct rmp_words was_w,
			      struct rmp_words now_w, const struct rmp_operand *to)
{
	struct rmp_entry was = rmp_entry_of(was_w), now = rmp_entry_of(now_w);
	const struct { const char *name; uint64_t got, was, in; } fields[] = {
		{ "A", now.assigned, was.assigned, to->assigned },
		{ "S", now.is_2m, was.is_2m, to->page_size & 1 },
		{ "I", now.immutable, was.immutable, to->immutable },
		{ "ASID", now.asid, was.asid, to->asid }, { "GPA", now.gpa, was.gpa, to->gpa },
		{ "V", now.validated, was.validated, 0 }, { "VMSA", now.vmsa, was.vmsa, 0 },
		{ "vmpl0", now.perm[0], was.perm[0], 0 }, { "vmpln", now.perm[1], was.perm[1], 0 },
		{ "vmpln", now.perm[2], was.perm[2], 0 }, { "vmpln", now.perm[3], was.perm[3], 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!fits(fact_cell(f, row, fields[i].name), fields[i].name, fields[i].got,
			  fields[i].was, fields[i].in))
			return fields[i].name;
	return NULL;
}

static const char *region_fits(const char *cell, const struct rmp_words *was,
			       const struct rmp_words *now, unsigned page)
{
	const uint64_t count = FIELD_MASK(RMP_SUBPAGES);

	for (unsigned i = 0; i < RMP_PAGES; i++) {
		if (i == page)
			continue;
		if (is(cell, "subs") ? now[i].lo != RMP_ASSIGNED || now[i].hi :
		    is(cell, "freed") ? now[i].lo & RMP_ASSIGNED :
		    ((now[i].lo ^ was[i].lo) & ~count) || now[i].hi != was[i].hi)
			return "region";
	}
	return NULL;
}

static bool count_fits(const char *cell, const struct rmp_words *was, const struct rmp_words *now,
		       unsigned page)
{
	int64_t before = (int64_t)FIELD_GET(RMP_SUBPAGES, was[0].lo);
	int64_t after = (int64_t)FIELD_GET(RMP_SUBPAGES, now[0].lo);

	if (is(cell, "zero"))
		return !after;
	if (is(cell, "+1") || is(cell, "-1"))
		return after - before == (page ? *cell == '+' ? 1 : -1 : 0);
	return after == before;
}

static bool result_fits(const char *cell, enum rmp_status got)
{
	if (is(cell, "nonzero"))
		return got > RMP_SUCCESS;
	return is(cell, "#UD") ? got == RMP_UD : (unsigned)got == strtoul(cell, NULL, 0);
}

/* Somebody else works on the page while it is asked. */
static enum rmp_status update(struct hw *hw, const struct host_case *h, const struct rmp_operand *o)
{
	struct rmp_locked l;
	enum rmp_status s;

	if (!is(h->busy, "cpu"))
		return rmpupdate(hw, HPA(address_of(h)), o);
	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(address_of(h)), false, true, &l), RMP_LOCKED);
	s = rmpupdate(hw, HPA(address_of(h)), o);
	rmp_unlock(&l);
	return s;
}

static void update_case(struct hw *hw, struct facts *f, const struct host_case *h)
{
	static struct rmp_words was[RMP_PAGES], now[RMP_PAGES];
	const char *names[] = { "a", "size", "imm", "asid", "gpa", "rsvd", "spa", "cur", "curimm",
				"others", "busy" };
	const char *values[] = { h->a, h->size, h->imm, h->asid, h->gpa, h->rsvd, h->spa, h->cur,
				 h->curimm, h->others, h->busy };
	struct rmp_operand o = operand_of(h);
	struct fact_case c = { 0 };
	const char *wrong = NULL;
	enum rmp_status got;
	char *const *row;

	fact_is(&c, "where", "host");
	fact_is(&c, "cpl", "0");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		fact_is(&c, names[i], values[i]);
	row = facts_find(f, &c);
	if (!row)
		return;
	prepare(hw, h);
	a_page_save(hw, was);
	got = update(hw, h, &o);
	a_page_save(hw, now);
	if (!result_fits(fact_cell(f, row, "result"), got))
		wrong = "another result";
	else if (got != RMP_SUCCESS)
		wrong = memcmp(was, now, sizeof(was)) ? "a change" : NULL;
	else
		wrong = entry_fits(f, row, was[page_of(h)], now[page_of(h)], &o);
	if (!wrong && got == RMP_SUCCESS)
		wrong = region_fits(fact_cell(f, row, "region"), was, now, page_of(h));
	if (!wrong && got == RMP_SUCCESS &&
	    !count_fits(fact_cell(f, row, "count"), was, now, page_of(h)))
		wrong = "count";
	if (wrong)
		facts_wrong(f, &c, row, wrong);
}

void check_rmpupdate(struct facts *f)
{
	struct hw *hw = an_rmp();

	EACH(a, "0", "1") EACH(size, "4k", "2m") EACH(imm, "0", "1") EACH(asid, "0", "n")
	EACH(gpa, "even", "odd") EACH(rsvd, "0", "1") EACH(spa, "even", "odd", "uncovered")
	EACH(cur, "unassigned", "4k", "head", "sub", "identical") EACH(curimm, "0", "1")
	EACH(others, "none", "4k", "4k-imm") EACH(busy, "0", "cpu", "vmrun") {
		struct host_case h = { *a, *size, *imm, *asid, *gpa, *rsvd, *spa, *cur, *curimm,
				       *others, *busy };

		if (can_be(&h))
			update_case(hw, f, &h);
	}
	no_machine(hw);
}

static const char *smashed_fits(const struct rmp_words *was, const struct rmp_words *now)
{
	struct rmp_entry head = rmp_entry_of(was[0]);

	for (unsigned i = 0; i < RMP_PAGES; i++) {
		struct rmp_entry e = rmp_entry_of(now[i]);

		if (e.is_2m || e.gpa != head.gpa + i * PAGE_SIZE || e.subpages != (i ? 0 : 511))
			return "S, GPA or count";
		e.is_2m = true;
		e.gpa = head.gpa;
		e.subpages = head.subpages;
		if (rmp_words_of(&e).lo != was[0].lo || rmp_words_of(&e).hi != was[0].hi)
			return "a field that is not copied";
	}
	return NULL;
}

static void psmash_case(struct hw *hw, struct facts *f, const struct host_case *h)
{
	static struct rmp_words was[RMP_PAGES], now[RMP_PAGES];
	struct fact_case c = { 0 };
	const char *wrong = NULL;
	struct rmp_locked l;
	enum rmp_status got;
	char *const *row;

	fact_is(&c, "where", "host");
	fact_is(&c, "cpl", "0");
	fact_is(&c, "spa", h->spa);
	fact_is(&c, "cur", h->cur);
	fact_is(&c, "curimm", h->curimm);
	fact_is(&c, "busy", h->busy);
	row = facts_find(f, &c);
	if (!row)
		return;
	prepare(hw, h);
	a_page_save(hw, was);
	if (is(h->busy, "cpu"))
		assert_int_equal(rmp_lock(hw->frames.rmp, HPA(address_of(h)), true, true, &l),
				 RMP_LOCKED);
	got = psmash(hw, HPA(address_of(h)));
	if (is(h->busy, "cpu"))
		rmp_unlock(&l);
	a_page_save(hw, now);
	if (!result_fits(fact_cell(f, row, "result"), got))
		wrong = "another result";
	else if (got == RMP_SUCCESS)
		wrong = smashed_fits(was, now);
	else if (memcmp(was, now, sizeof(was)))
		wrong = "a change";
	if (wrong)
		facts_wrong(f, &c, row, wrong);
}

void check_psmash(struct facts *f)
{
	struct hw *hw = an_rmp();

	EACH(spa, "even", "odd", "uncovered") EACH(cur, "unassigned", "4k", "head", "sub")
	EACH(curimm, "0", "1") EACH(busy, "0", "cpu") {
		struct host_case h = { "0", "4k", "0", "0", "even", "0", *spa, *cur, *curimm, "none",
				       *busy };

		if (can_be(&h))
			psmash_case(hw, f, &h);
	}
	no_machine(hw);
}

static const char *read_fits(const struct facts *f, char *const *row, const struct host_case *h,
			     const struct rmp_operand *o, struct rmp_entry e)
{
	bool others = o->page_size & RMP_OPERAND_OTHERS;

	if (others != (*fact_cell(f, row, "region2m") == '1'))
		return "region2m";
	if (is(h->cur, "sub"))
		return NULL;		/* what it tells is not known */
	return o->assigned == e.assigned && (o->page_size & 1) == e.is_2m &&
	       o->immutable == e.immutable && o->asid == e.asid && o->gpa == e.gpa ? NULL : "a field";
}

void check_rmpread(struct facts *f)
{
	struct hw *hw = an_rmp();

	EACH(spa, "even", "odd", "uncovered") EACH(cur, "unassigned", "4k", "head", "sub")
	EACH(others, "none", "4k") {
		struct host_case h = { "0", "4k", "0", "0", "even", "0", *spa, *cur, "0", *others, "0" };
		struct fact_case c = { 0 };
		const char *wrong = NULL;
		struct rmp_operand o;
		enum rmp_status got;
		char *const *row;

		if (!can_be(&h))
			continue;
		fact_is(&c, "where", "host");
		fact_is(&c, "cpl", "0");
		fact_is(&c, "cpuid", "1");
		fact_is(&c, "spa", *spa);
		fact_is(&c, "cur", *cur);
		fact_is(&c, "others", *others);
		row = facts_find(f, &c);
		if (!row)
			continue;
		prepare(hw, &h);
		got = rmpread(hw, HPA(address_of(&h)), &o);
		if (!result_fits(fact_cell(f, row, "result"), got))
			wrong = "another result";
		else if (got == RMP_SUCCESS)
			wrong = read_fits(f, row, &h, &o, entry_at(hw, address_of(&h)));
		if (wrong)
			facts_wrong(f, &c, row, wrong);
	}
	no_machine(hw);
}
