/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sync_priv.h - what the files of this room share: raw locks, reader slots,
 * the checker's hooks.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "sync/lock.h"
#include "sync/rcu.h"

/*
 * A variable of each thread: PER_THREAD(type, name), then MY(name).  Virtual
 * threads have an array of them.  Waiters that spin before they sleep, there
 * would only spend steps.
 */
#if SOFTCVM_CORO
#define PER_THREAD(type, name)	static type name##_of[CORO_MAX] CORO_STATE
#define MY(name)		name##_of[coro_self()]
#define SPINS_OF(n)		0
#else
#define PER_THREAD(type, name) \
	static __thread type name __attribute__((tls_model("initial-exec")))
#define MY(name)		name
#define SPINS_OF(n)		(n)
#endif

/* A futex word with three values: 0 free, 1 held, 2 held and waited for. */
void raw_lock(atomic32_t *word, unsigned spins);
bool raw_trylock(atomic32_t *word);
void raw_unlock(atomic32_t *word);

/* The word inside @a, as the kernel's futex sees it. */
static inline const uint32_t *futex_word(const atomic32_t *a)
{
	return (const uint32_t *)(const void *)&a->v;
}

/*
 * Number of slots that keep readers of one lock apart: a power of two, four a
 * processor.  A thread uses slot sync_thread_number() & (n - 1), so memory is
 * bounded while any number of threads may come.
 */
unsigned sync_nr_slots(void);

/* Zeroed, in cache lines of its own; free() it.  NULL without memory. */
void *sync_alloc_lines(size_t size);

/* The child has none of the parent's threads. */
void rcu_queue_forget(void);

enum held_kind { HELD_MUTEX, HELD_SPIN, HELD_READ, HELD_WRITE, HELD_SRCU };

/*
 * check_taking: before waiting; order.  check_taken/check_released keep the
 * thread's list; @from is where in the caller's code.  For HELD_SRCU @id is
 * NULL.
 */
#define HERE	__builtin_return_address(0)
#if SYNC_LOCKCHECK
void check_taking(const void *lock, const struct lock_id *id, enum held_kind kind);
void check_taking_nested(const void *lock, const struct lock_id *id, enum held_kind kind);
void check_taken(const void *lock, const struct lock_id *id, enum held_kind kind,
		 const void *from);
void check_released(const void *lock, const struct lock_id *id, enum held_kind kind);
bool check_is_held(const void *lock, enum held_kind kind);
void check_rcu_enter(void);
void check_rcu_leave(void);
unsigned check_rcu_depth(void);
#else
static inline void check_taking(const void *lock, const struct lock_id *id, enum held_kind kind)
{
}
static inline void check_taking_nested(const void *lock, const struct lock_id *id,
				       enum held_kind kind)
{
}

static inline void check_taken(const void *lock, const struct lock_id *id, enum held_kind kind,
			       const void *from)
{
}

static inline void check_released(const void *lock, const struct lock_id *id, enum held_kind kind)
{
}

static inline bool check_is_held(const void *lock, enum held_kind kind)
{
	return false;
}

static inline void check_rcu_enter(void)
{
}

static inline void check_rcu_leave(void)
{
}

static inline unsigned check_rcu_depth(void)
{
	return 0;
}
#endif
