/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The lock checker fires: each row runs in a child that must abort and say why. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/macros.h"
#include "sync/lock.h"
#include "sync/rcu.h"

static struct mutex vm = MUTEX_INIT("vm->lock", RANK_VM);
static struct mutex slots = MUTEX_INIT("slots_lock", RANK_SLOTS);
static struct mutex slots_2 = MUTEX_INIT("slots_lock of another", RANK_SLOTS);
static struct spinlock leaf = SPIN_INIT("leaf", RANK_LEAF);
static struct spinlock leaf_2 = SPIN_INIT("second leaf", RANK_LEAF);
static struct rwlock mmu;
static struct srcu srcu;

static void in_order(void)
{
	int idx = srcu_read_lock(&srcu);

	mutex_lock(&vm);
	mutex_lock(&slots);
	lock_assert_held_mutex(&vm);
	read_lock(&mmu);
	lock_assert_held_read(&mmu);
	rcu_read_lock();
	spin_lock(&leaf);
	lock_assert_held_spin(&leaf);
	spin_unlock(&leaf);
	rcu_read_unlock();
	mutex_unlock(&vm);	/* any order out */
	read_unlock(&mmu);
	mutex_unlock(&slots);
	write_lock(&mmu);
	lock_assert_held_read(&mmu);
	lock_assert_held_write(&mmu);
	write_unlock(&mmu);
	srcu_read_unlock(&srcu, idx);
	srcu_up_read(&srcu, srcu_down_read(&srcu));
	lock_assert_none_held();
	rcu_synchronize();
	srcu_synchronize(&srcu);
}

static void deep(void)
{
	static struct mutex many[90];

	for (int i = 0; i < 90; i++) {
		mutex_init(&many[i], "one of many", (enum lock_rank)i);
		mutex_lock(&many[i]);
	}
	for (int i = 0; i < 90; i++)
		mutex_unlock(&many[i]);
	lock_assert_none_held();
}

static void reversed(void)
{
	mutex_lock(&slots);
	mutex_lock(&vm);
}

static void reversed_beyond_the_first_room(void)
{
	static struct mutex many[40];

	for (int i = 0; i < 40; i++) {
		mutex_init(&many[i], "one of many", (enum lock_rank)(i + 10));
		mutex_lock(&many[i]);
	}
	mutex_lock(&vm);
}

static void same_rank(void)
{
	mutex_lock(&slots);
	mutex_lock(&slots_2);
}

static void inside_a_leaf(void)
{
	spin_lock(&leaf);
	spin_lock(&leaf_2);
}

static void after_a_trylock(void)
{
	mutex_lock(&slots);
	if (mutex_trylock(&vm))		/* cannot wait, so any order */
		mutex_lock(&slots_2);
}

static void twice(void)
{
	mutex_lock(&vm);
	mutex_lock(&vm);
}

static void read_twice(void)
{
	read_lock(&mmu);
	read_lock(&mmu);
}

static void under_the_mmu_lock(void)
{
	write_lock(&mmu);
	mutex_lock(&slots);
}

static void not_held(void)
{
	mutex_unlock(&vm);
}

static void other_side(void)
{
	read_lock(&mmu);
	write_unlock(&mmu);
}

static void assert_mutex(void)
{
	lock_assert_held_mutex(&vm);
}

static void assert_write_while_reading(void)
{
	read_lock(&mmu);
	lock_assert_held_write(&mmu);
}

static void none_held_with_a_lock(void)
{
	mutex_lock(&vm);
	lock_assert_none_held();
}

static void none_held_in_rcu(void)
{
	rcu_read_lock();
	lock_assert_none_held();
}

static void none_held_in_srcu(void)
{
	(void)!srcu_read_lock(&srcu);
	lock_assert_none_held();
}

static void sleep_in_rcu(void)
{
	rcu_read_lock();
	mutex_lock(&vm);
}

static void synchronize_in_rcu(void)
{
	rcu_read_lock();
	rcu_synchronize();
}

static void synchronize_in_srcu(void)
{
	(void)!srcu_read_lock(&srcu);
	srcu_synchronize(&srcu);
}

static void unlock_outside(void)
{
	rcu_read_unlock();
}

static const struct row {
	const char	*why;
	void		(*fn)(void);
	const char	*says[3];	/* none: it must come through */
} rows[] = {
	{ "the order of the ranks is right", in_order, { NULL } },
	{ "any number may be held", deep, { NULL } },
	{ "a lower rank", reversed, { "lock order", "\"vm->lock\" (rank 1)", "\"slots_lock\" (rank 3)" } },
	{ "a lower rank, long list", reversed_beyond_the_first_room, { "lock order", "vm->lock", "one of many" } },
	{ "an equal rank", same_rank, { "lock order", "slots_lock of another", "\"slots_lock\"" } },
	{ "inside a leaf", inside_a_leaf, { "lock order", "\"second leaf\"", "\"leaf\" (rank 100)" } },
	{ "after a trylock", after_a_trylock, { "lock order", "slots_lock of another" } },
	{ "a mutex twice", twice, { "twice", "vm->lock" } },
	{ "a read side twice", read_twice, { "twice", "read side of \"mmu_lock\"" } },
	{ "a mutex inside mmu_lock", under_the_mmu_lock, { "slots_lock", "write side of \"mmu_lock\"" } },
	{ "unlock of a free mutex", not_held, { "does not hold", "vm->lock" } },
	{ "unlock of the other side", other_side, { "does not hold", "write side" } },
	{ "assertion on a free mutex", assert_mutex, { "not held", "vm->lock" } },
	{ "a reader is no writer", assert_write_while_reading, { "not held", "write side" } },
	{ "blocking with a mutex", none_held_with_a_lock, { "may block", "vm->lock", "was taken here" } },
	{ "blocking in RCU", none_held_in_rcu, { "may block", "RCU" } },
	{ "blocking in SRCU", none_held_in_srcu, { "may block", "srcu" } },
	{ "a mutex in RCU", sleep_in_rcu, { "inside an RCU section", "vm->lock" } },
	{ "a grace period in RCU", synchronize_in_rcu, { "rcu_synchronize inside" } },
	{ "a grace period in its SRCU", synchronize_in_srcu, { "srcu_synchronize inside" } },
	{ "one unlock too many", unlock_outside, { "outside a read section" } },
};

static int run_in_child(void (*fn)(void), char *said, size_t size)
{
	size_t nr = 0;
	ssize_t got;
	int fd[2], status;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (!pid) {
		signal(SIGABRT, SIG_DFL);
		dup2(fd[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(fd[1]);
	while (nr < size - 1 && (got = read(fd[0], said + nr, size - 1 - nr)) > 0)
		nr += (size_t)got;
	said[nr] = 0;
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void the_checker_fires(void **unused)
{
	assert_int_equal(rwlock_init(&mmu, "mmu_lock", RANK_MMU), 0);
	assert_int_equal(srcu_init(&srcu), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		char said[16384];
		int status = run_in_child(r->fn, said, sizeof(said));
		bool fired = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;

		if (fired != !!r->says[0])
			print_error("%s: status %#x, said: %s\n", r->why, status, said);
		assert_int_equal(fired, !!r->says[0]);
		for (size_t j = 0; j < ARRAY_SIZE(r->says) && r->says[j]; j++) {
			if (!strstr(said, r->says[j]))
				print_error("%s: no '%s' in: %s\n", r->why, r->says[j], said);
			assert_non_null(strstr(said, r->says[j]));
		}
	}
	rwlock_fini(&mmu);
	srcu_fini(&srcu);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_checker_fires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
