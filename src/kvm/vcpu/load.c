/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/load.h"

#include <stdlib.h>

#include "hw/insn/cpu.h"
#include "hw/insn/machine.h"
#include "kvm/core/request.h"
#include "kvm/vcpu/vcpu.h"
#include "sync/lock.h"
#include "sync/wait.h"

#define TICK_NS		4000000ull	/* the slice when processors are short */

struct lp_pool {
	struct mutex	 lock;
	struct waitq	 freed;
	atomic32_t	 nr_waiting;
	unsigned	 nr;
	unsigned	 next_kick;
	struct cpu	*cpus[];	/* constant */
};

/* [lock] who has it; kept beside the constant part. */
struct lp_owner {
	struct vcpu	*vcpu;
};

static struct lp_owner *owners(struct lp_pool *p)
{
	return (struct lp_owner *)(void *)&p->cpus[p->nr];
}

struct lp_pool *lp_pool_create(struct hw *hw)
{
	unsigned nr = hw_config(hw)->nr_cpus;
	struct lp_pool *p = calloc(1, sizeof(*p) + nr * (sizeof(p->cpus[0]) +
							 sizeof(struct lp_owner)));

	if (!p)
		return NULL;
	mutex_init(&p->lock, "lp_pool", RANK_LP_POOL);
	waitq_init(&p->freed);
	p->nr = nr;
	for (unsigned i = 0; i < nr; i++)
		p->cpus[i] = hw_cpu(hw, i);
	return p;
}

void lp_pool_destroy(struct lp_pool *p)
{
	if (!p)
		return;
	mutex_fini(&p->lock);
	free(p);
}

static struct lp_pool *pool_of(const struct vcpu *v)
{
	return v->base.kvm->module->lp_pool;
}

static bool try_take(struct lp_pool *p, struct vcpu *v)
{
	struct lp_owner *o = owners(p);
	unsigned first = v->last_cpu < p->nr ? v->last_cpu : v->base.idx % p->nr;
	bool taken = false;

	mutex_lock(&p->lock);
	for (unsigned n = 0; n < p->nr && !taken; n++) {
		unsigned i = (first + n) % p->nr;

		if (o[i].vcpu)
			continue;
		o[i].vcpu = v;
		/* Another processor's TLB may hold what we flushed here. */
		if (v->last_cpu != i)
			kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
		v->last_cpu = i;
		atomicptr_store(&v->base.cpu, p->cpus[i]);
		taken = true;
	}
	mutex_unlock(&p->lock);
	return taken;
}

static void tick(struct lp_pool *p)
{
	mutex_lock(&p->lock);
	p->next_kick = (p->next_kick + 1) % p->nr;
	if (owners(p)[p->next_kick].vcpu)
		cpu_kick(p->cpus[p->next_kick]);
	mutex_unlock(&p->lock);
}

void vcpu_load(struct vcpu *v)
{
	struct lp_pool *p = pool_of(v);

	if (try_take(p, v))
		return;
	atomic32_add(&p->nr_waiting, 1);
	for (;;) {
		uint32_t prepared = waitq_prepare(&p->freed);

		if (try_take(p, v))
			break;
		waitq_sleep(&p->freed, prepared, TICK_NS);
		tick(p);
	}
	atomic32_sub(&p->nr_waiting, 1);
}

void vcpu_put(struct vcpu *v)
{
	struct lp_pool *p = pool_of(v);

	if (v->base.stat.exits != v->exits_at_put) {
		v->exits_at_put = v->base.stat.exits;
		KVM_VCPU_COUNT(&v->base, host_state_reload);
	}
	mutex_lock(&p->lock);
	atomicptr_store(&v->base.cpu, NULL);
	owners(p)[v->last_cpu].vcpu = NULL;
	mutex_unlock(&p->lock);
	if (atomic32_load(&p->nr_waiting))
		waitq_wake_all(&p->freed);
}

bool vcpu_should_yield(const struct vcpu *v)
{
	return atomic32_load_relaxed(&pool_of(v)->nr_waiting) > 0;
}
