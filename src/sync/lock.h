/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lock.h - ranked mutexes, spinlocks and reader-writer locks.
 *
 * Storage is the caller's.  init before use, fini when nobody holds it.  With
 * the option lockcheck every thread keeps the list of what it holds; an order
 * that rank.h forbids, an unlock of what is not held and an assertion below
 * that does not hold end in panic() with both names.
 *
 * rwlock: readers do not share a cache line (a slot per reader thread); a
 * waiting writer holds new readers back.  Not recursive, either side.
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
#else
#define CAPABILITY(x)
#define REQUIRES(l)
#define REQUIRES_SHARED(l)
#define ACQUIRE(l)
#define ACQUIRE_SHARED(l)
#define RELEASE(l)
#define RELEASE_SHARED(l)
#endif

struct lock_id {			/* who it is, for the checker */
	const char	*name;
	enum lock_rank	 rank;
};

struct CAPABILITY("mutex") mutex {
	atomic32_t	state;		/* 0 free, 1 held, 2 held and waited for */
	atomic32_t	owner;		/* tid, lockcheck only */
	struct lock_id	id;
};

struct CAPABILITY("spinlock") spinlock {
	atomic32_t	state;
	atomic32_t	owner;
	struct lock_id	id;
};

struct rwlock_slots;

struct CAPABILITY("rwlock") rwlock {
	struct rwlock_slots	*slots;		/* one cache line a reader slot */
	atomic32_t		 writer;	/* 0 none, 1 held or wanted */
	atomic32_t		 contended;	/* somebody waits for a yield */
	struct mutex		 writers;	/* writers queue here */
	struct lock_id		 id;
};

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank);
void mutex_fini(struct mutex *m);
void mutex_lock(struct mutex *m) ACQUIRE(*m);
MUST_CHECK bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m) RELEASE(*m);
void lock_assert_held_mutex(const struct mutex *m);

void spin_init(struct spinlock *s, const char *name, enum lock_rank rank);
void spin_lock(struct spinlock *s) ACQUIRE(*s);
void spin_unlock(struct spinlock *s) RELEASE(*s);
void lock_assert_held_spin(const struct spinlock *s);

MUST_CHECK int rwlock_init(struct rwlock *l, const char *name, enum lock_rank rank);
void rwlock_fini(struct rwlock *l);
void read_lock(struct rwlock *l) ACQUIRE_SHARED(*l);
void read_unlock(struct rwlock *l) RELEASE_SHARED(*l);
void write_lock(struct rwlock *l) ACQUIRE(*l);
void write_unlock(struct rwlock *l) RELEASE(*l);
/* True while somebody else waits for @l: time to yield. */
bool rwlock_is_contended(const struct rwlock *l);
void lock_assert_held_read(const struct rwlock *l);	/* either side will do */
void lock_assert_held_write(const struct rwlock *l);

/*
 * Stops when the calling thread holds any lock of ours, or is in an RCU or
 * SRCU section: first statement of everything that may block on host memory
 * or call the VMM's code.  Nothing without lockcheck.
 */
void lock_assert_none_held(void);
