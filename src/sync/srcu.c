/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * srcu.c - sleepable RCU: two generations of counters, a pair in each slot.
 *
 * A section counts itself in under the parity of `gp` that it saw and out
 * under the same; entries and exits are counted apart, because the exit may be
 * on another thread and so in another slot.  A generation has no reader when
 * the sum of its exits, read first, equals the sum of its entries.
 *
 * synchronize waits for the idle generation (late readers who saw the parity
 * before the flip before this one), flips, and waits for the other.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/log.h"
#include "sync/rcu.h"
#include "sync/sync_priv.h"
#include "sync/wait.h"

#define SPINS	SPINS_OF(200)

struct section_slot {
	atomic64_t	entered[2];
	atomic64_t	left[2];
} CACHE_ALIGNED;

struct srcu_state {
	/* Looked at by every reader. */
	struct CACHE_ALIGNED {
		atomic32_t	gp;		/* its parity is the current generation */
		atomic32_t	awaited;	/* somebody sleeps in synchronize */
		unsigned	mask;		/* number of slots - 1 */
	};
	struct CACHE_ALIGNED {
		atomic32_t	turn;		/* synchronize, one at a time: a raw lock */
		atomic64_t	nr_done;	/* grace periods that have ended */
		struct waitq	drained;
	};
	struct section_slot	slot[];
};

/* A reader writes to its slot only, and nobody else's is on that line. */
#define LINE	64u
static_assert(sizeof(struct section_slot) % LINE == 0, "a slot has lines of its own");
static_assert(offsetof(struct srcu_state, slot) % LINE == 0, "so has the first one");
static_assert(offsetof(struct srcu_state, turn) / LINE != offsetof(struct srcu_state, gp) / LINE,
	      "what synchronize writes is on no line that readers look at");

int srcu_init(struct srcu *s)
{
	unsigned nr = sync_nr_slots();

	s->state = sync_alloc_lines(sizeof(*s->state) + nr * sizeof(struct section_slot));
	if (!s->state)
		return -ENOMEM;
	s->state->mask = nr - 1;
	return 0;
}

static bool has_readers(struct srcu_state *st, unsigned idx)
{
	uint64_t entered = 0, left = 0;

	for (unsigned i = 0; i <= st->mask; i++)
		left += atomic64_load(&st->slot[i].left[idx]);
	for (unsigned i = 0; i <= st->mask; i++)
		entered += atomic64_load(&st->slot[i].entered[idx]);
	return entered != left;
}

void srcu_fini(struct srcu *s)
{
	if (!s->state)
		return;
	if (has_readers(s->state, 0) || has_readers(s->state, 1))
		panic("an srcu is destroyed while read");
	free(s->state);
	s->state = NULL;
}

static struct section_slot *my_slot(struct srcu_state *st)
{
	return &st->slot[sync_thread_number() & st->mask];
}

int srcu_down_read(struct srcu *s)
{
	unsigned idx = atomic32_load(&s->state->gp) & 1;

	atomic64_add(&my_slot(s->state)->entered[idx], 1);
	return (int)idx;
}

void srcu_up_read(struct srcu *s, int idx)
{
	atomic64_add(&my_slot(s->state)->left[idx], 1);
	if (unlikely(atomic32_load(&s->state->awaited)))
		waitq_wake_all(&s->state->drained);
}

int srcu_read_lock(struct srcu *s)
{
	check_taken(s, NULL, HELD_SRCU, HERE);
	return srcu_down_read(s);
}

void srcu_read_unlock(struct srcu *s, int idx)
{
	check_released(s, NULL, HELD_SRCU);
	srcu_up_read(s, idx);
}

static void await_readers(struct srcu_state *st, unsigned idx)
{
	for (unsigned i = 0; i < SPINS; i++) {
		if (!has_readers(st, idx))
			return;
		sync_relax();
	}
	atomic32_store(&st->awaited, 1);
	waitq_wait(&st->drained, !has_readers(st, idx));
	atomic32_store(&st->awaited, 0);
}

void srcu_synchronize(struct srcu *s)
{
	struct srcu_state *st = s->state;
	uint64_t before = atomic64_load(&st->nr_done);
	unsigned idx;

	if (check_is_held(s, HELD_SRCU))
		panic("srcu_synchronize inside a section of the same srcu");
	CORO_WAITING("another's grace period");
	raw_lock(&st->turn, SPINS);
	CORO_WAITING("readers (a grace period)");
	/* The second of two that ended since began after we came: ours too. */
	if (atomic64_load(&st->nr_done) - before < 2) {
		idx = atomic32_load(&st->gp) & 1;
		await_readers(st, idx ^ 1);
		atomic32_add(&st->gp, 1);
		await_readers(st, idx);
		atomic64_add(&st->nr_done, 1);
	}
	raw_unlock(&st->turn);
	CORO_WAITING(NULL);
}
