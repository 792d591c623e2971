/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rcu.h - read-copy-update and sleepable RCU, in the kernel's words.
 *
 * RCU is liburcu's bp flavour (any thread may read, registering on first
 * use), or with -Drcu=reference our own C11 implementation, which
 * ThreadSanitizer understands.  Deferred calls run on one lazily started
 * worker with all signals blocked, restarted in a forked child.  No fork(2)
 * inside a section: a grace period would wait for it and it for that.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "sync/atomic.h"

struct rcu_head {
	struct rcu_head	*next;
	void		(*fn)(struct rcu_head *head);
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
bool rcu_read_is_held(void);		/* true always without lockcheck */

/*
 * @fn runs after every reader of now has left, on the worker, in the order of
 * the calls.  @head is the caller's until then, @fn's afterwards.  Any thread,
 * any lock held.  A forked child forgets what its parent had queued.
 */
void rcu_call(struct rcu_head *head, void (*fn)(struct rcu_head *head));
void rcu_synchronize(void);		/* not inside a read section */
/* Every earlier rcu_call has run.  Not from one of them, nor with a lock they take. */
void rcu_barrier(void);

/* For pointers declared as plain `T *`: publish and subscribe. */
#define rcu_assign_pointer(p, v)						\
	({ CORO_STEP(); __atomic_store_n(&(p), (v), __ATOMIC_RELEASE); })
#define rcu_dereference(p)							\
	({ CORO_STEP(); __atomic_load_n(&(p), __ATOMIC_ACQUIRE); })

/*
 * SRCU: readers may sleep.  Slots picked by thread, a cache line each;
 * read_lock answers an index that the matching unlock is given.  down_read and
 * up_read are the same without the checker: the thread that ends the section
 * need not be the one that began it.  Sections of one thread may nest.
 */
struct srcu_state;

struct srcu {
	struct srcu_state	*state;
};

MUST_CHECK int srcu_init(struct srcu *s);	/* 0 or -ENOMEM */
void srcu_fini(struct srcu *s);		/* no call is under way on any thread */
MUST_CHECK int srcu_read_lock(struct srcu *s);
void srcu_read_unlock(struct srcu *s, int idx);
MUST_CHECK int srcu_down_read(struct srcu *s);
void srcu_up_read(struct srcu *s, int idx);
void srcu_synchronize(struct srcu *s);	/* not inside a read section of @s */
