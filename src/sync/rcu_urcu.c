/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rcu_urcu.c - RCU by liburcu's bp flavour.
 *
 * liburcu's header and ours use the kernel's names for different things, so
 * this file sees ours only through the prototypes below.
 */
#include <urcu-bp.h>

#include "sync/rcu_impl.h"

void rcu_impl_read_lock(void)
{
	urcu_bp_read_lock();
}

void rcu_impl_read_unlock(void)
{
	urcu_bp_read_unlock();
}

void rcu_impl_synchronize(void)
{
	urcu_bp_synchronize_rcu();
}

void rcu_impl_before_fork(void)
{
	urcu_bp_before_fork();
}

void rcu_impl_after_fork_parent(void)
{
	urcu_bp_after_fork_parent();
}

void rcu_impl_after_fork_child(void)
{
	urcu_bp_after_fork_child();
}
