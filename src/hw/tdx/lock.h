/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lock.h - the TDX module's locks: shared or exclusive, and every one a try.
 * docs/facts/tdx-locks.tsv says which leaf takes which.
 *
 * Nobody waits, so nobody needs an order among them.  Each step is one atomic
 * operation and a schedule point of the explorer.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "sync/atomic.h"

enum tdx_lock_mode { TDX_SHARED, TDX_EXCLUSIVE };

/*
 * Where a lock knows host priority, a host that fails says so in the lock; from then
 * on guests are refused, until a host has had it.
 */
enum tdx_lock_result { TDX_LOCKED, TDX_LOCK_BUSY, TDX_LOCK_HOST_FIRST };

/* Bit 0 exclusive, bit 1 host priority (of locks that know it), readers above. */
struct tdx_lock {
	atomic32_t	v;
};

#define TDX_LOCK_EXCLUSIVE	1u
#define TDX_LOCK_PRIORITY	2u
#define TDX_LOCK_READER		4u

static inline uint32_t tdx_lock_step_(enum tdx_lock_mode mode, uint32_t v, uint32_t *next)
{
	const uint32_t blocked = mode == TDX_SHARED ? TDX_LOCK_EXCLUSIVE : ~TDX_LOCK_PRIORITY;

	*next = mode == TDX_SHARED ? v + TDX_LOCK_READER : v | TDX_LOCK_EXCLUSIVE;
	return v & blocked;
}

/* Without host priority. */
static inline enum tdx_lock_result tdx_try(struct tdx_lock *l, enum tdx_lock_mode mode)
{
	uint32_t v = atomic32_load(&l->v), next;

	do
		if (tdx_lock_step_(mode, v, &next))
			return TDX_LOCK_BUSY;
	while (!atomic32_cas(&l->v, &v, next));
	return TDX_LOCKED;
}

/* With it, as the host; takes the mark away, or leaves one. */
static inline enum tdx_lock_result tdx_try_host(struct tdx_lock *l, enum tdx_lock_mode mode)
{
	uint32_t v = atomic32_load(&l->v), next;
	bool busy;

	do {
		busy = tdx_lock_step_(mode, v, &next);
		next = busy ? v | TDX_LOCK_PRIORITY : next & ~TDX_LOCK_PRIORITY;
	} while (!atomic32_cas(&l->v, &v, next));
	return busy ? TDX_LOCK_BUSY : TDX_LOCKED;
}

static inline enum tdx_lock_result tdx_try_guest(struct tdx_lock *l, enum tdx_lock_mode mode)
{
	uint32_t v = atomic32_load(&l->v), next;

	do {
		if (tdx_lock_step_(mode, v, &next))
			return TDX_LOCK_BUSY;
		if (v & TDX_LOCK_PRIORITY)
			return TDX_LOCK_HOST_FIRST;
	} while (!atomic32_cas(&l->v, &v, next));
	return TDX_LOCKED;
}

/* The only reader becomes the owner.  False: there are others; still a reader. */
static inline bool tdx_try_promote(struct tdx_lock *l)
{
	uint32_t v = atomic32_load(&l->v);

	do
		if ((v & ~TDX_LOCK_PRIORITY) != TDX_LOCK_READER)
			return false;
	while (!atomic32_cas(&l->v, &v, (v & TDX_LOCK_PRIORITY) | TDX_LOCK_EXCLUSIVE));
	return true;
}

static inline void tdx_unlock(struct tdx_lock *l, enum tdx_lock_mode mode)
{
	if (mode == TDX_SHARED)
		atomic32_sub(&l->v, TDX_LOCK_READER);
	else
		atomic32_and(&l->v, ~TDX_LOCK_EXCLUSIVE);
}
