/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * inter.h - interleavings written down: "run t1 to attr_after_pre, t2 to its
 * end, t1 to its end".
 *
 *	INTER_THREAD(t1, convert, &args);
 *	INTER_THREAD(t2, fault, &access);
 *
 *	INTER_TO(t1, attr_after_pre);
 *	INTER_END(t2);
 *	INTER_END(t1);
 *
 * always gives just that, on the code of the product compiled a second time
 * (os/coro.h).  What a script says and the code does not do is a failure with
 * the whole picture: where each thread stands, what it waits for, what it
 * holds.  Daemons (the RCU worker) run whenever the thread that is being run
 * cannot go on without them.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "os/coro.h"

/* A thread that makes more steps than this in one go is going round in circles. */
#define INTER_MAX_STEPS		1000000ull

struct inter_place {
	const char	*file;
	int		 line;
};
#define INTER_HERE	((struct inter_place){ __FILE__, __LINE__ })

/* Called with what went wrong; does not return.  At first: panic. */
void inter_on_failure(void (*fail)(const char *text, struct inter_place at));

/* A virtual thread that has not begun; @name is not copied. */
unsigned inter_thread(void (*fn)(void *), void *arg, const char *name);
#define INTER_THREAD(t, fn, arg)	const unsigned t = inter_thread(fn, arg, #t)

/* Runs @t until it stands at SYNC_POINT(point). */
#define INTER_TO(t, point)	inter_to(t, #point, INTER_HERE)
/* Runs @t until it ends. */
#define INTER_END(t)		inter_end(t, INTER_HERE)
/* Runs @t until it sleeps and only another thread of the script can wake it. */
#define INTER_BLOCKED(t)	inter_blocked(t, INTER_HERE)
/* Runs @t as far as it gets: true when to its end. */
#define INTER_GO(t)		inter_go(t, INTER_HERE)
/* The same; it may also be left spinning for what another thread of the script holds. */
#define INTER_TRY(t)		inter_try(t, INTER_HERE)
/* Runs @t for @n steps; false when it has ended before. */
#define INTER_STEPS(t, n)	inter_steps(t, n, INTER_HERE)
/* Runs all threads in turn, @n steps at a time, until all have ended. */
#define INTER_ALL(n)		inter_all(n, INTER_HERE)

/*
 * Runs all threads, daemons too, in an order drawn from @seed, until all but
 * the daemons have ended.  The same seed always gives the same order.
 */
#define INTER_RANDOM(seed)	inter_random(seed, INTER_HERE)

void inter_to(unsigned t, const char *point, struct inter_place at);
void inter_end(unsigned t, struct inter_place at);
void inter_blocked(unsigned t, struct inter_place at);
bool inter_go(unsigned t, struct inter_place at);
bool inter_try(unsigned t, struct inter_place at);
bool inter_steps(unsigned t, uint64_t n, struct inter_place at);
void inter_all(uint64_t n, struct inter_place at);
void inter_random(uint64_t seed, struct inter_place at);

/*
 * While true every holder of a rwlock believes that somebody waits for it, so
 * that walks let go of mmu_lock wherever they may (B8, B10).
 */
void inter_always_yield(bool yes);
