/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_random.c - random instructions on a few regions of 2 MiB, against a small model of
 * ownership (owners.h).  fuzz/rmp does the same from bytes.
 *
 * usage: test_random [SEED]
 */
#include "hw/snp/owners.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS	60000u

static uint64_t seed;

static unsigned draw(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static unsigned a_page(void)
{
	return draw(2) ? draw(OWNERS_REGIONS) * 512 : draw(OWNERS_PAGES);
}

static const char *step_update(struct owners *m)
{
	struct rmp_operand o = { .page_size = draw(3) == 0 };

	if (draw(2)) {
		o = to_guest(draw(2) ? draw(4) * M2 : draw(1024) * PAGE_SIZE, draw(4), o.page_size,
			     draw(400) == 0);
		if (!o.asid)
			o.gpa = 0;
	}
	return owners_try_rmpupdate(m, a_page(), &o);
}

static const char *step_guest(struct owners *m)
{
	unsigned page = a_page();
	const struct owner *p = &m->page[page];
	struct owners_target t = {
		.page = page, .gpa = draw(8) ? p->gpa : draw(1024) * PAGE_SIZE,
		.asid = (uint16_t)(draw(8) && p->asid ? p->asid : 1 + draw(3)),
		.nested_2m = draw(8) ? m->large[page / 512] : draw(2),
	};
	bool large = draw(8) ? t.nested_2m : draw(2);

	switch (draw(4)) {
	case 0: case 1:
		return owners_try_pvalidate(m, &t, large, draw(2));
	case 2:
		t.vmpl = (uint8_t)draw(3);
		return owners_try_rmpadjust(m, &t, large, draw(4) | draw(32) << 8 | draw(2) << 16);
	default:
		return owners_try_rmpquery(m, &t, draw(5));
	}
}

static const char *step_firmware(struct owners *m)
{
	unsigned page = a_page();

	switch (draw(8)) {
	case 0:
		return owners_try_unsmash(m, page);
	case 1: case 2: case 3:
		return owners_try_launch(m, page, m->large[page / 512]);
	default:
		return owners_try_reclaim(m, page, draw(4) ? m->large[page / 512] : draw(2));
	}
}

/* The secure processor gives immutable pages back, so that the walk goes on. */
static void give_back(struct owners *m)
{
	for (unsigned i = 0; i < OWNERS_PAGES; i++)
		if (m->page[i].immutable && (!m->large[i / 512] || i % 512 == 0))
			assert_null(owners_try_reclaim(m, i, m->large[i / 512]));
}

static const char *step(struct owners *m)
{
	switch (draw(16)) {
	case 0: case 1: case 2: case 3: case 4: case 5: case 6:
		return step_update(m);
	case 7:
		return owners_try_psmash(m, a_page());
	case 8:
		return owners_try_rmpread(m, a_page());
	case 9:
		return step_firmware(m);
	default:
		return step_guest(m);
	}
}

static void pages_have_one_owner(void **unused)
{
	static struct owners m;
	const char *wrong;

	(void)unused;
	m.hw = an_rmp();
	printf("seed %llu\n", (unsigned long long)seed);
	for (unsigned i = 0; i < STEPS; i++) {
		wrong = step(&m);
		if (!wrong && i % 200 == 0)
			wrong = owners_compare(&m);
		if (wrong)
			fail_msg("step %u: %s", i, wrong);
		if (i % 1000 == 999)
			give_back(&m);
	}
	assert_null(owners_compare(&m));
	no_machine(m.hw);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pages_have_one_owner) };

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20;
	seed += !seed;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
