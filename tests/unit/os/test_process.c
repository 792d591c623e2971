/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/process.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/clock.h"

static void ids_are_the_kernels(void **unused)
{
	int status;
	pid_t pid;

	assert_int_equal(os_pid(), getpid());
	assert_int_equal(os_tid(), gettid());
	pid = fork();
	if (!pid) {
		pid_t inner = os_pid() == getpid() ? fork() : -1;

		if (!inner)
			_exit(os_pid() != getpid() || os_tid() != gettid());
		_exit(inner < 0 || waitpid(inner, &status, 0) != inner || status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(os_pid(), getpid());
}

static void processors_are_those_we_may_use(void **unused)
{
	cpu_set_t before, one;
	int first = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(os_nr_cpus(), CPU_COUNT(&before));
	while (!CPU_ISSET(first, &before))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(os_nr_cpus(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void only_blocked_signals_are_pending(void **unused)
{
	sigset_t block, before;
	siginfo_t info;

	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &before);
	assert_false(os_signal_pending(~0ull));
	raise(SIGUSR1);
	assert_true(os_signal_pending(1ull << (SIGUSR1 - 1)));
	assert_false(os_signal_pending(~(1ull << (SIGUSR1 - 1))));
	assert_int_equal(sigwaitinfo(&block, &info), SIGUSR1);
	assert_false(os_signal_pending(~0ull));
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void futex_waits_end_by_value_and_by_time(void **unused)
{
	uint32_t word = 7;
	uint64_t took = ~0ull;

	os_futex_wait(&word, 8, 0);		/* another value: at once */
	/* The shortest of some: anybody may be kept from running for a while. */
	for (int i = 0; i < 5; i++) {
		uint64_t t0 = os_monotonic_ns(), t;

		os_futex_wait(&word, 7, 3000000);
		t = os_monotonic_ns() - t0;
		assert_true(t >= 3000000);
		took = t < took ? t : took;
	}
	assert_in_range(took, 3000000, 2000000000);
	os_futex_wake(&word, 1);		/* nobody there */
}

static uint64_t delay_in_proc(void)
{
	unsigned long long delay = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "r");

	if (!f)
		skip();
	assert_int_equal(fscanf(f, "%*u %llu", &delay), 1);
	fclose(f);
	return delay;
}

/* What is kept is never older than the last time that the thread was switched out. */
static void the_run_delay_is_the_kernels(void **unused)
{
	uint64_t begin = os_monotonic_ns(), first = delay_in_proc();
	cpu_set_t set, before;
	pid_t rival;

	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);	/* the rival's too */
	rival = fork();
	if (!rival) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			;
	}
	do {
		uint64_t low = delay_in_proc(), delay;

		for (unsigned i = 0; i < 1000; i++)
			os_run_delay_ns();
		delay = os_run_delay_ns();
		assert_true(delay >= low);
		assert_true(delay <= delay_in_proc());
	} while (os_monotonic_ns() - begin < 1900000000 && delay_in_proc() - first < 50000000);
	kill(rival, SIGKILL);
	assert_int_equal(waitpid(rival, NULL, 0), rival);
	sched_setaffinity(0, sizeof(before), &before);
	assert_true(delay_in_proc() > first);
}

struct look { uint64_t ns, tsc; };

/* Both at one time: the closest of many, for anybody may be switched out in between. */
static struct look look_at_clocks(void)
{
	struct look best = { 0 };
	uint64_t closest = ~0ull;

	for (int i = 0; i < 100; i++) {
		struct look l = { os_monotonic_ns(), os_tsc() };
		uint64_t apart = os_monotonic_ns() - l.ns;

		if (apart < closest) {
			closest = apart;
			best = l;
		}
	}
	return best;
}

static void clocks_agree(void **unused)
{
	struct look from = look_at_clocks(), to;
	uint64_t khz = os_tsc_khz(), by_tsc, ns;

	assert_int_equal(khz, os_tsc_khz());
	assert_in_range(khz, 100000, 100000000);
	usleep(20000);
	to = look_at_clocks();
	ns = to.ns - from.ns;
	by_tsc = (to.tsc - from.tsc) * 1000000 / khz;
	assert_in_range(by_tsc, ns - ns / 50, ns + ns / 50);
	assert_in_range(os_realtime_ns(), 1500000000ull * 1000000000, ~0ull);
}

static void random_bytes_are_written_to_the_end(void **unused)
{
	static uint8_t a[5001], b[5001];
	unsigned same = 0;

	os_random(a, 5000);
	os_random(b, 5000);
	for (int i = 0; i < 5000; i++)
		same += a[i] == b[i];
	assert_in_range(same, 0, 100);
	assert_int_equal(a[5000] | b[5000], 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_the_kernels),
		cmocka_unit_test(processors_are_those_we_may_use),
		cmocka_unit_test(only_blocked_signals_are_pending),
		cmocka_unit_test(futex_waits_end_by_value_and_by_time),
		cmocka_unit_test(the_run_delay_is_the_kernels),
		cmocka_unit_test(clocks_agree),
		cmocka_unit_test(random_bytes_are_written_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
