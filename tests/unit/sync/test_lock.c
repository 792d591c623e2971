/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "sync/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "crowd.h"
#include "os/clock.h"
#include "os/process.h"

#define ROUNDS	20000

/* Plain variables: ThreadSanitizer complains if a lock does not order them. */
struct shared {
	struct mutex	m;
	struct spinlock	s;
	struct rwlock	rw;
	uint64_t	under_mutex, under_spin, a, b;
	atomic32_t	stop;
	atomic64_t	reads, writes;
};

static void count(void *arg, unsigned who)
{
	struct shared *sh = arg;

	for (int i = 0; i < ROUNDS; i++) {
		mutex_lock(&sh->m);
		sh->under_mutex++;
		spin_lock(&sh->s);
		sh->under_spin++;
		spin_unlock(&sh->s);
		mutex_unlock(&sh->m);
		spin_lock(&sh->s);
		sh->under_spin++;
		spin_unlock(&sh->s);
	}
}

static void nobody_is_lost(void **unused)
{
	struct shared sh = { 0 };

	mutex_init(&sh.m, "m", RANK_VM);
	spin_init(&sh.s, "s", RANK_LEAF);
	crowd_run(6, count, &sh);
	assert_int_equal(sh.under_mutex, 6 * ROUNDS);
	assert_int_equal(sh.under_spin, 12 * ROUNDS);
	mutex_fini(&sh.m);
}

static void trylock_fails_on_a_held_mutex(void **unused)
{
	struct mutex m = MUTEX_INIT("m", RANK_VM);

	assert_true(mutex_trylock(&m));
	lock_assert_held_mutex(&m);
	assert_false(mutex_trylock(&m));
	mutex_unlock(&m);
	assert_true(mutex_trylock(&m));
	mutex_unlock(&m);
	mutex_fini(&m);
}

/* Writers keep a == b outside; readers and writers both look. */
static void read_and_write(void *arg, unsigned who)
{
	struct shared *sh = arg;

	for (int i = 0; i < ROUNDS / 4; i++) {
		if ((i + who) % 8 == 0) {
			write_lock(&sh->rw);
			lock_assert_held_write(&sh->rw);
			sh->a++;
			sh->b++;
			write_unlock(&sh->rw);
		} else {
			read_lock(&sh->rw);
			lock_assert_held_read(&sh->rw);
			BUG_ON(sh->a != sh->b);
			read_unlock(&sh->rw);
		}
	}
}

static void readers_see_whole_writes(void **unused)
{
	struct shared sh = { 0 };

	assert_int_equal(rwlock_init(&sh.rw, "rw", RANK_MMU), 0);
	crowd_run(8, read_and_write, &sh);
	assert_int_equal(sh.a, ROUNDS / 4);
	assert_int_equal(sh.b, ROUNDS / 4);
	rwlock_fini(&sh.rw);
}

/* Thread 0 is alone on its side against a crowd that never pauses. */
static void one_writer_among_readers(void *arg, unsigned who)
{
	struct shared *sh = arg;

	if (!who) {
		for (int i = 0; i < 50; i++) {
			write_lock(&sh->rw);
			sh->a++;
			write_unlock(&sh->rw);
		}
		atomic32_store(&sh->stop, 1);
	}
	while (!atomic32_load(&sh->stop)) {
		read_lock(&sh->rw);
		atomic64_add(&sh->reads, sh->a & 1);
		read_unlock(&sh->rw);
	}
}

static void one_reader_among_writers(void *arg, unsigned who)
{
	struct shared *sh = arg;

	if (!who) {
		for (int i = 0; i < 50; i++) {
			read_lock(&sh->rw);
			atomic64_add(&sh->reads, 1);
			read_unlock(&sh->rw);
		}
		atomic32_store(&sh->stop, 1);
	}
	while (!atomic32_load(&sh->stop)) {
		write_lock(&sh->rw);
		sh->a++;
		write_unlock(&sh->rw);
	}
}

/* A writer that comes back at once finds that the reader has been in. */
static void write_twice(void *arg, unsigned who)
{
	struct shared *sh = arg;

	if (who) {
		while (!atomic32_load(&sh->stop))
			os_yield();
		read_lock(&sh->rw);
		atomic64_add(&sh->reads, 1);
		read_unlock(&sh->rw);
		return;
	}
	write_lock(&sh->rw);
	atomic32_store(&sh->stop, 1);
	while (!rwlock_is_contended(&sh->rw))
		os_yield();
	usleep(1000);			/* it sleeps by now */
	write_unlock(&sh->rw);
	write_lock(&sh->rw);
	BUG_ON(atomic64_load(&sh->reads) != 1);
	write_unlock(&sh->rw);
}

static void a_held_back_reader_goes_before_the_next_writer(void **unused)
{
	struct shared sh = { 0 };

	assert_int_equal(rwlock_init(&sh.rw, "rw", RANK_MMU), 0);
	for (int i = 0; i < 50; i++) {
		atomic32_store(&sh.stop, 0);
		atomic64_store(&sh.reads, 0);
		crowd_run(2, write_twice, &sh);
	}
	rwlock_fini(&sh.rw);
}

