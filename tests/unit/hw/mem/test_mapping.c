/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the frame table keeps of the host's mappings, and when it forgets. */
#include "hw/mem/frames.h"

#include "hw/mem/a_machine.h"
#include "os/pages.h"

#include <string.h>

/* Never touched: addresses are all that the frame table looks at. */
#define HOST(gb, page)	((const void *)(uintptr_t)(((uint64_t)(gb) << 30) + (page) * PAGE_SIZE))
#define ALL		(~0ull)

static const uint64_t all[8] = { ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL }, none[8];

/* As a fault does: the page, then the question, then what was answered. */
static bool tell(struct frames *f, const void *host, uint8_t level, const uint64_t *writable)
{
	uint64_t ticket = atomic64_load(&f->mapping_changes);
	struct os_pages p = { .level = level };

	memcpy(p.writable, writable, sizeof(p.writable));
	assert_true(hpa_is_valid(frames_publish(f, host)));
	return frames_learn(f, host, ticket, &p);
}

static uint8_t level_at(struct frames *f, const void *host)
{
	return frames_peek_mapping(f, host).level;
}

/* FRAMES-G4 */
static void all_frames_of_a_large_mapping_exist(void **unused)
{
	static const uint8_t levels[] = { PG_LEVEL_4K, PG_LEVEL_2M, PG_LEVEL_1G };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		uint64_t n = PG_LEVEL_PAGES(levels[i]);
		struct frames f;
		hpa_t a;

		assert_true(frames_init(&f, 40));
		a = frames_publish(&f, HOST(5, 0x3000));
		assert_true(tell(&f, HOST(5, 0x3123), levels[i], all));
		assert_int_equal(frames_count(&f, HPA(ALIGN_DOWN(a.v, REGION_SIZE)), REGION_SIZE),
				 n == 1 ? 2 : n == 512 ? n : REGION_SIZE / PAGE_SIZE);
		assert_int_equal(level_at(&f, HOST(5, 0x3123)), levels[i]);
		assert_int_equal(level_at(&f, HOST(5, 0x3000)), levels[i]);
		assert_int_equal(level_at(&f, HOST(5, 0)), n > 512 ? levels[i] : PG_LEVEL_NONE);
		assert_int_equal(level_at(&f, HOST(6, 0x3123)), PG_LEVEL_NONE);
		frames_fini(&f);
	}
}

static void a_change_forgets_what_it_touches(void **unused)
{
	static const struct {
		const char *why;
		uint8_t level;			/* of the mappings told of */
		uint64_t first, n;		/* pages that change */
		uint8_t left[3];		/* levels at pages 0x200, 0x400, 0x600 */
	} rows[] = {
		{ "a page in the middle",  PG_LEVEL_2M, 0x405, 1, { 2, 0, 2 } },
		{ "over a border",	   PG_LEVEL_2M, 0x3ff, 2, { 0, 0, 2 } },
		{ "the one before",	   PG_LEVEL_2M, 0x0, 0x200, { 2, 2, 2 } },
		{ "everything",		   PG_LEVEL_2M, 0, 1ull << 34, { 0, 0, 0 } },
		{ "elsewhere",		   PG_LEVEL_2M, 1ull << 18, 512, { 2, 2, 2 } },
		{ "a page of a gigabyte",  PG_LEVEL_1G, 0x3fff, 1, { 0, 0, 0 } },
		{ "small ones",		   PG_LEVEL_4K, 0x405, 1, { 1, 0, 1 } },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frames f;

		assert_true(frames_init(&f, 40));
		for (unsigned n = 0; n < 3; n++)
			assert_true(tell(&f, HOST(9, 0x200 * (n + 1)), rows[i].level, all));
		frames_forget_mapping(&f, HOST(9, rows[i].first), rows[i].n * PAGE_SIZE);
		for (unsigned n = 0; n < 3; n++)
			if (level_at(&f, HOST(9, 0x200 * (n + 1))) != rows[i].left[n])
				fail_msg("%s: level %u at %#x", rows[i].why,
					 level_at(&f, HOST(9, 0x200 * (n + 1))), 0x200 * (n + 1));
		frames_fini(&f);
	}
}

/* FRAMES-G3, with and without a region left. */
static void an_old_answer_is_refused(void **unused)
{
	(void)unused;
	for (int retired = 0; retired < 2; retired++) {
		struct frames f;
		struct os_pages p = { .level = PG_LEVEL_2M };
		uint64_t ticket;

		memset(p.writable, 0xff, sizeof(p.writable));
		assert_true(frames_init(&f, 40));
		ticket = atomic64_load(&f.mapping_changes);
		assert_true(hpa_is_valid(frames_publish(&f, HOST(3, 7))));
		frames_forget_mapping(&f, HOST(3, 7), PAGE_SIZE);
		if (retired)
			assert_true(frames_retire(&f, HOST(3, 7), PAGE_SIZE));
		assert_false(frames_learn(&f, HOST(3, 7), ticket, &p));
		frames_wrote(&f, HOST(3, 7), ticket);
		assert_true(tell(&f, HOST(3, 7), PG_LEVEL_4K, none));
		assert_false(frames_peek_mapping(&f, HOST(3, 7)).writable);
		frames_fini(&f);
	}
}

