/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "trace/counters.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <cmocka.h>

#include "base/log.h"
#include "os/clock.h"
#include "os/process.h"
#include "sync/wait.h"

#define NR_THREADS	8
#define NR_ADDS		50000

static struct counters *all;
static atomic32_t nr_ended;
static struct waitq ended;

static void add_many(void *unused)
{
	for (int i = 0; i < NR_ADDS; i++) {
		counter_add(all, COUNTER_IOCTLS, 1);
		counter_add(all, COUNTER_HW_FINDINGS, 2);
	}
	atomic32_add(&nr_ended, 1);
	waitq_wake_all(&ended);
}

static void nothing_is_lost_with_its_thread(void **unused)
{
	all = counters_create(NR_COUNTERS);
	assert_non_null(all);
	for (int i = 0; i < NR_THREADS; i++)
		assert_int_equal(sync_start_worker(add_many, NULL, "adder"), 0);
	waitq_wait(&ended, atomic32_load(&nr_ended) == NR_THREADS);
	assert_int_equal(counter_read(all, COUNTER_IOCTLS), NR_THREADS * NR_ADDS);
	assert_int_equal(counter_read(all, COUNTER_HW_FINDINGS), 2 * NR_THREADS * NR_ADDS);
	assert_int_equal(counter_read(all, COUNTER_VMS), 0);
	counters_destroy(all);
}

static atomic32_t nr_signals;

static void add_in_handler(int sig)
{
	counter_add(all, COUNTER_VCPUS, 1);
	atomic32_add(&nr_signals, 1);
}

/* A handler that interrupts an addition loses neither. */
static void handlers_may_add(void **unused)
{
	struct sigaction act = { .sa_handler = add_in_handler };
	struct itimerval often = { .it_value = { .tv_usec = 100 }, .it_interval = { .tv_usec = 100 } };
	struct itimerval never = { 0 };
	uint64_t nr = 0, end = os_monotonic_ns() + 50000000;

	all = counters_create(NR_COUNTERS);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (; os_monotonic_ns() < end || !atomic32_load(&nr_signals); nr++)
		counter_add(all, COUNTER_VCPUS, 1);
	setitimer(ITIMER_REAL, &never, NULL);
	os_yield();
	assert_int_equal(counter_read(all, COUNTER_VCPUS), nr + atomic32_load(&nr_signals));
	assert_int_not_equal(atomic32_load(&nr_signals), 0);
	counters_destroy(all);
}

static void each_has_a_name_of_its_own(void **unused)
{
	for (int i = 0; i < NR_COUNTERS; i++) {
		assert_true(strlen(counter_name((enum counter_id)i)) > 1);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(counter_name((enum counter_id)i),
						counter_name((enum counter_id)j));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_with_its_thread),
		cmocka_unit_test(handlers_may_add),
		cmocka_unit_test(each_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
