/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load.c - a free processor is taken with one compare-exchange.  Who finds none
 * queues; a free processor wakes the first in the queue, one whose slice is over
 * is handed to it.
 */
#include "kvm/vcpu/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "hw/insn/cpu.h"
#include "hw/insn/machine.h"
#include "kvm/core/request.h"
#include "kvm/vcpu/vcpu.h"
#include "os/clock.h"
#include "sync/lock.h"
#include "sync/wait.h"

#define TICK_NS		4000000ull	/* a slice is one to two of them, when processors are short */

/* Keys: [c] constant, [a] atomic, [l] the pool's lock, [o] written by the owner. */
struct lp {
	struct cpu	*cpu;		/* [c] */
	atomicptr_t	 owner;		/* [a] struct vcpu, NULL: free */
	atomic32_t	 since;		/* [o] the tick at which it was taken */
	atomic32_t	 slice_over;	/* [a] its owner gives it up at the next exit */
} CACHE_ALIGNED;

struct lp_pool {
	struct mutex	 lock;		/* RANK_LP_POOL */
	struct list	 waiters;	/* [l] struct waiter, first come first */
	atomic32_t	 nr_waiting;	/* [a] in the list */
	atomic64_t	 last_tick;	/* [a] ns */
	atomic32_t	 nr_ticks;	/* [a] */
	unsigned	 nr;		/* [c] */
	unsigned	 nr_keys;	/* [c] once there is a VM */
	atomicptr_t	*last;		/* [c] by processor, then key: [a] struct vcpu, who ran last */
	struct lp	 lp[];
};

/* On the waiting thread's stack; gone when it has left the list. */
struct waiter {
	struct list	 link;		/* [l] */
	struct vcpu	*v;
	atomicptr_t	 given;		/* [a] struct lp; set with [l], once */
	struct waitq	 wake;		/* woken with [l] */
};

struct lp_pool *lp_pool_create(struct hw *hw)
{
	unsigned nr = hw_config(hw)->nr_cpus;
	size_t size = ALIGN_UP(sizeof(struct lp_pool) + nr * sizeof(struct lp), 64ul);
	struct lp_pool *p = aligned_alloc(64, size);

	if (!p)
		return NULL;
	memset(p, 0, size);
	mutex_init(&p->lock, "lp_pool", RANK_LP_POOL);
	list_init(&p->waiters);
	p->nr = nr;
	for (unsigned i = 0; i < nr; i++)
		p->lp[i].cpu = hw_cpu(hw, i);
	return p;
}

void lp_pool_destroy(struct lp_pool *p)
{
	if (!p)
		return;
	mutex_fini(&p->lock);
	free(p->last);
	free(p);
}

static atomicptr_t *last_of(struct lp_pool *p, unsigned cpu, unsigned key)
{
	return &p->last[(size_t)cpu * (p->nr_keys + 1) + key];
}

int lp_pool_add_keys(struct lp_pool *p, unsigned nr)
{
	p->last = calloc((size_t)p->nr * (nr + 1), sizeof(*p->last));
	p->nr_keys = nr;
	return p->last ? 0 : -ENOMEM;
}

void lp_pool_forget_key(struct lp_pool *p, unsigned key)
{
	for (unsigned i = 0; i < p->nr; i++)
		atomicptr_store(last_of(p, i, key), NULL);
}

static struct lp_pool *pool_of(const struct vcpu *v)
{
	return v->base.kvm->module->lp_pool;
}

bool lp_ran_last(const struct vcpu *v, unsigned key)
{
	atomicptr_t *last = last_of(pool_of(v), v->last_cpu, key);
	bool is_same = atomicptr_load(last) == v;

	if (!is_same)
		atomicptr_store(last, (void *)v);
	return is_same;
}

/* A free processor, now @v's; NULL: none. */
static struct lp *try_take(struct lp_pool *p, struct vcpu *v)
{
	unsigned first = v->last_cpu < p->nr ? v->last_cpu : v->base.idx % p->nr;

	for (unsigned n = 0; n < p->nr; n++) {
		struct lp *lp = &p->lp[first + n < p->nr ? first + n : first + n - p->nr];
		void *nobody = NULL;

		if (!atomicptr_load_relaxed(&lp->owner) && atomicptr_cas(&lp->owner, &nobody, v))
			return lp;
	}
	return NULL;
}

static bool any_is_free(const struct lp_pool *p)
{
	for (unsigned i = 0; i < p->nr; i++)
		if (!atomicptr_load(&p->lp[i].owner))
			return true;
	return false;
}

