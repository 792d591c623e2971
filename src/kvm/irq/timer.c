/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/irq/timer.h"

#include <stdlib.h>

#include "base/log.h"
#include "os/clock.h"
#include "os/process.h"
#include "sync/lock.h"
#include "sync/rcu.h"
#include "sync/wait.h"

/* Keys: [l] lock. */
struct irq_timers {
	struct spinlock	 lock;		/* RANK_TIMERS */
	struct irq_timer *root;		/* [l] the earliest */
	struct irq_timer *running;	/* [l] its fire() is under way */
	uint64_t	 sleeps_until;	/* [l] 0: the thread is awake */
	bool		 started, stop, ended;	/* [l] */
	int		 owner;		/* process in which the thread is */
	struct waitq	 work, done;
};

/* The pairing heap.  Both are roots without siblings; NULL is the empty heap. */
static struct irq_timer *meld(struct irq_timer *a, struct irq_timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->deadline < a->deadline) {
		struct irq_timer *t = a;

		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	return a;
}

/* Melds a list of siblings: in pairs, then the pairs from the last to the first. */
static struct irq_timer *meld_siblings(struct irq_timer *first)
{
	struct irq_timer *pairs = NULL, *all = NULL;

	while (first) {
		struct irq_timer *a = first, *b = a->next;

		first = b ? b->next : NULL;
		a->next = NULL;
		a->prev = NULL;
		if (b) {
			b->next = NULL;
			b->prev = NULL;
		}
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct irq_timer *a = pairs;

		pairs = a->next;
		a->next = NULL;
		all = meld(all, a);
	}
	return all;
}

static void take_out(struct irq_timers *t, struct irq_timer *timer)
{
	struct irq_timer *children = meld_siblings(timer->child);

	if (timer == t->root) {
		t->root = children;
	} else {
		if (timer->prev->child == timer)
			timer->prev->child = timer->next;
		else
			timer->prev->next = timer->next;
		if (timer->next)
			timer->next->prev = timer->prev;
		t->root = meld(t->root, children);
	}
	timer->child = NULL;
	timer->next = NULL;
	timer->prev = NULL;
	timer->queued = false;
}

/* With the lock held and given back: calls what is due.  False: nothing is. */
static bool call_one(struct irq_timers *t) NO_LOCK_ANALYSIS
{
	struct irq_timer *timer = t->root;

	if (!timer || timer->deadline > os_monotonic_ns())
		return false;
	take_out(t, timer);
	t->running = timer;
	spin_unlock(&t->lock);
	timer->fire(timer);
	spin_lock(&t->lock);
	t->running = NULL;
	waitq_wake_all(&t->done);
	return true;
}

static void serve(void *arg)
{
	struct irq_timers *t = arg;
	uint32_t prepared;
	uint64_t now, ns;

	spin_lock(&t->lock);
	while (!t->stop) {
		prepared = waitq_prepare(&t->work);
		if (call_one(t))
			continue;
		t->sleeps_until = t->root ? t->root->deadline : ~0ull;
		now = os_monotonic_ns();
		ns = !t->root ? 0 : MAX(t->sleeps_until, now + 1) - now;
		spin_unlock(&t->lock);
		waitq_sleep(&t->work, prepared, ns);
		spin_lock(&t->lock);
		t->sleeps_until = 0;
	}
	t->ended = true;
	/* The destroyer lets this section end before it frees. */
	rcu_read_lock();
	spin_unlock(&t->lock);
	waitq_wake_all(&t->done);
	rcu_read_unlock();
}

struct irq_timers *irq_timers_create(void)
{
	struct irq_timers *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	spin_init(&t->lock, "timers", RANK_TIMERS);
	waitq_init(&t->work);
	waitq_init(&t->done);
	return t;
}

static bool has_ended(struct irq_timers *t)
{
	bool ended;

	spin_lock(&t->lock);
	ended = !t->started || t->ended;
	spin_unlock(&t->lock);
	return ended;
}

void irq_timers_destroy(struct irq_timers *t)
{
	if (!t)
		return;
	spin_lock(&t->lock);
	BUG_ON(t->root);
	t->stop = true;
	/* In a forked child the thread does not exist. */
	if (t->started && t->owner != os_pid())
		t->ended = true;
	spin_unlock(&t->lock);
	waitq_wake_all(&t->work);
	waitq_wait(&t->done, has_ended(t));
	if (t->started)
		rcu_synchronize();
	free(t);
}

void irq_timer_init(struct irq_timer *timer, struct irq_timers *timers,
		    void (*fire)(struct irq_timer *timer))
{
	*timer = (struct irq_timer){ .fire = fire, .timers = timers };
}

static void start(struct irq_timers *t)
{
	t->started = true;
	t->owner = os_pid();
	if (sync_start_worker(serve, t, "softcvm-timer")) {
		t->started = false;
		log_error("no thread for timers: this one does not fire");
	}
}

void irq_timer_arm(struct irq_timer *timer, uint64_t deadline)
{
	struct irq_timers *t = timer->timers;
	bool wake;

	spin_lock(&t->lock);
	if (timer->queued)
		take_out(t, timer);
	timer->deadline = deadline;
	timer->queued = true;
	t->root = meld(t->root, timer);
	wake = deadline < t->sleeps_until;
	if (!t->started && !t->stop)
		start(t);
	spin_unlock(&t->lock);
	if (wake)
		waitq_wake_all(&t->work);
}

/* Takes it out of the heap; true when its fire() is not under way. */
static bool is_idle(struct irq_timer *timer)
{
	struct irq_timers *t = timer->timers;
	bool idle;

	spin_lock(&t->lock);
	if (timer->queued)
		take_out(t, timer);
	idle = t->running != timer;
	spin_unlock(&t->lock);
	return idle;
}

void irq_timer_cancel(struct irq_timer *timer)
{
	waitq_wait(&timer->timers->done, is_idle(timer));
}
