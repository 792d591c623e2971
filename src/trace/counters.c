/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * counters.c - shards picked by thread, so that adding stays in one
 * processor's cache; a shard outlives its threads, so nothing is lost.
 */
#include "trace/counters.h"

#include <stdlib.h>
#include <string.h>

#include "os/process.h"
#include "sync/atomic.h"
#include "sync/wait.h"

struct shard {
	atomic64_t	value[NR_COUNTERS];
} CACHE_ALIGNED;

struct counters {
	unsigned	nr_shards;	/* a power of two */
	struct shard	shard[];
};

struct counters *counters_create(void)
{
	unsigned nr = 1;
	struct counters *c;
	size_t size;

	while (nr < os_nr_cpus() * 2)
		nr *= 2;
	size = sizeof(*c) + nr * sizeof(struct shard);
	c = aligned_alloc(64, size);
	if (!c)
		return NULL;
	memset(c, 0, size);
	c->nr_shards = nr;
	return c;
}

void counters_destroy(struct counters *c)
{
	free(c);
}

void counter_add(struct counters *c, enum counter_id id, uint64_t n)
{
	atomic64_add(&c->shard[sync_thread_number() & (c->nr_shards - 1)].value[id], n);
}

uint64_t counter_read(const struct counters *c, enum counter_id id)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < c->nr_shards; i++)
		sum += atomic64_load_relaxed(&c->shard[i].value[id]);
	return sum;
}

const char *counter_name(enum counter_id id)
{
	static const char *const name[] = {
#define AS_NAME(id, name) [COUNTER_##id] = name,
		TRACE_COUNTERS(AS_NAME)
#undef AS_NAME
	};

	return name[id];
}
