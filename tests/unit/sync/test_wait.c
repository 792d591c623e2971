/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "sync/wait.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "crowd.h"
#include "os/clock.h"

struct ball {
	struct waitq	q;
	atomic32_t	turn;
};

/* Each member waits for its turn: a lost wake would hang. */
static void pass_on(void *arg, unsigned who)
{
	struct ball *b = arg;

	for (uint32_t i = 0; i < 2000; i++) {
		waitq_wait(&b->q, atomic32_load(&b->turn) == i * 4 + who);
		atomic32_add(&b->turn, 1);
		waitq_wake_all(&b->q);
	}
}

static void no_wake_is_lost(void **unused)
{
	struct ball b = { 0 };

	waitq_init(&b.q);
	crowd_run(4, pass_on, &b);
	assert_int_equal(atomic32_load(&b.turn), 8000);
	assert_int_equal(atomic32_load(&b.q.nr_waiters), 0);
}

static void a_wake_after_prepare_is_remembered(void **unused)
{
	struct waitq q;
	uint32_t prepared;

	waitq_init(&q);
	prepared = waitq_prepare(&q);
	waitq_wake_all(&q);
	waitq_sleep(&q, prepared, 0);	/* returns */
}

static void sleep_ends_by_time(void **unused)
{
	struct waitq q;
	uint64_t took = ~0ull;

	waitq_init(&q);
	/* The shortest of some: anybody may be kept from running for a while. */
	for (int i = 0; i < 5; i++) {
		uint64_t t0 = os_monotonic_ns(), t;

		waitq_sleep(&q, waitq_prepare(&q), 5000000);
		t = os_monotonic_ns() - t0;
		assert_true(t >= 5000000);
		took = t < took ? t : took;
	}
	assert_in_range(took, 5000000, 2000000000);
}

static void nothing(int sig)
{
}

static void sleep_ends_by_signal(void **unused)
{
	struct sigaction act = { .sa_handler = nothing };
	struct itimerval soon = { .it_value = { .tv_usec = 5000 }, .it_interval = { .tv_usec = 5000 } };
	struct itimerval never = { 0 };
	struct waitq q;

	waitq_init(&q);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	waitq_sleep(&q, waitq_prepare(&q), 0);	/* returns */
	setitimer(ITIMER_REAL, &never, NULL);
}

static void own_data(void *arg, unsigned who)
{
	int mine;

	BUG_ON(sync_thread_get(THREAD_VCPU));
	sync_thread_set(THREAD_VCPU, &mine);
	BUG_ON(sync_thread_get(THREAD_FRONT_END));
	BUG_ON(sync_thread_get(THREAD_VCPU) != &mine);
}

static void each_thread_has_its_own_data(void **unused)
{
	crowd_run(4, own_data, NULL);
	assert_null(sync_thread_get(THREAD_VCPU));
}

static atomic32_t forks;

static void count_fork(void)
{
	atomic32_add(&forks, 1);
}

static void hooks_run_around_fork(void **unused)
{
	int status;
	pid_t pid;

	assert_int_equal(sync_at_fork(count_fork, count_fork, count_fork), 0);
	pid = fork();
	if (!pid)
		_exit((int)atomic32_load(&forks));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 2);
	assert_int_equal(atomic32_load(&forks), 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_wake_is_lost),
		cmocka_unit_test(a_wake_after_prepare_is_remembered),
		cmocka_unit_test(sleep_ends_by_time),
		cmocka_unit_test(sleep_ends_by_signal),
		cmocka_unit_test(each_thread_has_its_own_data),
		cmocka_unit_test(hooks_run_around_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
