/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * wait.h - sleeping until somebody else has done something; threads' own data;
 * named schedule points.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "sync/atomic.h"

/* Outlives every wake: who sees the condition may not free it without a lock. */
struct waitq {
	atomic32_t	seq;		/* bumped by every wake */
	atomic32_t	nr_waiters;
};

void waitq_init(struct waitq *q);
void waitq_wake_all(struct waitq *q);
uint32_t waitq_prepare(struct waitq *q);
/* Sleeps unless a wake came after waitq_prepare(); returns early on a signal. */
void waitq_sleep(struct waitq *q, uint32_t prepared, uint64_t timeout_ns);

/* Until @cond holds.  Evaluated again after each wake. */
#define waitq_wait(q, cond)						\
	do {								\
		uint32_t prepared_;					\
		while (prepared_ = waitq_prepare(q), !(cond))		\
			waitq_sleep((q), prepared_, 0);			\
	} while (0)

/*
 * One pointer of the calling thread for each user: the only thread-local
 * storage outside sync/.  NULL at first (THREAD_TID in a forked child, too).  Async-signal-safe to read.
 */
enum thread_slot { THREAD_VCPU, THREAD_FRONT_END, THREAD_TID, NR_THREAD_SLOTS };
void *sync_thread_get(enum thread_slot slot);
void sync_thread_set(enum thread_slot slot, void *p);

/*
 * A small number of the calling thread, distinct among living threads while
 * there are fewer than 4,096, for picking one of several slots.
 * Async-signal-safe.
 */
unsigned sync_thread_number(void);

/* The calling thread, as pthread_self() names it. */
uint64_t sync_thread_self(void);

/*
 * pthread_cancel has no effect on the calling thread between the two; release
 * may not return.  No system call.
 */
struct sync_cancel {
	int	state, type;
};
void sync_cancel_hold(struct sync_cancel *held);
void sync_cancel_release(const struct sync_cancel *held);

/* Starts a detached thread with every signal blocked.  0 or a negative errno. */
MUST_CHECK int sync_start_worker(void (*fn)(void *), void *arg, const char *name);

/*
 * Around fork(2), as pthread_atfork: what holds a lock in other threads is
 * waited for in @prepare.  0 or a negative errno.
 */
MUST_CHECK int sync_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/* A place that interleaving tests can name; nothing in the product build. */
#if SOFTCVM_CORO
#define SYNC_POINT(name)	coro_point(#name)
#else
#define SYNC_POINT(name)	do { } while (0)
#endif
