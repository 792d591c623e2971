/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "crowd.h"
#include "os/clock.h"
#include "os/process.h"
#include "sync/rcu.h"
#include "sync/wait.h"

#define ALIVE	1
#define NR_THINGS	200

struct world {
	struct srcu	 srcu;
	int		*current;	/* plain ints behind it: srcu orders them */
	int		*retired;
	atomic32_t	 stop, step;
	atomic32_t	 idx;
};

static int *make_thing(void)
{
	int *p = malloc(sizeof(*p));

	BUG_ON(!p);
	*p = ALIVE;
	return p;
}

static void replace_and_look(void *arg, unsigned who)
{
	struct world *w = arg;

	for (int i = 0; who < 2 && i < NR_THINGS; i++) {
		int *old = __atomic_exchange_n(&w->current, make_thing(), __ATOMIC_SEQ_CST);

		srcu_synchronize(&w->srcu);
		BUG_ON(*old != ALIVE);
		*old = 0;
		free(old);
	}
	if (who < 2)
		atomic32_add(&w->stop, 1);
	for (unsigned i = 0; atomic32_load(&w->stop) < 2; i++) {
		int idx = srcu_read_lock(&w->srcu);
		int inner = srcu_read_lock(&w->srcu);
		int *p = rcu_dereference(w->current);	/* inside both */

		if (i % 64 == who)
			usleep(100);	/* sections may sleep */
		srcu_read_unlock(&w->srcu, idx);
		BUG_ON(*p != ALIVE);
		srcu_read_unlock(&w->srcu, inner);
	}
}

static void nothing_dies_while_it_is_read(void **unused)
{
	struct world w = { .current = make_thing() };

	assert_int_equal(srcu_init(&w.srcu), 0);
	crowd_run(6, replace_and_look, &w);
	srcu_fini(&w.srcu);
	free(w.current);
}

static void wait_for(atomic32_t *step, uint32_t value)
{
	while (atomic32_load(step) < value)
		os_yield();
}

/* Begun on one thread, ended on another, with synchronize asleep in between. */
static void hand_over(void *arg, unsigned who)
{
	struct world *w = arg;

	if (who == 0) {
		atomic32_store(&w->idx, (uint32_t)srcu_down_read(&w->srcu));
		atomic32_store(&w->step, 1);
	} else if (who == 1) {
		wait_for(&w->step, 1);
		usleep(20000);
		BUG_ON(atomic32_load(&w->stop));
		srcu_up_read(&w->srcu, (int)atomic32_load(&w->idx));
	} else {
		wait_for(&w->step, 1);
		srcu_synchronize(&w->srcu);
		atomic32_store(&w->stop, 1);
	}
}

static void another_thread_may_end_a_section(void **unused)
{
	struct world w = { 0 };

	assert_int_equal(srcu_init(&w.srcu), 0);
	crowd_run(3, hand_over, &w);
	assert_int_equal(atomic32_load(&w.stop), 1);
	srcu_synchronize(&w.srcu);
	srcu_fini(&w.srcu);
}

/* A section of one does not hold up another. */
static void domains_are_separate(void **unused)
{
	struct srcu a, b;
	int idx;

	assert_int_equal(srcu_init(&a), 0);
	assert_int_equal(srcu_init(&b), 0);
	idx = srcu_read_lock(&a);
	srcu_synchronize(&b);
	srcu_read_unlock(&a, idx);
	srcu_fini(&a);
	srcu_fini(&b);
}

/* Readers that never leave a gap: the flip lets synchronize end. */
static void overlap(void *arg, unsigned who)
{
	struct world *w = arg;
	int idx;

	if (!who) {
		wait_for(&w->step, 2);
		for (int i = 0; i < 50; i++)
			srcu_synchronize(&w->srcu);
		atomic32_store(&w->stop, 1);
		return;
	}
	idx = srcu_read_lock(&w->srcu);
	atomic32_add(&w->step, 1);
	while (!atomic32_load(&w->stop)) {
		int next = srcu_read_lock(&w->srcu);

		srcu_read_unlock(&w->srcu, idx);
		idx = next;
	}
	srcu_read_unlock(&w->srcu, idx);
}

static void overlapping_readers_do_not_starve_it(void **unused)
{
	struct world w = { 0 };

	assert_int_equal(srcu_init(&w.srcu), 0);
	crowd_run(3, overlap, &w);
	srcu_fini(&w.srcu);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_dies_while_it_is_read),
		cmocka_unit_test(another_thread_may_end_a_section),
		cmocka_unit_test(domains_are_separate),
		cmocka_unit_test(overlapping_readers_do_not_starve_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
