/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rcu_reference.c - RCU as one SRCU for everybody, with nesting: slow, but
 * every step is a C11 atomic that ThreadSanitizer and the explorer understand.
 */
#include <pthread.h>

#include "base/log.h"
#include "sync/rcu.h"
#include "sync/rcu_impl.h"
#include "sync/sync_priv.h"

static struct srcu everybody CORO_STATE;
#if !SOFTCVM_CORO
static pthread_once_t once = PTHREAD_ONCE_INIT;
#endif

/*
 * 0 outside; else twice the depth plus the index.  One word, so that a signal
 * handler's own section, which ends before it returns, never sees half of it.
 */
PER_THREAD(unsigned, my_nesting);
#define nesting	MY(my_nesting)

static void start(void)
{
	if (srcu_init(&everybody))
		panic("no memory for RCU");
}

static void start_once(void)
{
#if SOFTCVM_CORO	/* pthread_once makes a system call */
	if (!everybody.state)
		start();
#else
	pthread_once(&once, start);
#endif
}

void rcu_impl_read_lock(void)
{
	start_once();
	if (nesting)
		nesting += 2;
	else
		nesting = 2 | (unsigned)srcu_down_read(&everybody);
}

void rcu_impl_read_unlock(void)
{
	unsigned was = nesting;

	if (was >= 4) {
		nesting = was - 2;
	} else {
		nesting = 0;
		srcu_up_read(&everybody, (int)(was & 1));
	}
}

void rcu_impl_synchronize(void)
{
	start_once();
	srcu_synchronize(&everybody);
}

void rcu_impl_before_fork(void)
{
}

void rcu_impl_after_fork_parent(void)
{
}

/* Sections and a synchronize of threads that the child does not have are gone. */
void rcu_impl_after_fork_child(void)
{
	struct srcu fresh;

	if (!everybody.state)
		return;
	if (srcu_init(&fresh))
		panic("no memory for RCU");
	if (nesting)
		nesting = (nesting & ~1u) | (unsigned)srcu_down_read(&fresh);
	everybody = fresh;
}
