/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_parallel.c - many hosts at once on the same 2 MiB: what fails passes, no
 * change is lost, and who looks sees whole entries (RMP-G1, RMP-G2).
 */
#include "hw/snp/an_rmp.h"
#include "sync/crowd.h"

#define THREADS	4u
#define ROUNDS	300u

static void again_until_done(struct hw *hw, uint64_t a, const struct rmp_operand *o)
{
	enum rmp_status s;

	do
		s = rmpupdate(hw, HPA(a), o);
	while (s == RMP_FAIL_INUSE || s == RMP_FAIL_OVERLAP);
	BUG_ON(s != RMP_SUCCESS);
}

/* Each has pages of his own, in one region and its count. */
static void take_and_release(void *arg, unsigned who)
{
	const struct rmp_operand none = { 0 };
	struct hw *hw = arg;

	for (unsigned i = 0; i < ROUNDS; i++)
		for (unsigned p = who; p < 64; p += THREADS) {
			uint64_t a = AT + p * PAGE_SIZE;
			struct rmp_operand o = to_guest(GPA_AT + a - AT, who + 1, false, false);

			again_until_done(hw, a, &o);
			BUG_ON(rmp_host_store(hw, HPA(a), PG_LEVEL_4K, false) != 0x80000003);
			if (i != ROUNDS - 1)
				again_until_done(hw, a, &none);
		}
}

static void nothing_is_lost(void **unused)
{
	struct hw *hw = an_rmp();

	(void)unused;
	crowd_run(THREADS, take_and_release, hw);
	assert_sound(hw, AT);
	assert_int_equal(entry_at(hw, AT).subpages, 63);
	for (unsigned p = 0; p < 64; p++)
		assert_int_equal(entry_at(hw, AT + p * PAGE_SIZE).asid, p % THREADS + 1);
	for (uint16_t w = 0; w < THREADS; w++)
		assert_int_equal(peek_rmp_asid_pages(hw, w + 1), 64 / THREADS);
	no_machine(hw);
}

/* One changes the 2 MiB as a whole between two owners; the rest see one or the other. */
static void change_or_look(void *arg, unsigned who)
{
	struct hw *hw = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct rmp_operand o = to_guest(GPA_AT + i % 2 * M2, 1 + i % 2, true, false);
		struct rmp_look l;

		if (!who) {
			again_until_done(hw, AT, &o);
			continue;
		}
		for (unsigned p = 0; p < 512; p += 73) {
			rmp_look(hw->frames.rmp, HPA(AT + p * PAGE_SIZE), 0, &l);
			if (l.page.busy || !l.page.assigned)
				continue;
			BUG_ON(!l.page.entry.is_2m);
			BUG_ON(l.page.gpa != GPA_AT + (l.page.entry.asid - 1) * M2 + p * PAGE_SIZE);
		}
	}
}

static void entries_are_seen_whole(void **unused)
{
	struct hw *hw = an_rmp();

	(void)unused;
	crowd_run(THREADS, change_or_look, hw);
	assert_sound(hw, AT);
	no_machine(hw);
}

/* PSMASH by all: one has done it, the others find it done. */
static void smash(void *arg, unsigned who)
{
	struct hw *hw = arg;

	(void)who;
	for (unsigned r = 0; r < 100; r++) {
		struct rmp_done d;
		enum rmp_status s;

		do
			s = psmash(hw, HPA(AT + r * M2));
		while (s == RMP_FAIL_INUSE);
		BUG_ON(s != RMP_SUCCESS && s != RMP_FAIL_BADADDR);
		d = pvalidate(hw, AT + r * M2 + (who + 1) * PAGE_SIZE,
			      GPA_AT + r * M2 + (who + 1) * PAGE_SIZE, false, true);
		BUG_ON(d.eax || (d.fault.verdict && d.fault.reason != RMP_IS_BUSY));
		while (d.fault.verdict)
			d = pvalidate(hw, AT + r * M2 + (who + 1) * PAGE_SIZE,
				      GPA_AT + r * M2 + (who + 1) * PAGE_SIZE, false, true);
	}
}

