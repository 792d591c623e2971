/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * coro.h - virtual threads on one thread of the operating system, for the
 * second build (SOFTCVM_CORO) of sync/ and what stands on it.
 *
 * In the product build this header is three empty macros.  In the second build
 * every step of sync/ and every access of os/uaccess.h asks CORO_STEP(), the
 * places named by SYNC_POINT() ask coro_point(), and a thread that would sleep
 * on a futex goes back to whoever runs it.  Nothing here makes a system call
 * once coro_open() has, and there is no thread-local storage.
 *
 * Thread 0 is the program itself.  Only it runs others, takes snapshots and
 * resets.  When it blocks, daemons (sync_start_worker) run in its place.
 */
#pragma once

#if !SOFTCVM_CORO

#define CORO_STEP()		((void)0)
#define CORO_WAITING(what)	((void)0)
#define CORO_STATE

#else

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define CORO_MAX	16		/* threads, thread 0 included */

/* A static variable that os_arena_reset() puts back. */
#define CORO_STATE	__attribute__((section("coro_state")))

enum coro_stop {
	CORO_ENDED,
	CORO_AT_POINT,		/* the point that was asked for, before what follows it */
	CORO_BLOCKED,		/* sleeps; only another thread can help */
	CORO_RELAXED,		/* spins (sync_relax) */
	CORO_SPENT,		/* as many steps as were given */
};

struct coro_clock {
	uint64_t	left;	/* steps until the running thread stops */
	unsigned	self;	/* the running thread */
	bool		always_contended;	/* what rwlock_is_contended() says */
};
extern struct coro_clock coro_clock;

void coro_spent(void);

static ALWAYS_INLINE void coro_step(void)
{
	if (unlikely(!--coro_clock.left))
		coro_spent();
}

static ALWAYS_INLINE unsigned coro_self(void)
{
	return coro_clock.self;
}

void coro_point(const char *name);
void coro_relax(void);
void coro_waiting(const char *what);

#define CORO_STEP()		coro_step()
#define CORO_WAITING(what)	coro_waiting(what)

/* Stacks for all threads: once a program.  -ENOMEM. */
MUST_CHECK int coro_open(void);

/*
 * A thread that has not run yet: its number, or -EAGAIN when there are too
 * many.  @name is not copied.  A daemon may still be asleep when all is done.
 */
MUST_CHECK int coro_start(void (*fn)(void *), void *arg, const char *name, bool daemon);

/*
 * Thread 0 only.  Runs @thread, which has not ended, until it stops: at
 * @point (NULL: none), or after @steps of them at the latest.
 */
enum coro_stop coro_run(unsigned thread, const char *point, uint64_t steps);

bool coro_has_ended(unsigned thread);
bool coro_is_blocked(unsigned thread);
bool coro_is_daemon(unsigned thread);
/* Runs daemons until none can go on; true when one has done anything. */
bool coro_run_daemons(void);

/* For reports: never NULL. */
const char *coro_name(unsigned thread);
const char *coro_waits_for(unsigned thread);
const char *coro_last_point(unsigned thread);
unsigned coro_nr_threads(void);		/* numbers below have been given out */

/* With os_arena_snapshot() and _reset(), which call them. */
void coro_snapshot(void);
void coro_reset(void);

#endif
