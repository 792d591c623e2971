/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "sync/wait.h"

#include <limits.h>

#include "os/process.h"
#include "sync/sync_priv.h"

void waitq_init(struct waitq *q)
{
	atomic32_init(&q->seq, 0);
	atomic32_init(&q->nr_waiters, 0);
}

uint32_t waitq_prepare(struct waitq *q)
{
	return atomic32_load(&q->seq);
}

void waitq_sleep(struct waitq *q, uint32_t prepared, uint64_t timeout_ns)
{
	atomic32_add(&q->nr_waiters, 1);
	os_futex_wait(futex_word(&q->seq), prepared, timeout_ns);
	atomic32_sub(&q->nr_waiters, 1);
}

/* A waiter that we do not count will find that seq has changed. */
void waitq_wake_all(struct waitq *q)
{
	atomic32_add(&q->seq, 1);
	if (atomic32_load(&q->nr_waiters))
		os_futex_wake(futex_word(&q->seq), INT_MAX);
}
