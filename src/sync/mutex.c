/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mutex.c - mutexes and spinlocks: one futex word each.
 *
 * A spinlock in a process is a mutex whose waiter spins longer: its holder may
 * lose the processor, and then spinning on would only keep it away.
 */
#include "base/log.h"
#include "os/process.h"
#include "sync/lock.h"
#include "sync/sync_priv.h"

#define MUTEX_SPINS	SPINS_OF(100)
#define SPIN_SPINS	SPINS_OF(1000)

bool raw_trylock(atomic32_t *word)
{
	uint32_t was_free = 0;

	return atomic32_cas(word, &was_free, 1);
}

void raw_lock(atomic32_t *word, unsigned spins)
{
	if (likely(raw_trylock(word)))
		return;
	for (unsigned i = 0; i < spins; i++) {
		if (!atomic32_load_relaxed(word) && raw_trylock(word))
			return;
		sync_relax();
	}
	/* We cannot know whether others wait too, so 2 it is. */
	while (atomic32_xchg(word, 2))
		os_futex_wait(futex_word(word), 2, 0);
}

void raw_unlock(atomic32_t *word)
{
	if (atomic32_xchg(word, 0) == 2)
		os_futex_wake(futex_word(word), 1);
}

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
	*m = (struct mutex)MUTEX_INIT(name, rank);
}

void mutex_fini(struct mutex *m)
{
	if (atomic32_load_relaxed(&m->state))
		panic("mutex \"%s\" is destroyed while held", m->id.name);
}

void mutex_lock(struct mutex *m) NO_LOCK_ANALYSIS
{
	check_taking(m, &m->id, HELD_MUTEX);
	raw_lock(&m->state, MUTEX_SPINS);
	check_taken(m, &m->id, HELD_MUTEX, HERE);
}

void mutex_lock_nested(struct mutex *m) NO_LOCK_ANALYSIS
{
	check_taking_nested(m, &m->id, HELD_MUTEX);
	raw_lock(&m->state, MUTEX_SPINS);
	check_taken(m, &m->id, HELD_MUTEX, HERE);
}

bool mutex_trylock(struct mutex *m) NO_LOCK_ANALYSIS
{
	if (!raw_trylock(&m->state))
		return false;
	check_taken(m, &m->id, HELD_MUTEX, HERE);
	return true;
}

void mutex_unlock(struct mutex *m) NO_LOCK_ANALYSIS
{
	check_released(m, &m->id, HELD_MUTEX);
	raw_unlock(&m->state);
}

void spin_init(struct spinlock *s, const char *name, enum lock_rank rank)
{
	*s = (struct spinlock)SPIN_INIT(name, rank);
}

void spin_lock(struct spinlock *s) NO_LOCK_ANALYSIS
{
	check_taking(s, &s->id, HELD_SPIN);
	raw_lock(&s->state, SPIN_SPINS);
	check_taken(s, &s->id, HELD_SPIN, HERE);
}

void spin_unlock(struct spinlock *s) NO_LOCK_ANALYSIS
{
	check_released(s, &s->id, HELD_SPIN);
	raw_unlock(&s->state);
}
