/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rcu_impl.h - the RCU below ours: liburcu, or the reference in C11.
 *
 * Sections nest, any thread may open one without registering, signal handlers
 * too.  The fork hooks are called in the forking thread.
 */
#pragma once

void rcu_impl_read_lock(void);
void rcu_impl_read_unlock(void);
void rcu_impl_synchronize(void);
void rcu_impl_before_fork(void);
void rcu_impl_after_fork_parent(void);
void rcu_impl_after_fork_child(void);