static void writes_tell_of_single_pages(void **unused)
{
	static const uint64_t some[8] = { 1ull << 9 };
	struct frames f;
	uint64_t ticket;

	(void)unused;
	assert_true(frames_init(&f, 40));
	assert_true(tell(&f, HOST(3, 0), PG_LEVEL_4K, some));
	ticket = atomic64_load(&f.mapping_changes);
	frames_wrote(&f, HOST(3, 70), ticket);
	for (unsigned n = 0; n < 512; n++)
		assert_int_equal(frames_peek_mapping(&f, HOST(3, n)).writable, n == 9 || n == 70);
	frames_forget_mapping(&f, HOST(3, 70), PAGE_SIZE);
	assert_false(frames_peek_mapping(&f, HOST(3, 9)).writable);
	assert_true(tell(&f, HOST(3, 0), PG_LEVEL_4K, none));
	/* Nothing has happened to that one. */
	assert_true(frames_peek_mapping(&f, HOST(3, 9)).writable);
	assert_false(frames_peek_mapping(&f, HOST(3, 70)).writable);

	/* The first write to a page of zeros, or of what nobody could write, changes all. */
	assert_true(tell(&f, HOST(4, 0), PG_LEVEL_2M, none));
	frames_wrote(&f, HOST(4, 3), atomic64_load(&f.mapping_changes));
	assert_int_equal(level_at(&f, HOST(4, 0)), PG_LEVEL_NONE);
	frames_fini(&f);
}

/* 512 pages that turn up one by one cost ten questions. */
static void questions_are_few(void **unused)
{
	unsigned asked = 0;
	struct frames f;

	(void)unused;
	assert_true(frames_init(&f, 40));
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned n = 0; n < 512; n++) {
			assert_true(hpa_is_valid(frames_publish(&f, HOST(3, n))));
			if (frames_mapping(&f, HOST(3, n)).level)
				continue;
			asked++;
			assert_true(tell(&f, HOST(3, n), PG_LEVEL_4K, none));
		}
	}
	assert_int_equal(asked, 11);
	frames_fini(&f);
}

static bool is_split(struct frames *f, const void *host)
{
	return frames_peek_mapping(f, host).is_split;
}

/* Of one 2 MiB only, whatever the host says afterwards, until its memory is another. */
static void what_was_split_stays_so(void **unused)
{
	struct frames f;

	(void)unused;
	assert_true(frames_init(&f, 40));
	assert_false(frames_split(&f, HOST(3, 0)));		/* nobody knows it */
	assert_true(tell(&f, HOST(3, 0), PG_LEVEL_2M, all));
	assert_true(tell(&f, HOST(3, 512), PG_LEVEL_2M, all));
	assert_true(frames_split(&f, HOST(3, 7)));
	assert_false(frames_split(&f, HOST(3, 8)));		/* once */
	assert_int_equal(level_at(&f, HOST(3, 0)), PG_LEVEL_4K);
	assert_true(is_split(&f, HOST(3, 511)) && frames_peek_mapping(&f, HOST(3, 9)).writable);
	assert_int_equal(level_at(&f, HOST(3, 512)), PG_LEVEL_2M);
	assert_false(is_split(&f, HOST(3, 512)));

	assert_true(tell(&f, HOST(3, 3), PG_LEVEL_2M, all));	/* asked again, or late */
	assert_int_equal(level_at(&f, HOST(3, 0)), PG_LEVEL_4K);
	frames_forget_mapping(&f, HOST(3, 0), 512 * PAGE_SIZE);	/* mprotect */
	assert_int_equal(level_at(&f, HOST(3, 0)), PG_LEVEL_NONE);
	assert_true(tell(&f, HOST(3, 3), PG_LEVEL_2M, all));
	assert_int_equal(level_at(&f, HOST(3, 0)), PG_LEVEL_4K);
	assert_false(frames_split(&f, HOST(3, 8)));

	assert_true(frames_retire(&f, HOST(3, 1), PAGE_SIZE));	/* a part of it */
	frames_forget_mapping(&f, HOST(3, 1), PAGE_SIZE);
	assert_true(is_split(&f, HOST(3, 0)));
	assert_true(frames_retire(&f, HOST(3, 0), 512 * PAGE_SIZE));
	frames_forget_mapping(&f, HOST(3, 0), 512 * PAGE_SIZE);
	assert_false(is_split(&f, HOST(3, 0)));
	assert_true(tell(&f, HOST(3, 3), PG_LEVEL_2M, all));
	assert_int_equal(level_at(&f, HOST(3, 0)), PG_LEVEL_2M);
	frames_fini(&f);
}

static void what_the_host_cannot_split_is_not_split(void **unused)
{
	static const uint8_t levels[] = { PG_LEVEL_4K, PG_LEVEL_2M, PG_LEVEL_1G };
	struct frames f;

	(void)unused;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(levels); i++) {
		struct os_pages p = { .level = levels[i / 2], .is_fixed = i % 2 };

		memset(p.writable, 0xff, sizeof(p.writable));
		assert_true(frames_init(&f, 40));
		assert_true(frames_state_mapping(&f, HOST(3, 0), REGION_SIZE, &p));
		assert_int_equal(level_at(&f, HOST(3, 0x3ffff)), levels[i / 2]);
		assert_int_equal(frames_peek_mapping(&f, HOST(3, 77)).is_fixed, i % 2);
		assert_int_equal(frames_split(&f, HOST(3, 77)), levels[i / 2] == PG_LEVEL_2M && !(i % 2));
		/* hugetlb where a split mapping was is a mapping of its own */
		p.is_fixed = true;
		assert_true(frames_learn(&f, HOST(3, 77), atomic64_load(&f.mapping_changes), &p));
		assert_int_equal(level_at(&f, HOST(3, 0)), levels[i / 2]);
		assert_false(is_split(&f, HOST(3, 77)));
		frames_fini(&f);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_frames_of_a_large_mapping_exist),
		cmocka_unit_test(a_change_forgets_what_it_touches),
		cmocka_unit_test(an_old_answer_is_refused),
		cmocka_unit_test(writes_tell_of_single_pages),
		cmocka_unit_test(questions_are_few),
		cmocka_unit_test(what_was_split_stays_so),
		cmocka_unit_test(what_the_host_cannot_split_is_not_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
