/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * load.h - vCPU threads borrow logical processors.
 *
 * One pool a machine.  A thread that finds none free waits in a queue; meanwhile
 * those who have had theirs for some milliseconds are kicked, and hand it to the
 * first of the queue (the scheduler's tick).  RANK_LP_POOL.
 */
#pragma once
#include <stdbool.h>

#include "base/macros.h"

struct hw;
struct vcpu;
struct lp_pool;

MUST_CHECK struct lp_pool *lp_pool_create(struct hw *hw);	/* NULL: no memory */
void lp_pool_destroy(struct lp_pool *pool);

/* Slots of encryption keys 1 to @nr are in use; nobody runs yet.  -ENOMEM. */
MUST_CHECK int lp_pool_add_keys(struct lp_pool *pool, unsigned nr);
/*
 * Was @v the last to run with @key on the processor that it is on?  It is, from
 * now on (the kernel's sev_vmcbs[]).
 */
MUST_CHECK bool lp_ran_last(const struct vcpu *v, unsigned key);
/* @key goes to another guest: nobody has run with it. */
void lp_pool_forget_key(struct lp_pool *pool, unsigned key);

/* May sleep.  The vCPU's last processor is preferred: its TLB is warm. */
void vcpu_load(struct vcpu *v);
void vcpu_put(struct vcpu *v);
/* True when the slice is over and somebody waits for a processor: put and load again. */
bool vcpu_should_yield(const struct vcpu *v);
