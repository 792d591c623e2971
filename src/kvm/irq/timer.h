/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * timer.h - deadlines: one thread a machine calls what is due.
 *
 * The thread starts with the first timer that is armed and sleeps until the
 * earliest deadline.  Storage is the caller's.  Arming makes a system call
 * only when the deadline is earlier than what the thread sleeps for.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct irq_timers;

struct irq_timer {
	void		(*fire)(struct irq_timer *timer);
	struct irq_timers *timers;
	uint64_t	 deadline;	/* CLOCK_MONOTONIC, ns */
	bool		 queued;
	/* a pairing heap: first child, next sibling, parent or previous sibling */
	struct irq_timer *child, *next, *prev;
};

MUST_CHECK struct irq_timers *irq_timers_create(void);	/* NULL: no memory */
/* No timer is queued.  Ends the thread. */
void irq_timers_destroy(struct irq_timers *timers);

/* @fire runs on the thread, no lock held; it may arm its own timer again. */
void irq_timer_init(struct irq_timer *timer, struct irq_timers *timers,
		    void (*fire)(struct irq_timer *timer));

/* At @deadline, or as soon as possible; takes the place of an earlier arming. */
void irq_timer_arm(struct irq_timer *timer, uint64_t deadline);

/*
 * Afterwards it is not queued and @fire is not running.  Not from @fire, nor
 * with a lock that @fire takes.
 */
void irq_timer_cancel(struct irq_timer *timer);
