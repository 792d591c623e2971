/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * atomic.h - the only door to C11 atomics (with sync/ itself).
 *
 * Types are structs so that nobody reads one by accident.  Names say the
 * order: plain names are sequentially consistent read-modify-writes; loads
 * and stores say _relaxed, _acquire, _release.  Each step is a schedule point
 * in the explorer's build.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "os/coro.h"

typedef struct { _Atomic uint32_t v; } atomic32_t;
typedef struct { _Atomic uint64_t v; } atomic64_t;
typedef struct { _Atomic(void *) v; } atomicptr_t;

#define SYNC_DEFINE_ATOMIC(name, type, ctype)				\
static inline void name##_init(type *a, ctype v)			\
{ atomic_init(&a->v, v); }						\
static inline ctype name##_load_relaxed(const type *a)			\
{ CORO_STEP();								\
  return atomic_load_explicit(&((type *)a)->v, memory_order_relaxed); }	\
static inline ctype name##_load_acquire(const type *a)			\
{ CORO_STEP();								\
  return atomic_load_explicit(&((type *)a)->v, memory_order_acquire); }	\
static inline ctype name##_load(const type *a)				\
{ CORO_STEP();								\
  return atomic_load_explicit(&((type *)a)->v, memory_order_seq_cst); }	\
static inline void name##_store_relaxed(type *a, ctype v)		\
{ CORO_STEP();								\
  atomic_store_explicit(&a->v, v, memory_order_relaxed); }		\
static inline void name##_store_release(type *a, ctype v)		\
{ CORO_STEP();								\
  atomic_store_explicit(&a->v, v, memory_order_release); }		\
static inline void name##_store(type *a, ctype v)			\
{ CORO_STEP();								\
  atomic_store_explicit(&a->v, v, memory_order_seq_cst); }		\
static inline ctype name##_xchg(type *a, ctype v)			\
{ CORO_STEP();								\
  return atomic_exchange_explicit(&a->v, v, memory_order_seq_cst); }	\
/* True when won; *expected is refreshed when lost. */			\
static inline bool name##_cas(type *a, ctype *expected, ctype v)	\
{ CORO_STEP();								\
  return atomic_compare_exchange_strong(&a->v, expected, v); }

SYNC_DEFINE_ATOMIC(atomic32, atomic32_t, uint32_t)
SYNC_DEFINE_ATOMIC(atomic64, atomic64_t, uint64_t)
SYNC_DEFINE_ATOMIC(atomicptr, atomicptr_t, void *)

/* Each answers the value from before. */
#define SYNC_DEFINE_ARITH(name, type, ctype)				\
static inline ctype name##_add(type *a, ctype v)			\
{ CORO_STEP();								\
  return atomic_fetch_add_explicit(&a->v, v, memory_order_seq_cst); }	\
static inline ctype name##_sub(type *a, ctype v)			\
{ CORO_STEP();								\
  return atomic_fetch_sub_explicit(&a->v, v, memory_order_seq_cst); }	\
static inline ctype name##_or(type *a, ctype v)				\
{ CORO_STEP();								\
  return atomic_fetch_or_explicit(&a->v, v, memory_order_seq_cst); }	\
static inline ctype name##_and(type *a, ctype v)			\
{ CORO_STEP();								\
  return atomic_fetch_and_explicit(&a->v, v, memory_order_seq_cst); }

SYNC_DEFINE_ARITH(atomic32, atomic32_t, uint32_t)
SYNC_DEFINE_ARITH(atomic64, atomic64_t, uint64_t)

/* The word itself, for an instruction of os/ that only reads it. */
static inline const uint32_t *atomic32_word(const atomic32_t *a)
{
	return (const uint32_t *)(const void *)&a->v;
}

/*
 * The same steps on words that live in modelled physical memory, where no
 * _Atomic type can be declared: page-table entries.  @p is 8-byte aligned.
 */
static inline uint64_t sync_word_load(const uint64_t *p)
{
	CORO_STEP();
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void sync_word_store(uint64_t *p, uint64_t v)
{
	CORO_STEP();
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static inline bool sync_word_cas(uint64_t *p, uint64_t *expected, uint64_t v)
{
	CORO_STEP();
	return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_ACQUIRE);
}

static inline uint64_t sync_word_xchg(uint64_t *p, uint64_t v)
{
	CORO_STEP();
	return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);
}

static inline uint64_t sync_word_or(uint64_t *p, uint64_t v)
{
	CORO_STEP();
	return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);
}

static inline uint64_t sync_word_and(uint64_t *p, uint64_t v)
{
	CORO_STEP();
	return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);
}

/* Words of a page that another program writes too: each is read once. */
static inline uint32_t sync_word32_load(const uint32_t *p)
{
	CORO_STEP();
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void sync_word32_store(uint32_t *p, uint32_t v)
{
	CORO_STEP();
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/*
 * A number that one thread (and its signal handlers) adds to and anybody reads:
 * one instruction, no bus lock, and no schedule point, because nobody decides
 * by it.
 */
static inline void sync_count(uint64_t *p, uint64_t n)
{
#if UNDER_TSAN
	__atomic_fetch_add(p, n, __ATOMIC_RELAXED);
#else
	__asm__("addq %[n], %[p]" : [p] "+m" (*p) : [n] "er" (n) : "cc");
#endif
}

/* The same for a number that several threads add to. */
static inline void sync_count_shared(uint64_t *p, uint64_t n)
{
	__atomic_fetch_add(p, n, __ATOMIC_RELAXED);
}

static inline uint64_t sync_count_read(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* Orders everything before against everything after (smp_mb). */
static inline void sync_fence(void)
{
#if UNDER_TSAN	/* knows no fences; an exchange on the stack is one on x86 */
	atomic32_t here = { 0 };

	atomic32_xchg(&here, 1);
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline void sync_relax(void)
{
#if SOFTCVM_CORO
	coro_relax();
#else
	__builtin_ia32_pause();
#endif
}
