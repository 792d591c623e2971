/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_random.c - random instructions on two regions of 2 MiB, against a small
 * model of ownership: each 4K page has exactly one owner, and the answer to each
 * instruction follows from who that is.
 *
 * usage: test_random [SEED]
 */
#include "hw/snp/an_rmp.h"

#include <stdio.h>
#include <stdlib.h>

#define REGIONS	2u
#define PAGES	(REGIONS * 512u)
#define STEPS	60000u

/* Of one 4K page. */
struct owned {
	uint32_t	asid;		/* 0: the hypervisor's, but with @firmware */
	uint64_t	gpa;
	bool		firmware, immutable, validated;
};

struct model {
	struct owned	page[PAGES];
	bool		large[REGIONS];	/* the region is one page of 2 MiB */
};

static uint64_t seed;

static unsigned draw(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static bool is_owned(const struct owned *p)
{
	return p->asid || p->firmware;
}

static enum rmp_status model_update(struct model *m, unsigned page, bool large, struct owned to)
{
	unsigned first = large ? page : page % PAGES, n = large ? 512 : 1, region = page / 512;

	if (large && page % 512)
		return RMP_FAIL_INPUT;
	if (large && to.gpa % M2)
		return RMP_FAIL_INPUT;
	for (unsigned i = first; i < first + n; i++)
		if (m->page[i].immutable)
			return RMP_FAIL_PERMISSION;
	if (!large && m->large[region])
		return RMP_FAIL_OVERLAP;
	for (unsigned i = 1; large && !m->large[region] && i < 512; i++)
		if (is_owned(&m->page[first + i]))
			return RMP_FAIL_OVERLAP;
	for (unsigned i = 0; i < n; i++) {
		m->page[first + i] = to;
		m->page[first + i].gpa = is_owned(&to) ? to.gpa + i * PAGE_SIZE : 0;
	}
	m->large[region] = large && is_owned(&to);
	return RMP_SUCCESS;
}

static enum rmp_status model_psmash(struct model *m, unsigned page)
{
	if (page % 512)
		return RMP_FAIL_INPUT;
	if (!m->large[page / 512])
		return RMP_FAIL_BADADDR;
	if (m->page[page].immutable)
		return RMP_FAIL_PERMISSION;
	m->large[page / 512] = false;
	return RMP_SUCCESS;
}

/* Same mapping size as asked for; -1: an exit. */
static int model_pvalidate(struct model *m, unsigned page, uint64_t gpa, uint32_t asid, bool large,
			   bool validate, bool *same)
{
	struct owned *p = &m->page[page];
	unsigned n = large ? 512 : 1;

	if (p->asid != asid || p->gpa != gpa || p->immutable)
		return -1;
	if (!large && m->large[page / 512])
		return -1;
	if (large && (!m->large[page / 512] || gpa % M2))
		return RMP_FAIL_SIZEMISMATCH;
	*same = p->validated == validate;
	for (unsigned i = 0; i < n; i++)
		p[i].validated = validate;
	return RMP_SUCCESS;
}

static void step_update(struct hw *hw, struct model *m)
{
	unsigned page = draw(2) ? draw(REGIONS) * 512 : draw(PAGES);
	bool large = draw(3) == 0, give = draw(2);
	struct owned to = { 0 };
	struct rmp_operand o = { .page_size = large };

	if (give) {
		to.asid = draw(4);
		to.firmware = !to.asid;
		to.immutable = draw(400) == 0;
		to.gpa = draw(2) ? draw(4) * M2 : draw(1024) * PAGE_SIZE;
		o = to_guest(to.gpa, to.asid, large, to.immutable);
	}
	assert_int_equal(rmpupdate(hw, HPA(AT + page * PAGE_SIZE), &o),
			 model_update(m, page, large, to));
}

static void step_pvalidate(struct hw *hw, struct model *m)
{
	unsigned page = draw(2) ? draw(REGIONS) * 512 : draw(PAGES);
	const struct owned *p = &m->page[page];
	uint64_t gpa = draw(8) ? p->gpa : draw(1024) * PAGE_SIZE;
	uint32_t asid = draw(8) && p->asid ? p->asid : 1 + draw(3);
	bool large = draw(2), validate = draw(2), same = false;
	struct rmp_target t = { HPA(AT + page * PAGE_SIZE), gpa,
				large ? PG_LEVEL_2M : PG_LEVEL_4K, (uint16_t)asid, 0 };
	struct rmp_done d = snp_pvalidate(hw, &t, large, validate);
	int want = model_pvalidate(m, page, gpa, asid, large, validate, &same);

	assert_int_equal(d.fault.verdict == RMP_NPF, want < 0);
	if (want >= 0)
		assert_int_equal(d.eax, want);
	if (want == RMP_SUCCESS)
		assert_int_equal(d.no_change, same);
}

/* The secure processor gives immutable pages back, so that the walk goes on. */
static void step_back(struct hw *hw, struct model *m)
{
	for (unsigned r = 0; r < REGIONS; r++) {
		struct rmp_locked l;

		assert_int_equal(rmp_lock(hw->frames.rmp, HPA(AT + r * M2), true, true, &l),
				 RMP_LOCKED);
		for (unsigned i = 0; i < 512; i++) {
			struct rmp_words w = rmp_load(&l, i);

			w.lo &= ~RMP_IMMUTABLE;
			rmp_store(&l, i, w);
			m->page[r * 512 + i].immutable = false;
		}
		rmp_unlock(&l);
	}
}

static void compare(struct hw *hw, const struct model *m)
{
	uint64_t of[4] = { 0 };

	for (unsigned i = 0; i < PAGES; i++) {
		const struct owned *p = &m->page[i];
		struct rmp_look l;

		rmp_look(hw->frames.rmp, HPA(AT + i * PAGE_SIZE), 0, &l);
		assert_int_equal(l.page.assigned, is_owned(p));
		assert_int_equal(l.page.entry.asid, p->asid);
		assert_int_equal(l.page.gpa, p->gpa);
		assert_int_equal(l.page.entry.validated, p->validated);
		assert_int_equal(l.page.entry.immutable, p->immutable);
		assert_int_equal(l.page.entry.is_2m, m->large[i / 512]);
		of[p->asid]++;
	}
	for (uint16_t asid = 1; asid < 4; asid++)
		assert_int_equal(peek_rmp_asid_pages(hw, asid), of[asid]);
	for (unsigned r = 0; r < REGIONS; r++)
		assert_sound(hw, AT + r * M2);
}

static void pages_have_one_owner(void **unused)
{
	static struct model m;
	struct hw *hw = an_rmp();
	unsigned page;

	(void)unused;
	printf("seed %llu\n", (unsigned long long)seed);
	for (unsigned i = 0; i < STEPS; i++) {
		switch (draw(8)) {
		case 0: case 1: case 2: case 3:
			step_update(hw, &m);
			break;
		case 4:
			page = draw(4) ? draw(REGIONS) * 512 : draw(PAGES);
			assert_int_equal(psmash(hw, HPA(AT + page * PAGE_SIZE)),
					 model_psmash(&m, page));
			break;
		default:
			step_pvalidate(hw, &m);
		}
		if (i % 1000 == 999)
			step_back(hw, &m);
		if (i % 200 == 0)
			compare(hw, &m);
	}
	compare(hw, &m);
	no_machine(hw);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pages_have_one_owner) };

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20;
	seed += !seed;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
