/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_stats.c - counters of several processes in one file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/stats.h"

static struct stats read_file(const char *path)
{
	struct stats s = { .value = { 0 } };
	char text[8192];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_int_equal(text[0], '{');
	assert_int_equal(text[n - 2], '}');
	stats_scan(text, &s);
	return s;
}

static void printed_and_read(void **unused)
{
	struct stats s, again = { .value = { 0 } };
	char text[8192];
	size_t n;

	(void)unused;
	for (int i = 0; i < NR_COUNTERS; i++)
		s.value[i] = i == 3 ? ~0ull : (uint64_t)i * 1000;
	n = stats_print(&s, text, sizeof(text));
	assert_int_equal(n, strlen(text));
	assert_int_equal(stats_print(&s, text, 5), n);
	assert_int_equal(stats_print(&s, text, sizeof(text)), n);
	stats_scan(text, &again);
	assert_memory_equal(&s, &again, sizeof(s));
}

#define TEMPLATE	"/tmp/softcvm-stats-XXXXXX"

static void make_file(char *path)
{
	int fd = mkstemp(path);
	struct stats sum;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(stats_create(path), 0);
	sum = read_file(path);
	assert_int_equal(sum.value[COUNTER_IOCTLS], 0);
}

static bool has_live(const char *path)
{
	char live[64];

	snprintf(live, sizeof(live), "%s.live", path);
	return !access(live, F_OK);
}

static void expect(const char *path, uint64_t ioctls, uint64_t vms)
{
	struct stats sum = read_file(path);

	assert_int_equal(sum.value[COUNTER_IOCTLS], ioctls);
	assert_int_equal(sum.value[COUNTER_VMS], vms);
	assert_int_equal(sum.value[COUNTER_VCPUS], 0);
}

/* Waits for @nr children; all of them ended with @status. */
static void wait_for(int nr, int want)
{
	for (int i = 0; i < nr; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, want);
	}
}

static void processes_add_up(void **unused)
{
	enum { NR = 8, TIMES = 20 };
	char path[] = TEMPLATE;

	(void)unused;
	make_file(path);
	for (int i = 0; i < NR; i++) {
		if (!fork()) {
			struct stats_slot *slot = stats_slot_claim(path);
			int bad = !slot;

			for (int k = 0; k < TIMES && !bad; k++) {
				counter_add(stats_slot_counters(slot), COUNTER_IOCTLS, 3);
				counter_add(stats_slot_counters(slot), COUNTER_VMS, 1);
				bad |= stats_publish(path, slot);
			}
			_exit(bad);
		}
	}
	wait_for(NR, 0);
	expect(path, 3 * NR * TIMES, NR * TIMES);
	assert_int_equal(stats_collect(path), 0);
	expect(path, 3 * NR * TIMES, NR * TIMES);
	assert_false(has_live(path));
	unlink(path);
}

/* In the child: counts, publishes a part or not, and dies. */
static void count_and_die(const char *path, struct stats_slot *slot, int i)
{
	if (!slot)
		slot = stats_slot_claim(path);
	else if (stats_slot_renew(path, slot))
		_exit(1);
	counter_add(stats_slot_counters(slot), COUNTER_IOCTLS, 1000);
	if (i % 2 && stats_publish(path, slot))
		_exit(1);
	counter_add(stats_slot_counters(slot), COUNTER_VMS, 1);
	kill(getpid(), SIGKILL);
}

/* More than any table would have room for; children of one that counts, or not. */
static void killed_ones_count(void **unused)
{
	enum { NR = 600 };

	(void)unused;
	for (int parent = 0; parent < 2; parent++) {
		char path[] = TEMPLATE;
		struct stats_slot *slot = NULL;

		make_file(path);
		if (parent) {
			slot = stats_slot_claim(path);
			counter_add(stats_slot_counters(slot), COUNTER_IOCTLS, 7);
		}
		for (int i = 0; i < NR; i += 6) {
			for (int k = 0; k < 6; k++) {
				if (!fork())
					count_and_die(path, slot, i + k);
			}
			wait_for(6, SIGKILL);
		}
		assert_int_equal(stats_collect(path), 0);
		expect(path, NR * 1000 + (parent ? 7 : 0), NR);
		assert_false(has_live(path));
		unlink(path);
	}
}

/* Who comes when the live file is gone counts in memory of its own, and adds that. */
static void late_ones_add_their_own(void **unused)
{
	char path[] = TEMPLATE;
	struct stats_slot *early, *late;

	(void)unused;
	make_file(path);
	early = stats_slot_claim(path);
	counter_add(stats_slot_counters(early), COUNTER_IOCTLS, 1);
	assert_int_equal(stats_collect(path), 0);
	late = stats_slot_claim(path);
	assert_non_null(late);
	counter_add(stats_slot_counters(late), COUNTER_IOCTLS, 10);
	counter_add(stats_slot_counters(early), COUNTER_IOCTLS, 100);
	expect(path, 1, 0);
	assert_int_equal(stats_publish(path, late), 0);
	assert_int_equal(stats_publish(path, early), 0);
	assert_int_equal(stats_publish(path, early), 0);
	assert_int_equal(stats_collect(path), 0);
	expect(path, 111, 0);
	unlink(path);
	assert_true(stats_publish("/nonexistent/x", early) < 0);
}

/* A process that was killed while it made its slot: the next begins after it. */
static void half_a_slot_is_nothing(void **unused)
{
	char path[] = TEMPLATE, live[64];
	struct stats_slot *slot;
	struct stat st;

	(void)unused;
	make_file(path);
	snprintf(live, sizeof(live), "%s.live", path);
	assert_int_equal(stat(live, &st), 0);
	assert_int_equal(truncate(live, st.st_size + 8), 0);
	slot = stats_slot_claim(path);
	counter_add(stats_slot_counters(slot), COUNTER_IOCTLS, 5);
	assert_int_equal(stat(live, &st), 0);
	assert_int_equal(truncate(live, st.st_size + 8), 0);
	assert_int_equal(stats_collect(path), 0);
	expect(path, 5, 0);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printed_and_read),
		cmocka_unit_test(processes_add_up),
		cmocka_unit_test(killed_ones_count),
		cmocka_unit_test(late_ones_add_their_own),
		cmocka_unit_test(half_a_slot_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