/* @lp is @v's; its thread. */
static void settle(struct lp_pool *p, struct vcpu *v, struct lp *lp)
{
	unsigned i = (unsigned)(lp - p->lp);

	atomic32_store_relaxed(&lp->since, atomic32_load_relaxed(&p->nr_ticks));
	if (unlikely(atomic32_load_relaxed(&lp->slice_over)))
		atomic32_store_relaxed(&lp->slice_over, 0);
	/* Another processor's TLB may hold what we flushed here. */
	if (v->last_cpu != i)
		kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	v->last_cpu = i;
	/* Entering guest mode orders this before the look at requests and signals. */
	atomicptr_store_release(&v->base.cpu, lp->cpu);
}

/* The lock is held.  Who was first and has been given nothing yet, or NULL. */
static struct waiter *first_waiter(struct lp_pool *p)
{
	for (struct list *l = p->waiters.next; l != &p->waiters; l = l->next) {
		struct waiter *w = container_of(l, struct waiter, link);

		if (!atomicptr_load_relaxed(&w->given))
			return w;
	}
	return NULL;
}

/* Nobody owns a processor: the first waiter may try. */
static void wake_first(struct lp_pool *p)
{
	struct waiter *w;

	mutex_lock(&p->lock);
	w = first_waiter(p);
	if (w)
		waitq_wake_all(&w->wake);
	mutex_unlock(&p->lock);
}

/* The owner's; false: nobody wants it. */
static bool hand_over(struct lp_pool *p, struct lp *lp)
{
	struct waiter *w;

	mutex_lock(&p->lock);
	w = first_waiter(p);
	if (w) {
		atomicptr_store(&lp->owner, w->v);
		atomicptr_store(&w->given, lp);
		waitq_wake_all(&w->wake);
	}
	mutex_unlock(&p->lock);
	return w;
}

/* Of the store and the look, and of a waiter's entry and its try, one sees the other. */
static void give_up(struct lp_pool *p, struct lp *lp)
{
	if (unlikely(atomic32_load_relaxed(&lp->slice_over)) && hand_over(p, lp))
		return;
	atomicptr_store(&lp->owner, NULL);
	if (unlikely(atomic32_load(&p->nr_waiting)))
		wake_first(p);
}

/* Whoever has had a processor for a whole tick has to leave it. */
static void tick(struct lp_pool *p)
{
	uint64_t now = os_monotonic_ns(), last = atomic64_load(&p->last_tick);
	uint32_t nr;

	if (now - last < TICK_NS || !atomic64_cas(&p->last_tick, &last, now))
		return;
	nr = atomic32_add(&p->nr_ticks, 1) + 1;
	for (unsigned i = 0; i < p->nr; i++) {
		struct lp *lp = &p->lp[i];

		if (!atomicptr_load_relaxed(&lp->owner) ||
		    nr - atomic32_load_relaxed(&lp->since) < 2)
			continue;
		atomic32_store_relaxed(&lp->slice_over, 1);
		cpu_kick(lp->cpu);
	}
}

static NOINLINE struct lp *wait_turn(struct lp_pool *p, struct vcpu *v)
{
	struct waiter w = { .v = v };
	struct lp *lp = NULL, *given;

	waitq_init(&w.wake);
	mutex_lock(&p->lock);
	list_add_tail(&p->waiters, &w.link);
	atomic32_add(&p->nr_waiting, 1);
	mutex_unlock(&p->lock);
	while (!lp && !atomicptr_load(&w.given)) {
		uint32_t prepared = waitq_prepare(&w.wake);

		lp = try_take(p, v);
		if (lp || atomicptr_load(&w.given))
			break;
		waitq_sleep(&w.wake, prepared, TICK_NS);
		tick(p);
	}
	mutex_lock(&p->lock);
	list_del(&w.link);
	atomic32_sub(&p->nr_waiting, 1);
	given = atomicptr_load_relaxed(&w.given);
	mutex_unlock(&p->lock);
	if (!lp)
		return given;
	if (given)			/* two at once */
		give_up(p, given);
	else if (atomic32_load(&p->nr_waiting) && any_is_free(p))
		wake_first(p);		/* its call was for us too */
	return lp;
}

void vcpu_load(struct vcpu *v)
{
	struct lp_pool *p = pool_of(v);
	struct lp *lp = try_take(p, v);

	settle(p, v, lp ? lp : wait_turn(p, v));
}

void vcpu_put(struct vcpu *v)
{
	struct lp_pool *p = pool_of(v);

	if (v->base.stat.exits != v->exits_at_put) {
		v->exits_at_put = v->base.stat.exits;
		KVM_VCPU_COUNT(&v->base, host_state_reload);
	}
	atomicptr_store_release(&v->base.cpu, NULL);
	give_up(p, &p->lp[v->last_cpu]);
}

bool vcpu_should_yield(const struct vcpu *v)
{
	const struct lp_pool *p = pool_of(v);

	return unlikely(atomic32_load_relaxed(&p->nr_waiting)) &&
	       atomic32_load_relaxed(&p->lp[v->last_cpu].slice_over);
}
