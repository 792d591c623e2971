/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ring.c - an event becomes a record in the thread's own ring.
 */
#include <string.h>

#include "os/clock.h"
#include "os/memory.h"
#include "os/process.h"
#include "base/page.h"
#include "trace/trace_priv.h"

static const uint8_t nr_args[] = {
#define TRACE_EVENT(system, name, nr, text) [TRACE_##name] = nr,
#include "trace/events.def"
#undef TRACE_EVENT
};

/* The thread's own number is asked of the kernel once. */
static uint32_t my_tid(void)
{
	uintptr_t tid = (uintptr_t)sync_thread_get(THREAD_TID);

	if (unlikely(!tid)) {
		tid = (uintptr_t)os_tid();
		sync_thread_set(THREAD_TID, (void *)tid);
	}
	return (uint32_t)tid;
}

static struct trace_ring *my_ring(struct trace *t)
{
	unsigned n = sync_thread_number();
	struct trace_ring *r;

	if (unlikely(n >= MAX_RINGS))
		return NULL;
	r = atomicptr_load_acquire(&t->ring[n]);
	if (likely(r))
		return r;
	r = os_map_inherited(ALIGN_UP(sizeof(*r), (size_t)PAGE_SIZE));
	if (r)
		atomicptr_store_release(&t->ring[n], r);
	return r;
}

void trace_emit(struct trace *t, enum trace_event e, const uint64_t *args)
{
	struct trace_record *rec;
	struct trace_ring *r;
	uint64_t head;

	if (!(t->on[e / 64] & 1ull << e % 64))
		return;
	r = my_ring(t);
	if (unlikely(!r)) {
		atomic64_add(&t->nr_homeless, 1);
		return;
	}
	head = atomic64_load_relaxed(&r->head);
	if (unlikely(head - atomic64_load_acquire(&r->tail) >= RING_RECORDS)) {
		r->lost++;
		atomic64_store_relaxed(&r->nr_lost, atomic64_load_relaxed(&r->nr_lost) + 1);
		return;
	}
	rec = &r->record[head % RING_RECORDS];
	rec->ns = os_monotonic_ns();
	rec->event = (uint16_t)e;
	rec->cpu = (uint16_t)os_cpu_now();
	rec->tid = my_tid();
	rec->lost = r->lost;
	memcpy(rec->arg, args, nr_args[e] * sizeof(*args));
	r->lost = 0;
	atomic64_store_release(&r->head, head + 1);
}
