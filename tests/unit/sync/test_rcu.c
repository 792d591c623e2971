/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "sync/rcu.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "crowd.h"
#include "os/process.h"
#include "sync/wait.h"

#if UNDER_TSAN
/* Our child does start a thread, which ThreadSanitizer refuses unless told. */
const char *__tsan_default_options(void);
EXPORT const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

#define ALIVE	0x600df00d
#define DEAD	0xdeadbeef
#define NR_REPLACED	30	/* liburcu may nap 10 ms in each grace period */

struct thing {
	struct rcu_head	head;
	uint32_t	state;		/* plain: the grace period orders it */
};

struct world {
	struct thing	*current;
	struct srcu	 srcu;
	atomic32_t	 stop, freed, in, seen;
	bool		 deferred;
};

static struct thing *make_thing(void)
{
	struct thing *t = calloc(1, sizeof(*t));

	BUG_ON(!t);
	t->state = ALIVE;
	return t;
}

static atomic32_t nr_freed;

static void kill_thing(struct rcu_head *head)
{
	struct thing *t = container_of(head, struct thing, head);

	BUG_ON(t->state != ALIVE);
	*(volatile uint32_t *)&t->state = DEAD;		/* stays although free() follows */
	free(t);
	atomic32_add(&nr_freed, 1);
}

/* Member 0 replaces the thing again and again; the others look at it. */
static void replace_and_look(void *arg, unsigned who)
{
	struct world *w = arg;

	for (int i = 0; !who && i < NR_REPLACED; i++) {
		struct thing *old = w->current;

		rcu_assign_pointer(w->current, make_thing());
		if (w->deferred) {
			rcu_call(&old->head, kill_thing);
		} else {
			rcu_synchronize();
			kill_thing(&old->head);
		}
	}
	if (!who)
		atomic32_store(&w->stop, 1);
	while (!atomic32_load(&w->stop)) {
		struct thing *t;

		rcu_read_lock();
		rcu_read_lock();
		t = rcu_dereference(w->current);
		BUG_ON(t->state != ALIVE);
		rcu_read_unlock();
		for (int i = 0; i < 500; i++)
			sync_relax();
		BUG_ON(t->state != ALIVE);
		rcu_read_unlock();
	}
}

static void nothing_dies_while_it_is_read(void **unused)
{
	for (int deferred = 0; deferred < 2; deferred++) {
		struct world w = { .current = make_thing(), .deferred = deferred };
		uint32_t before = atomic32_load(&nr_freed);

		crowd_run(5, replace_and_look, &w);
		rcu_barrier();
		assert_int_equal(atomic32_load(&nr_freed) - before, NR_REPLACED);
		free(w.current);
	}
}

static pthread_t ran_on;

static void note_thread(struct rcu_head *head)
{
	sigset_t mask;

	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig < 32; sig++)
		BUG_ON(!sigismember(&mask, sig) && sig != SIGKILL && sig != SIGSTOP);
	ran_on = pthread_self();
}

static void calls_run_on_a_thread_that_no_signal_reaches(void **unused)
{
	struct rcu_head head;

	rcu_call(&head, note_thread);
	rcu_barrier();
	assert_false(pthread_equal(ran_on, pthread_self()));
}

#define NR_IN_ORDER	1000
static struct { struct rcu_head head; unsigned id; } in_order[NR_IN_ORDER];
static unsigned next_id;

static void check_order(struct rcu_head *head)
{
	BUG_ON(container_of(head, __typeof__(in_order[0]), head)->id != next_id++);
}

static void calls_run_in_their_order(void **unused)
{
	for (unsigned i = 0; i < NR_IN_ORDER; i++) {
		in_order[i].id = i;
		rcu_call(&in_order[i].head, check_order);
	}
	rcu_barrier();
	assert_int_equal(next_id, NR_IN_ORDER);
}

/* A call waits for the section that was open when it was made. */
static void call_while_read(void *arg, unsigned who)
{
	struct world *w = arg;
	struct thing *t;

	if (who) {
		while (!atomic32_load(&w->in))
			os_yield();
		rcu_call(&w->current->head, kill_thing);
		atomic32_store(&w->seen, 1);
		return;
	}
	rcu_read_lock();
	t = rcu_dereference(w->current);
	atomic32_store(&w->in, 1);
	while (!atomic32_load(&w->seen))
		os_yield();
	usleep(10000);			/* plenty for a worker that does not wait */
	BUG_ON(t->state != ALIVE);
	rcu_read_unlock();
}

static void a_call_waits_for_open_sections(void **unused)
{
	struct world w = { .current = make_thing() };
	uint32_t before = atomic32_load(&nr_freed);

	crowd_run(2, call_while_read, &w);
	rcu_barrier();
	assert_int_equal(atomic32_load(&nr_freed) - before, 1);
}

static void a_forked_child_has_its_own_worker(void **unused)
{
	struct rcu_head head;
	int status;
	pid_t pid;

	rcu_call(&head, note_thread);	/* there is a worker before */
	rcu_barrier();
	pid = fork();
	if (!pid) {
		alarm(10);
		kill_thing(&make_thing()->head);
		rcu_call(&make_thing()->head, kill_thing);
		rcu_barrier();
		rcu_synchronize();
		_exit(atomic32_load(&nr_freed) >= 2 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	rcu_barrier();
}

/* Threads come, read and go, more than any slot count. */
static void *read_once(void *arg)
{
	struct world *w = arg;

	rcu_read_lock();
	BUG_ON(rcu_dereference(w->current)->state != ALIVE);
	rcu_read_unlock();
	srcu_read_unlock(&w->srcu, srcu_read_lock(&w->srcu));
	return NULL;
}

static void readers_come_and_go(void **unused)
{
	struct world w = { .current = make_thing() };

	assert_int_equal(srcu_init(&w.srcu), 0);
	for (int i = 0; i < 300; i++) {
		pthread_t t;

		assert_int_equal(pthread_create(&t, NULL, read_once, &w), 0);
		pthread_join(t, NULL);
	}
	rcu_synchronize();
	srcu_synchronize(&w.srcu);
	srcu_fini(&w.srcu);
	free(w.current);
}

/* Numbers of threads that ended are given again. */
static void *my_number(void *arg)
{
	*(unsigned *)arg = sync_thread_number();
	return NULL;
}

static void thread_numbers_stay_small(void **unused)
{
	unsigned n[2], own = sync_thread_number();

	for (int i = 0; i < 2; i++) {
		pthread_t t;

		assert_int_equal(pthread_create(&t, NULL, my_number, &n[i]), 0);
		pthread_join(t, NULL);
		assert_int_not_equal(n[i], own);
	}
	assert_int_equal(n[0], n[1]);
	assert_int_equal(own, sync_thread_number());
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_dies_while_it_is_read),
		cmocka_unit_test(calls_run_on_a_thread_that_no_signal_reaches),
		cmocka_unit_test(calls_run_in_their_order),
		cmocka_unit_test(a_call_waits_for_open_sections),
		cmocka_unit_test(a_forked_child_has_its_own_worker),
		cmocka_unit_test(readers_come_and_go),
		cmocka_unit_test(thread_numbers_stay_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