static void one_smashes(void **unused)
{
	struct hw *hw = an_rmp();

	(void)unused;
	for (unsigned r = 0; r < 100; r++)
		assert_int_equal(assign(hw, AT + r * M2, GPA_AT + r * M2, ASID, true), RMP_SUCCESS);
	crowd_run(THREADS, smash, hw);
	for (unsigned r = 0; r < 100; r++) {
		assert_sound(hw, AT + r * M2);
		for (unsigned w = 0; w < THREADS + 2; w++)
			assert_int_equal(entry_at(hw, AT + r * M2 + w * PAGE_SIZE).validated,
					 w && w <= THREADS);
	}
	no_machine(hw);
}

#define REGIONS	50u
#define FIRSTS	2u

struct newcomers {
	struct hw	*hw;
	atomic32_t	 arrived;
};

/* All at once are the first in a gigabyte. */
static void be_first(void *arg, unsigned who)
{
	struct newcomers *n = arg;

	for (unsigned r = 1; r <= REGIONS; r++) {
		uint64_t a = ((uint64_t)r << RMP_REGION_SHIFT) + who * M2;
		struct rmp_operand o = to_guest(GPA_AT, ASID, false, false);

		atomic32_add(&n->arrived, 1);
		while (atomic32_load(&n->arrived) < r * FIRSTS)
			sync_relax();
		BUG_ON(rmpupdate(n->hw, HPA(a), &o) != RMP_SUCCESS);
	}
}

static void a_region_is_made_once(void **unused)
{
	struct newcomers n = { .hw = an_rmp() };

	(void)unused;
	crowd_run(FIRSTS, be_first, &n);
	for (uint64_t r = 1; r <= REGIONS; r++)
		for (unsigned w = 0; w < FIRSTS; w++)
			assert_int_equal(entry_at(n.hw, (r << RMP_REGION_SHIFT) + w * M2).asid, ASID);
	no_machine(n.hw);
}

/* Anything by anybody on the same few pages: who comes second is told so. */
static void mix(void *arg, unsigned who)
{
	uint64_t seed = who * 0x9e3779b97f4a7c15ull + 1;
	struct hw *hw = arg;

	for (unsigned i = 0; i < 10 * ROUNDS; i++) {
		unsigned page, what;
		uint64_t a, gpa;
		struct rmp_operand o;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		page = seed >> 20 & 1 ? seed >> 21 & 1 ? 512 : 0 : seed >> 22 & 3;
		what = seed >> 30 & 7;
		a = AT + page * PAGE_SIZE;
		gpa = GPA_AT + page * PAGE_SIZE;
		o = to_guest(what & 1 ? gpa : 0, what & 1 ? 1 + (seed >> 40 & 1) : 0, what & 2, false);
		o.assigned = what & 1;
		if (what < 4)
			(void)!rmpupdate(hw, HPA(a), &o);
		else if (what < 5)
			(void)!psmash(hw, HPA(a));
		else
			for (uint16_t asid = 1; asid < 3; asid++) {
				struct rmp_target t = target(a, gpa, what & 1);

				t.asid = asid;
				(void)snp_pvalidate(hw, &t, what & 1, what & 2 ? 1 : 0).eax;
			}
	}
}

static void none_owned_twice_none_lost(void **unused)
{
	struct hw *hw = an_rmp();
	uint64_t of[3] = { 0 };

	(void)unused;
	for (unsigned round = 0; round < 5; round++) {
		crowd_run(THREADS, mix, hw);
		assert_sound(hw, AT);
		assert_sound(hw, AT + M2);
	}
	for (unsigned i = 0; i < 1024; i++) {
		struct rmp_look l;

		rmp_look(hw->frames.rmp, HPA(AT + i * PAGE_SIZE), 0, &l);
		assert_true(l.page.assigned == !!l.page.entry.asid && l.page.entry.asid < 3);
		of[l.page.entry.asid]++;
	}
	for (uint16_t asid = 1; asid < 3; asid++)
		assert_int_equal(peek_rmp_asid_pages(hw, asid), of[asid]);
	no_machine(hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(entries_are_seen_whole),
		cmocka_unit_test(one_smashes),
		cmocka_unit_test(a_region_is_made_once),
		cmocka_unit_test(none_owned_twice_none_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
