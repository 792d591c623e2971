/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The tree against an array that is searched from end to end. */
#include "base/range_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/macros.h"

#define NR	400
#define SPACE	1000

static uint32_t rnd_state = 1;

static uint32_t rnd(uint32_t below)
{
	rnd_state = rnd_state * 1664525 + 1013904223;
	return (rnd_state >> 8) % below;
}

static int by_start(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void check_query(struct range_tree *t, struct range_node *nodes, const bool *in,
			uint64_t start, uint64_t end)
{
	uint64_t want[NR], got[NR];
	size_t nr_want = 0, nr_got = 0;
	struct range_node *n;

	for (size_t i = 0; i < NR; i++)
		if (in[i] && nodes[i].start < end && nodes[i].end > start)
			want[nr_want++] = nodes[i].start;
	qsort(want, nr_want, sizeof(want[0]), by_start);
	range_tree_for_each(n, t, start, end)
		got[nr_got++] = n->start;
	assert_int_equal(nr_got, nr_want);
	for (size_t i = 0; i < nr_got; i++)
		assert_int_equal(got[i], want[i]);
}

static void finds_what_an_array_finds(void **unused)
{
	static struct range_node nodes[NR];
	static bool in[NR];
	struct range_tree t;

	(void)unused;
	range_tree_init(&t);
	for (int step = 0; step < 6000; step++) {
		uint32_t i = rnd(NR);
		uint64_t start = rnd(SPACE);

		if (in[i])
			range_tree_remove(&t, &nodes[i]);
		else
			range_tree_insert(&t, &nodes[i], start, start + 1 + rnd(20));
		in[i] = !in[i];
		start = rnd(SPACE);
		check_query(&t, nodes, in, start, start + 1 + rnd(step % 7 ? 10 : SPACE));
	}
}

static void an_empty_range_overlaps_nothing(void **unused)
{
	struct range_node n;
	struct range_tree t;

	(void)unused;
	range_tree_init(&t);
	range_tree_insert(&t, &n, 5, 10);
	assert_null(range_tree_first(&t, 7, 7));
	assert_null(range_tree_first(&t, 10, 20));
	assert_null(range_tree_first(&t, 0, 5));
	assert_ptr_equal(range_tree_first(&t, 9, ~0ull), &n);
	range_tree_remove(&t, &n);
	assert_null(range_tree_first(&t, 0, ~0ull));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_an_array_finds),
		cmocka_unit_test(an_empty_range_overlaps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