static void nobody_starves(void **unused)
{
	struct shared sh = { 0 };

	assert_int_equal(rwlock_init(&sh.rw, "rw", RANK_MMU), 0);
	crowd_run(6, one_writer_among_readers, &sh);
	assert_int_equal(sh.a, 50);
	atomic32_store(&sh.stop, 0);
	atomic64_store(&sh.reads, 0);
	crowd_run(6, one_reader_among_writers, &sh);
	assert_int_equal(atomic64_load(&sh.reads), 50);
	rwlock_fini(&sh.rw);
}

/* Two readers are in at once: each waits inside for the other. */
static void meet_inside(void *arg, unsigned who)
{
	struct shared *sh = arg;

	read_lock(&sh->rw);
	atomic64_add(&sh->reads, 1);
	while (atomic64_load(&sh->reads) < 4)
		os_yield();
	read_unlock(&sh->rw);
}

static void readers_do_not_exclude_readers(void **unused)
{
	struct shared sh = { 0 };

	assert_int_equal(rwlock_init(&sh.rw, "rw", RANK_MMU), 0);
	crowd_run(4, meet_inside, &sh);
	rwlock_fini(&sh.rw);
}

/* Thread 0 holds; thread 1 comes; thread 0 sees that somebody waits. */
static void hold_until_contended(void *arg, unsigned who)
{
	struct shared *sh = arg;
	bool holder_writes = sh->a & 1, other_writes = sh->a & 2;

	if (!who) {
		holder_writes ? write_lock(&sh->rw) : read_lock(&sh->rw);
		BUG_ON(rwlock_is_contended(&sh->rw));
		atomic32_store(&sh->stop, 1);
		while (!rwlock_is_contended(&sh->rw))
			os_yield();
		holder_writes ? write_unlock(&sh->rw) : read_unlock(&sh->rw);
	} else {
		while (!atomic32_load(&sh->stop))
			os_yield();
		other_writes ? write_lock(&sh->rw) : read_lock(&sh->rw);
		BUG_ON(rwlock_is_contended(&sh->rw));
		other_writes ? write_unlock(&sh->rw) : read_unlock(&sh->rw);
	}
}

static void a_holder_sees_who_waits(void **unused)
{
	struct shared sh = { 0 };

	assert_int_equal(rwlock_init(&sh.rw, "rw", RANK_MMU), 0);
	for (sh.a = 1; sh.a <= 3; sh.a++) {	/* a reader does not wait for a reader */
		atomic32_store(&sh.stop, 0);
		crowd_run(2, hold_until_contended, &sh);
	}
	rwlock_fini(&sh.rw);
}

static void take(struct shared *sh, uint64_t how)
{
	switch (how) {
	case 0: mutex_lock(&sh->m); break;
	case 1: spin_lock(&sh->s); break;
	case 2: read_lock(&sh->rw); break;
	case 3: write_lock(&sh->rw); break;
	}
}

static void let_go(struct shared *sh, uint64_t how)
{
	switch (how) {
	case 0: mutex_unlock(&sh->m); break;
	case 1: spin_unlock(&sh->s); break;
	case 2: read_unlock(&sh->rw); break;
	case 3: write_unlock(&sh->rw); break;
	}
}

/* Member 0 keeps the lock until the others must have fallen asleep. */
static void hold_long(void *arg, unsigned who)
{
	struct shared *sh = arg;

	if (!who) {
		take(sh, sh->a);
		atomic32_store(&sh->stop, 1);
		usleep(10000);
		let_go(sh, sh->a);
		return;
	}
	while (!atomic32_load(&sh->stop))
		os_yield();
	take(sh, sh->b);
	let_go(sh, sh->b);
}

static void sleepers_are_woken(void **unused)
{
	static const struct { uint64_t holder, sleepers; } rows[] = {
		{ 0, 0 }, { 1, 1 }, { 2, 3 }, { 3, 2 }, { 3, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct shared sh = { .a = rows[i].holder, .b = rows[i].sleepers };

		mutex_init(&sh.m, "m", RANK_VM);
		spin_init(&sh.s, "s", RANK_LEAF);
		assert_int_equal(rwlock_init(&sh.rw, "rw", RANK_MMU), 0);
		crowd_run(4, hold_long, &sh);
		rwlock_fini(&sh.rw);
		mutex_fini(&sh.m);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_lost),
		cmocka_unit_test(trylock_fails_on_a_held_mutex),
		cmocka_unit_test(readers_see_whole_writes),
		cmocka_unit_test(nobody_starves),
		cmocka_unit_test(a_held_back_reader_goes_before_the_next_writer),
		cmocka_unit_test(readers_do_not_exclude_readers),
		cmocka_unit_test(a_holder_sees_who_waits),
		cmocka_unit_test(sleepers_are_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
