/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rcu.h - read-copy-update and sleepable RCU, in the kernel's words.
 *
 * RCU is liburcu's bp flavour (any thread may read, registering on first
 * use), or with -Drcu=reference our own C11 implementation, which
 * ThreadSanitizer understands.  Deferred calls run on one lazily started
 * worker with all signals blocked, restarted in a forked child.
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

/* @fn runs after every reader of now has left; never on this thread. */
void rcu_call(struct rcu_head *head, void (*fn)(struct rcu_head *head));
void rcu_synchronize(void);		/* not inside a read section */
void rcu_barrier(void);			/* every earlier rcu_call has run */

/* For pointers declared as plain `T *`: publish and subscribe. */
#define rcu_assign_pointer(p, v)	__atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
#define rcu_dereference(p)		__atomic_load_n(&(p), __ATOMIC_ACQUIRE)

/*
 * SRCU: readers may sleep.  One slot per reading thread (a cache line each);
 * read_lock answers an index that the matching unlock is given.
 */
struct srcu_slots;

struct srcu {
	struct srcu_slots	*slots;
	atomic64_t		 gp;
};

MUST_CHECK int srcu_init(struct srcu *s);
void srcu_fini(struct srcu *s);
int srcu_read_lock(struct srcu *s);
void srcu_read_unlock(struct srcu *s, int idx);
void srcu_synchronize(struct srcu *s);	/* not inside a read section of @s */
