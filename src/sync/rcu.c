/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rcu.c - sections, and the queue of deferred calls with its one worker.
 *
 * Callers push onto a stack with one compare-exchange; the worker takes the
 * whole stack, waits for a grace period and runs it in the order of the calls.
 */
#include "sync/rcu.h"

#include "base/log.h"
#include "sync/rcu_impl.h"
#include "sync/sync_priv.h"
#include "sync/wait.h"

static atomicptr_t queue CORO_STATE;		/* newest first */
static struct waitq arrived CORO_STATE;		/* the queue is empty no more */
static struct waitq barrier_passed CORO_STATE;
static atomic32_t worker_started CORO_STATE;

void rcu_read_lock(void)
{
	check_rcu_enter();
	rcu_impl_read_lock();
}

void rcu_read_unlock(void)
{
	check_rcu_leave();
	rcu_impl_read_unlock();
}

bool rcu_read_is_held(void)
{
	return !SYNC_LOCKCHECK || check_rcu_depth();
}

void rcu_synchronize(void)
{
	if (check_rcu_depth())
		panic("rcu_synchronize inside a read section");
	rcu_impl_synchronize();
}

/* Everything queued so far, oldest first. */
static struct rcu_head *take_all(void)
{
	struct rcu_head *newest = atomicptr_xchg(&queue, NULL);
	struct rcu_head *list = NULL;

	while (newest) {
		struct rcu_head *next = newest->next;

		newest->next = list;
		list = newest;
		newest = next;
	}
	return list;
}

static void run(struct rcu_head *list)
{
	rcu_impl_synchronize();
	while (list) {
		struct rcu_head *next = list->next;	/* fn may free it */

		list->fn(list);
		list = next;
	}
}

static void work(void *unused)
{
	for (;;) {
		uint32_t seen = waitq_prepare(&arrived);
		struct rcu_head *list = take_all();

		if (list)
			run(list);
		else
			waitq_sleep(&arrived, seen, 0);
	}
}

/* True when there is a worker; the next caller tries again. */
static bool start_worker(void)
{
	uint32_t no = 0;
	int err;

	if (likely(atomic32_load(&worker_started)) || !atomic32_cas(&worker_started, &no, 1))
		return true;
	err = sync_start_worker(work, NULL, "softcvm-rcu");
	if (!err)
		return true;
	log_warn("no thread for deferred frees: error %d", -err);
	atomic32_store(&worker_started, 0);
	return false;
}

void rcu_call(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	void *newest = atomicptr_load_relaxed(&queue);

	head->fn = fn;
	do {
		head->next = newest;
	} while (!atomicptr_cas(&queue, &newest, head));
	if (!newest)
		waitq_wake_all(&arrived);
	start_worker();
}

struct barrier {
	struct rcu_head	head;
	atomic32_t	passed;
};

/* @head is on the waiter's stack: gone as soon as `passed` is set. */
static void pass_barrier(struct rcu_head *head)
{
	atomic32_store(&container_of(head, struct barrier, head)->passed, 1);
	waitq_wake_all(&barrier_passed);
}

void rcu_barrier(void)
{
	struct barrier b = { 0 };

	if (check_rcu_depth())
		panic("rcu_barrier inside a read section");
	rcu_call(&b.head, pass_barrier);
	if (!start_worker())
		run(take_all());
	waitq_wait(&barrier_passed, atomic32_load(&b.passed));
}

/*
 * What the parent queued belongs to machines that the child cannot use, in
 * memory that it does not have (os_map_private).
 */
void rcu_queue_forget(void)
{
	atomicptr_store(&queue, NULL);
	atomic32_store(&worker_started, 0);
}
