/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * check.c - the lock checker: what each thread holds, and whether it may.
 */
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "sync/held.h"
#include "sync/lock.h"
#include "sync/sync_priv.h"

#if SYNC_LOCKCHECK

#define FIRST_ROOM	16	/* more than that is allocated */
#define DEEPEST		32	/* frames of a printed stack */

struct held {
	const void		*lock;
	const struct lock_id	*id;	/* NULL: SRCU */
	const void		*from;	/* the code that took it */
	enum held_kind		 kind;
};

struct held_list {
	struct held	*more;		/* NULL while `first` suffices */
	size_t		 nr, room;
	unsigned	 rcu_depth;
	struct held	 first[FIRST_ROOM];
};

PER_THREAD(struct held_list, mine);
#define mine	MY(mine)
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct held *entries(void)
{
	return mine.more ? mine.more : mine.first;
}

static void forget(void *more)
{
	if (mine.more != more)
		return;
	for (size_t i = 0; i < MIN(mine.nr, (size_t)FIRST_ROOM); i++)
		mine.first[i] = mine.more[i];
	mine.more = NULL;
	free(more);
}

static void make_key(void)
{
	if (pthread_key_create(&key, forget))
		panic("no thread key for the lock checker");
}

static void grow(void)
{
	size_t room = mine.room ? mine.room * 2 : FIRST_ROOM * 2;
	struct held *more = realloc(mine.more, room * sizeof(*more));

	if (!more)
		panic("no memory for the lock checker");
	if (!mine.more) {
		for (size_t i = 0; i < mine.nr; i++)
			more[i] = mine.first[i];
	}
	mine.more = more;
	mine.room = room;
	pthread_once(&once, make_key);
	pthread_setspecific(key, more);
}

static const char *kind_name(enum held_kind kind)
{
	static const char *const name[] = {
		[HELD_MUTEX] = "mutex", [HELD_SPIN] = "spinlock", [HELD_READ] = "read side of",
		[HELD_WRITE] = "write side of", [HELD_SRCU] = "srcu section",
	};

	return name[kind];
}

/* "@what: KIND "NAME" (rank N)", with @h also who is in the way; and where. */
static _Noreturn void stop(const char *what, const struct lock_id *id, enum held_kind kind,
			   const struct held *h)
{
	static const struct lock_id unnamed = { .name = "srcu", .rank = -1 };
	const struct lock_id *other = h && h->id ? h->id : &unnamed;
	void *stack[DEEPEST];

	if (!id)
		id = &unnamed;
	log_error("stopped here:");
	backtrace_symbols_fd(stack, backtrace(stack, DEEPEST), STDERR_FILENO);
	if (!h)
		panic("%s: %s \"%s\" (rank %d)", what, kind_name(kind), id->name, (int)id->rank);
	log_error("\"%s\" was taken here:", other->name);
	backtrace_symbols_fd((void *const *)&h->from, 1, STDERR_FILENO);
	panic("%s: %s \"%s\" (rank %d) while holding %s \"%s\" (rank %d)", what,
	      kind_name(kind), id->name, (int)id->rank, kind_name(h->kind), other->name,
	      (int)other->rank);
}

/* Nothing of @limit or above may be held. */
static void check_order(const void *lock, const struct lock_id *id, enum held_kind kind,
			enum lock_rank limit)
{
	const struct held *h = entries();

	CORO_WAITING(id->name);
	for (size_t i = 0; i < mine.nr; i++) {
		if (h[i].lock == lock)
			stop("lock taken twice", id, kind, &h[i]);
		if (h[i].id && h[i].id->rank >= limit)
			stop("lock order", id, kind, &h[i]);
	}
	if (kind == HELD_MUTEX && mine.rcu_depth)
		stop("sleeping lock inside an RCU section", id, kind, NULL);
}

void check_taking(const void *lock, const struct lock_id *id, enum held_kind kind)
{
	check_order(lock, id, kind, id->rank);
}

void check_taking_nested(const void *lock, const struct lock_id *id, enum held_kind kind)
{
	check_order(lock, id, kind, id->rank + 1);
}

void check_taken(const void *lock, const struct lock_id *id, enum held_kind kind, const void *from)
{
	CORO_WAITING(NULL);
	if (mine.nr == (mine.more ? mine.room : FIRST_ROOM))
		grow();
	entries()[mine.nr++] = (struct held){
		.lock = lock, .id = id, .from = from, .kind = kind,
	};
}

void check_released(const void *lock, const struct lock_id *id, enum held_kind kind)
{
	struct held *h = entries();

	for (size_t i = mine.nr; i-- > 0; ) {
		if (h[i].lock != lock || h[i].kind != kind)
			continue;
		for (mine.nr--; i < mine.nr; i++)
			h[i] = h[i + 1];
		return;
	}
	stop("unlock of what this thread does not hold", id, kind, NULL);
}

bool check_is_held(const void *lock, enum held_kind kind)
{
	const struct held *h = entries();

	for (size_t i = 0; i < mine.nr; i++) {
		if (h[i].lock == lock && h[i].kind == kind)
			return true;
	}
	return false;
}

void check_rcu_enter(void)
{
	mine.rcu_depth++;
}

void check_rcu_leave(void)
{
	if (!mine.rcu_depth)
		panic("rcu_read_unlock outside a read section");
	mine.rcu_depth--;
}

unsigned check_rcu_depth(void)
{
	return mine.rcu_depth;
}

#if SOFTCVM_CORO
void check_describe(unsigned thread, char *text, size_t size)
{
	const struct held_list *l = &mine_of[thread];
	const struct held *h = l->more ? l->more : l->first;
	size_t at = 0;

	*text = 0;
	for (size_t i = 0; i < l->nr && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s%s%s", i ? ", " : "",
				       kind_name(h[i].kind), h[i].id ? " " : "",
				       h[i].id ? h[i].id->name : "");
}
#endif

static void assert_held(bool held, const struct lock_id *id, enum held_kind kind)
{
	if (unlikely(!held))
		stop("not held", id, kind, NULL);
}

void lock_assert_held_mutex(const struct mutex *m)
{
	assert_held(check_is_held(m, HELD_MUTEX), &m->id, HELD_MUTEX);
}

void lock_assert_held_spin(const struct spinlock *s)
{
	assert_held(check_is_held(s, HELD_SPIN), &s->id, HELD_SPIN);
}

void lock_assert_held_read(const struct rwlock *l)
{
	assert_held(check_is_held(l, HELD_READ) || check_is_held(l, HELD_WRITE), &l->id, HELD_READ);
}

void lock_assert_held_write(const struct rwlock *l)
{
	assert_held(check_is_held(l, HELD_WRITE), &l->id, HELD_WRITE);
}

void lock_assert_none_held(void)
{
	const struct held *h = entries();

	if (mine.rcu_depth)
		panic("may block, but is inside an RCU section");
	if (mine.nr) {
		h += mine.nr - 1;
		stop("may block, but is held", h->id, h->kind, h);
	}
}

#else

void lock_assert_held_mutex(const struct mutex *m)
{
}

void lock_assert_held_spin(const struct spinlock *s)
{
}

void lock_assert_held_read(const struct rwlock *l)
{
}

void lock_assert_held_write(const struct rwlock *l)
{
}

void lock_assert_none_held(void)
{
}

#endif
