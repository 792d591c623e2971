/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_stats.c - counters of several processes in one file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void processes_add_up(void **unused)
{
	enum { NR = 8, TIMES = 20 };
	char path[] = "/tmp/softcvm-stats-XXXXXX";
	struct stats one = { .value = { [COUNTER_IOCTLS] = 3, [COUNTER_VMS] = 1 } }, sum;
	int fd = mkstemp(path);

	(void)unused;
	assert_true(fd >= 0);
	assert_int_equal(stats_create(path), 0);
	sum = read_file(path);
	assert_int_equal(sum.value[COUNTER_IOCTLS], 0);
	for (int i = 0; i < NR; i++) {
		if (!fork()) {
			int bad = 0;

			for (int k = 0; k < TIMES; k++)
				bad |= stats_add(path, &one);
			_exit(bad ? 1 : 0);
		}
	}
	for (int i = 0; i < NR; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	sum = read_file(path);
	assert_int_equal(sum.value[COUNTER_IOCTLS], 3 * NR * TIMES);
	assert_int_equal(sum.value[COUNTER_VMS], NR * TIMES);
	assert_int_equal(sum.value[COUNTER_VCPUS], 0);
	unlink(path);
	close(fd);
	assert_true(stats_add("/nonexistent/x", &one) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printed_and_read),
		cmocka_unit_test(processes_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
