/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rwlock.c - a reader-writer lock whose readers do not meet.
 *
 * A reader counts itself in its slot, then looks at the writer word; a writer
 * sets the word, then waits until every slot is zero.  Both are sequentially
 * consistent, so one of the two sees the other.
 *
 * Fairness: a set writer word holds new readers back, so readers cannot starve
 * a writer.  Readers who were held back are counted (held_back) until they are
 * in, and the next writer sets the word only when that count is zero, so
 * writers cannot starve a reader: once counted it waits for one writer.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/log.h"
#include "os/process.h"
#include "sync/lock.h"
#include "sync/sync_priv.h"
#include "sync/wait.h"

#define SPINS	SPINS_OF(200)

struct reader_slot {
	atomic32_t	nr;		/* read sections entered through this slot */
} CACHE_ALIGNED;

struct rwlock_state {
	/* Looked at by every reader, written by writers only. */
	struct CACHE_ALIGNED {
		atomic32_t	writer;		/* 1: held or wanted for writing */
		unsigned	mask;		/* number of slots - 1 */
	};
	/* The slow paths'. */
	struct CACHE_ALIGNED {
		atomic32_t	queue;		/* writers' turn: a raw lock */
		atomic32_t	held_back;	/* readers who met a writer and are not in yet */
		atomic32_t	nr_waiting;	/* threads that wait for anything here */
		atomic32_t	drained;	/* a futex: something that a writer awaits came */
	};
	struct reader_slot	slot[];
};

int rwlock_init(struct rwlock *l, const char *name, enum lock_rank rank)
{
	unsigned nr = sync_nr_slots();

	l->id = (struct lock_id){ .name = name, .rank = rank };
	l->state = sync_alloc_lines(sizeof(*l->state) + nr * sizeof(struct reader_slot));
	if (!l->state)
		return -ENOMEM;
	l->state->mask = nr - 1;
	return 0;
}

static bool has_readers(struct rwlock_state *st)
{
	for (unsigned i = 0; i <= st->mask; i++) {
		if (atomic32_load(&st->slot[i].nr))
			return true;
	}
	return false;
}

void rwlock_fini(struct rwlock *l)
{
	if (!l->state)
		return;
	if (atomic32_load(&l->state->writer) || has_readers(l->state))
		panic("rwlock \"%s\" is destroyed while held", l->id.name);
	free(l->state);
	l->state = NULL;
}

static struct reader_slot *my_slot(struct rwlock_state *st)
{
	return &st->slot[sync_thread_number() & st->mask];
}

static void tell_writer(struct rwlock_state *st)
{
	atomic32_add(&st->drained, 1);
	os_futex_wake(futex_word(&st->drained), INT_MAX);
}

static void leave_slot(struct rwlock_state *st, struct reader_slot *slot)
{
	if (atomic32_sub(&slot->nr, 1) == 1 && atomic32_load(&st->writer))
		tell_writer(st);
}

/* Until @word is zero.  Whoever makes it so after the writer came tells us. */
static void await_zero(struct rwlock_state *st, atomic32_t *word)
{
	for (unsigned i = 0; i < SPINS; i++) {
		if (!atomic32_load(word))
			return;
		sync_relax();
	}
	for (;;) {
		uint32_t seen = atomic32_load(&st->drained);

		if (!atomic32_load(word))
			return;
		os_futex_wait(futex_word(&st->drained), seen, 0);
	}
}

static bool try_enter(struct rwlock_state *st, struct reader_slot *slot)
{
	atomic32_add(&slot->nr, 1);
	if (likely(!atomic32_load(&st->writer)))
		return true;
	leave_slot(st, slot);
	return false;
}

static void read_lock_slow(struct rwlock_state *st, struct reader_slot *slot)
{
	atomic32_add(&st->held_back, 1);
	atomic32_add(&st->nr_waiting, 1);	/* who sees us wait knows that we are counted */
	do {
		for (unsigned i = 0; i < SPINS && atomic32_load_relaxed(&st->writer); i++)
			sync_relax();
		while (atomic32_load(&st->writer))
			os_futex_wait(futex_word(&st->writer), 1, 0);
	} while (!try_enter(st, slot));
	if (atomic32_sub(&st->held_back, 1) == 1)
		tell_writer(st);
	atomic32_sub(&st->nr_waiting, 1);
}

void read_lock(struct rwlock *l) NO_LOCK_ANALYSIS
{
	struct reader_slot *slot = my_slot(l->state);

	check_taking(l, &l->id, HELD_READ);
	if (unlikely(!try_enter(l->state, slot)))
		read_lock_slow(l->state, slot);
	check_taken(l, &l->id, HELD_READ, HERE);
}

void read_unlock(struct rwlock *l) NO_LOCK_ANALYSIS
{
	check_released(l, &l->id, HELD_READ);
	leave_slot(l->state, my_slot(l->state));
}

void write_lock(struct rwlock *l) NO_LOCK_ANALYSIS
{
	struct rwlock_state *st = l->state;

	check_taking(l, &l->id, HELD_WRITE);
	atomic32_add(&st->nr_waiting, 1);
	raw_lock(&st->queue, SPINS);
	await_zero(st, &st->held_back);
	atomic32_store(&st->writer, 1);
	for (unsigned i = 0; i <= st->mask; i++)
		await_zero(st, &st->slot[i].nr);
	atomic32_sub(&st->nr_waiting, 1);
	check_taken(l, &l->id, HELD_WRITE, HERE);
}

void write_unlock(struct rwlock *l) NO_LOCK_ANALYSIS
{
	struct rwlock_state *st = l->state;

	check_released(l, &l->id, HELD_WRITE);
	atomic32_store(&st->writer, 0);
	if (atomic32_load(&st->held_back))
		os_futex_wake(futex_word(&st->writer), INT_MAX);
	raw_unlock(&st->queue);
}

bool rwlock_is_contended(const struct rwlock *l)
{
#if SOFTCVM_CORO
	if (coro_clock.always_contended)
		return true;
#endif
	return atomic32_load_relaxed(&l->state->nr_waiting);
}
