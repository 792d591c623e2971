/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Which host addresses are used: never "no" for one that is; exact at 2 MiB. */
#include "kvm/core/host_map.h"

#include "fixture.h"

#define UNIT	(2ull << 20)

static const struct question {
	const char *why;
	uint64_t    start, end;		/* counted */
	uint64_t    ask_start, ask_end;
	bool	    used;
} questions[] = {
	{ "the page itself",		0x200000, 0x201000, 0x200000, 0x201000, true },
	{ "its 2 MiB",			0x200000, 0x201000, 0x3ff000, 0x400000, true },
	{ "the 2 MiB before",		0x200000, 0x201000, 0x1ff000, 0x200000, false },
	{ "the 2 MiB behind",		0x200000, 0x201000, 0x400000, 0x401000, false },
	{ "nothing asked",		0x200000, 0x201000, 0x200000, 0x200000, false },
	{ "over it",			0x200000, 0x201000, 0, 1ull << 47, true },
	{ "a whole GiB",		1ull << 30, 2ull << 30, (1ull << 30) + 5 * UNIT,
	  (1ull << 30) + 5 * UNIT + 4096, true },
	{ "behind a whole GiB",		1ull << 30, 2ull << 30, 2ull << 30, 3ull << 30, false },
	{ "a GiB and a bit",		1ull << 30, (2ull << 30) + 4096, 2ull << 30,
	  (2ull << 30) + 4096, true },
	{ "far behind the bit",		1ull << 30, (2ull << 30) + 4096, (2ull << 30) + UNIT,
	  3ull << 30, false },
	{ "inside of 1 TiB",		1ull << 40, 2ull << 40, (3ull << 39) + 0x1000,
	  (3ull << 39) + 0x2000, true },
	{ "above all users",		1ull << 30, 2ull << 30, 1ull << 48, ~0ull - 4095, false },
};

static void questions_are_answered(void **unused)
{
	struct kvm_module m = { 0 };

	(void)unused;
	assert_int_equal(kvm_host_map_create(&m), 0);
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		const struct question *q = &questions[i];
		bool used;

		kvm_host_map_count(m.host_map, q->start, q->end);
		used = kvm_host_map_uses(m.host_map, q->ask_start, q->ask_end);
		if (used != q->used)
			print_error("%s\n", q->why);
		assert_int_equal(used, q->used);
		kvm_host_map_uncount(m.host_map, q->start, q->end);
		assert_false(kvm_host_map_uses(m.host_map, 0, 1ull << 47));
	}
	kvm_host_map_destroy(&m);
}

/* Against the list of all ranges, while they come and go. */
static void it_agrees_with_a_list(void **unused)
{
	struct { uint64_t start, end; } list[64] = { 0 };
	struct kvm_module m = { 0 };

	(void)unused;
	assert_int_equal(kvm_host_map_create(&m), 0);
	for (int step = 0; step < 20000; step++) {
		uint64_t start = (uint64_t)fixture_random(3000) * UNIT;
		uint32_t most = fixture_random(2) ? 3 : 1500;
		uint64_t end = start + (1 + (uint64_t)fixture_random(most)) * UNIT;
		unsigned i = fixture_random(ARRAY_SIZE(list));
		bool want = false;

		if (list[i].end)
			kvm_host_map_uncount(m.host_map, list[i].start, list[i].end);
		else
			kvm_host_map_count(m.host_map, start, end);
		list[i].start = start;
		list[i].end = list[i].end ? 0 : end;
		start = (uint64_t)fixture_random(4500) * UNIT;
		end = start + (1 + (uint64_t)fixture_random(600)) * UNIT;
		for (i = 0; i < ARRAY_SIZE(list); i++)
			want |= list[i].end && list[i].start < end && start < list[i].end;
		assert_int_equal(kvm_host_map_uses(m.host_map, start, end), want);
	}
	kvm_host_map_destroy(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_answered),
		cmocka_unit_test(it_agrees_with_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
