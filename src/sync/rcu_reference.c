/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rcu_reference.c - RCU as one SRCU for everybody, with nesting: slow, but
 * every step is a C11 atomic that ThreadSanitizer and the explorer understand.
 */
#include <pthread.h>

#include "base/log.h"
#include "sync/rcu.h"
#include "sync/rcu_impl.h"

static struct srcu everybody;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/*
 * 0 outside; else twice the depth plus the index.  One word, so that a signal
 * handler's own section, which ends before it returns, never sees half of it.
 */
static __thread unsigned state __attribute__((tls_model("initial-exec")));

static void start(void)
{
	if (srcu_init(&everybody))
		panic("no memory for RCU");
}

void rcu_impl_read_lock(void)
{
	pthread_once(&once, start);
	if (state)
		state += 2;
	else
		state = 2 | (unsigned)srcu_down_read(&everybody);
}

void rcu_impl_read_unlock(void)
{
	unsigned was = state;

	if (was >= 4) {
		state = was - 2;
	} else {
		state = 0;
		srcu_up_read(&everybody, (int)(was & 1));
	}
}

void rcu_impl_synchronize(void)
{
	pthread_once(&once, start);
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
	if (state)
		state = (state & ~1u) | (unsigned)srcu_down_read(&fresh);
	everybody = fresh;
}
