/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * thread_coro.c - thread.c of the second build: threads are virtual, workers
 * are daemons, and there is no fork.
 */
#include <errno.h>
#include <stdlib.h>

#include "sync/sync_priv.h"
#include "sync/wait.h"

#define NR_SLOTS	2	/* some threads share one, some do not */

struct own {
	void	*slots[NR_THREAD_SLOTS];
};

PER_THREAD(struct own, own);

void *sync_thread_get(enum thread_slot slot)
{
	return MY(own).slots[slot];
}

void sync_thread_set(enum thread_slot slot, void *p)
{
	MY(own).slots[slot] = p;
}

unsigned sync_thread_number(void)
{
	return coro_self();
}

unsigned sync_nr_slots(void)
{
	return NR_SLOTS;
}

/* The arena's memory is zero as long as nobody has had it. */
void *sync_alloc_lines(size_t size)
{
	return aligned_alloc(64, ALIGN_UP(size, (size_t)64));
}

int sync_start_worker(void (*fn)(void *), void *arg, const char *name)
{
	int r = coro_start(fn, arg, name, true);

	return r < 0 ? r : 0;
}

int sync_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	return 0;
}
