/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * crowd.h - several threads that do the same thing at once, started together.
 */
#pragma once
#include <pthread.h>
#include <stddef.h>

#include "base/log.h"

#define CROWD_MAX	16

struct crowd_member {
	void			(*fn)(void *arg, unsigned who);
	void			*arg;
	unsigned		 who;
	pthread_barrier_t	*start;
};

static inline void *crowd_begin(void *arg)
{
	struct crowd_member *m = arg;

	pthread_barrier_wait(m->start);
	m->fn(m->arg, m->who);
	return NULL;
}

/* Runs fn(arg, 0..nr - 1) on threads of their own and waits for all. */
static inline void crowd_run(unsigned nr, void (*fn)(void *arg, unsigned who), void *arg)
{
	struct crowd_member member[CROWD_MAX];
	pthread_t thread[CROWD_MAX];
	pthread_barrier_t start;

	BUG_ON(nr > CROWD_MAX);
	pthread_barrier_init(&start, NULL, nr);
	for (unsigned i = 0; i < nr; i++) {
		member[i] = (struct crowd_member){ fn, arg, i, &start };
		BUG_ON(pthread_create(&thread[i], NULL, crowd_begin, &member[i]));
	}
	for (unsigned i = 0; i < nr; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&start);
}
