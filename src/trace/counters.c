/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * counters.c - shards picked by thread, so that adding stays in one
 * processor's cache; a shard outlives its threads, so nothing is lost.
 *
 * The first NR_OWN threads have a shard each, to which one instruction without
 * a bus lock adds; the rest share some.
 */
#include "trace/counters.h"

#include <stdlib.h>
#include <string.h>

#include "os/process.h"
#include "sync/atomic.h"
#include "sync/wait.h"

#define IN_A_LINE	(64 / sizeof(uint64_t))
#define NR_OWN		64u

struct counters {
	unsigned	nr_shared;	/* shards after those of one thread: a power of two */
	unsigned	stride;		/* from one shard to the next: whole lines */
	uint64_t	value[] CACHE_ALIGNED;
};

static size_t size_of(unsigned nr_shared, unsigned nr_values)
{
	unsigned stride = ALIGN_UP(nr_values, (unsigned)IN_A_LINE);

	return sizeof(struct counters) + (NR_OWN + nr_shared) * stride * sizeof(uint64_t);
}

struct counters *counters_place(void *at, size_t size, unsigned nr_values)
{
	struct counters *c = at;
	unsigned nr = 1;

	if (size_of(nr, nr_values) > size)
		return NULL;
	while (size_of(nr * 2, nr_values) <= size)
		nr *= 2;
	c->nr_shared = nr;
	c->stride = ALIGN_UP(nr_values, (unsigned)IN_A_LINE);
	return c;
}

struct counters *counters_create(unsigned nr_values)
{
	unsigned nr = 1;
	size_t size;
	void *at;

	while (nr < os_nr_cpus() * 2)
		nr *= 2;
	size = ALIGN_UP(size_of(nr, nr_values), (size_t)64);
	at = aligned_alloc(64, size);
	if (!at)
		return NULL;
	memset(at, 0, size);
	return counters_place(at, size, nr_values);
}

void counters_destroy(struct counters *c)
{
	free(c);
}

void counter_add(struct counters *c, unsigned id, uint64_t n)
{
	unsigned thread = sync_thread_number();

	if (likely(thread < NR_OWN))
		sync_count(&c->value[thread * c->stride + id], n);
	else
		sync_count_shared(&c->value[(NR_OWN + (thread & (c->nr_shared - 1))) * c->stride +
					    id], n);
}

uint64_t counter_read(const struct counters *c, unsigned id)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < NR_OWN + c->nr_shared; i++)
		sum += sync_count_read(&c->value[i * c->stride + id]);
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
