/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * macros.h - what the language lacks.
 */
#pragma once
#include <assert.h>
#include <stddef.h>

#define MUST_CHECK	__attribute__((warn_unused_result))
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define ALWAYS_INLINE	inline __attribute__((always_inline))
#define NOINLINE	__attribute__((noinline))
#define CACHE_ALIGNED	__attribute__((aligned(64)))
#define EXPORT		__attribute__((visibility("default")))

/* ThreadSanitizer: gcc defines the first name, clang answers the second. */
#ifdef __has_feature
#define UNDER_TSAN	__has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define UNDER_TSAN	1
#else
#define UNDER_TSAN	0
#endif

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
/* One access, not repeated: of memory that others write. */
#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define ALIGN_UP(x, a)	 (((x) + ((a) - 1)) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a) - 1)) == 0)
#define MIN(a, b)	 ((a) < (b) ? (a) : (b))
#define MAX(a, b)	 ((a) > (b) ? (a) : (b))
