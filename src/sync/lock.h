/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lock.h - ranked mutexes, spinlocks and reader-writer locks.
 *
 * Storage is the caller's.  init before use, fini when no call is under way on
 * any thread (an unlock looks at the lock once more after it let go).  With
 * the option lockcheck every thread keeps the list of what it holds; an order
 * that rank.h forbids, an unlock of what is not held and an assertion below
 * that does not hold end in panic() with names and places.  So does waiting for a
 * mutex inside an RCU section.  The thread that locked unlocks.  Not for
 * signal handlers.
 *
 * rwlock: readers do not share a cache line (slots picked by thread); a
 * waiting writer holds new readers back, and readers that one writer held back
 * go before the next.  Not recursive, either side.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "sync/atomic.h"
#include "sync/rank.h"

#if defined(__clang__)
#define CAPABILITY(x)		__attribute__((capability(x)))
#define REQUIRES(l)		__attribute__((requires_capability(l)))
#define REQUIRES_SHARED(l)	__attribute__((requires_shared_capability(l)))
#define ACQUIRE(l)		__attribute__((acquire_capability(l)))
#define ACQUIRE_SHARED(l)	__attribute__((acquire_shared_capability(l)))
#define RELEASE(l)		__attribute__((release_capability(l)))
#define RELEASE_SHARED(l)	__attribute__((release_shared_capability(l)))
#define TRY_ACQUIRE(ok, l)	__attribute__((try_acquire_capability(ok, l)))
#define ASSERT_HELD(l)		__attribute__((assert_capability(l)))
#define ASSERT_HELD_SHARED(l)	__attribute__((assert_shared_capability(l)))
#define NO_LOCK_ANALYSIS	__attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(x)
#define REQUIRES(l)
#define REQUIRES_SHARED(l)
#define ACQUIRE(l)
#define ACQUIRE_SHARED(l)
#define RELEASE(l)
#define RELEASE_SHARED(l)
#define TRY_ACQUIRE(ok, l)
#define ASSERT_HELD(l)
#define ASSERT_HELD_SHARED(l)
#define NO_LOCK_ANALYSIS
#endif

struct lock_id {			/* who it is, for the checker */
	const char	*name;
	enum lock_rank	 rank;
};

struct CAPABILITY("mutex") mutex {
	atomic32_t	state;		/* 0 free, 1 held, 2 held and waited for */
	struct lock_id	id;
};

struct CAPABILITY("spinlock") spinlock {
	atomic32_t	state;		/* as a mutex's; waiters spin longer before they sleep */
	struct lock_id	id;
};

struct rwlock_state;			/* one cache line a reader slot */

struct CAPABILITY("rwlock") rwlock {
	struct rwlock_state	*state;
	struct lock_id		 id;
};

/* For the few that live in static storage. */
#define MUTEX_INIT(nm, rk)	{ .id = { .name = (nm), .rank = (rk) } }
#define SPIN_INIT(nm, rk)	{ .id = { .name = (nm), .rank = (rk) } }

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank);
void mutex_fini(struct mutex *m);
void mutex_lock(struct mutex *m) ACQUIRE(*m);
/*
 * One more of a rank that the thread holds already.  Only where something else
 * keeps two threads from taking the same ones in different orders: say what.
 */
void mutex_lock_nested(struct mutex *m) ACQUIRE(*m);
MUST_CHECK bool mutex_trylock(struct mutex *m) TRY_ACQUIRE(true, *m);
void mutex_unlock(struct mutex *m) RELEASE(*m);
void lock_assert_held_mutex(const struct mutex *m) ASSERT_HELD(*m);

void spin_init(struct spinlock *s, const char *name, enum lock_rank rank);
void spin_lock(struct spinlock *s) ACQUIRE(*s);
void spin_unlock(struct spinlock *s) RELEASE(*s);
void lock_assert_held_spin(const struct spinlock *s) ASSERT_HELD(*s);

MUST_CHECK int rwlock_init(struct rwlock *l, const char *name, enum lock_rank rank);
void rwlock_fini(struct rwlock *l);
void read_lock(struct rwlock *l) ACQUIRE_SHARED(*l);
void read_unlock(struct rwlock *l) RELEASE_SHARED(*l);
void write_lock(struct rwlock *l) ACQUIRE(*l);
void write_unlock(struct rwlock *l) RELEASE(*l);
/* For a holder: true while somebody else waits for @l, time to yield. */
bool rwlock_is_contended(const struct rwlock *l);
void lock_assert_held_read(const struct rwlock *l)	/* either side will do */
	ASSERT_HELD_SHARED(*l);
void lock_assert_held_write(const struct rwlock *l) ASSERT_HELD(*l);

/*
 * Stops when the calling thread holds any lock of ours, or is in an RCU or
 * SRCU section: first statement of everything that may block on host memory
 * or call the VMM's code.  Nothing without lockcheck.
 */
void lock_assert_none_held(void);
