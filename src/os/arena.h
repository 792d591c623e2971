/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * arena.h - all memory of the second build (SOFTCVM_CORO), put back in an
 * instant.
 *
 * os_map_private() and, by the names below, malloc() and its kin take from one
 * range of addresses.  os_arena_snapshot() remembers it as it is, with the
 * variables marked CORO_STATE and the virtual threads; os_arena_reset() copies
 * back the pages that any run since has written.  A page is learnt when it is
 * first written (one fault, once); after that there is no system call.
 *
 * Nothing is used again before the reset: what is freed is filled with a
 * pattern and stays so, and each block ends in a guard.  os_arena_check() says
 * whether somebody wrote there.
 *
 * Files of the second build are compiled with this header in front of them.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * Once a program; and again after somebody else has set handlers of SIGSEGV
 * (cmocka does for each test).  -ENOMEM.
 */
__attribute__((warn_unused_result)) int os_arena_open(void);

/* Thread 0, nobody else under way but sleeping daemons. */
void os_arena_snapshot(void);
void os_arena_reset(void);
/* Everything gone: as after the first os_arena_open(). */
void os_arena_clear(void);

/* NULL, or what is wrong with which block. */
const char *os_arena_check(void);

/* Pages that a reset copies. */
size_t os_arena_dirty_pages(void);
/* Bytes of living blocks and mappings: 0 when all has been given back. */
size_t os_arena_in_use(void);

/*
 * The range is mapped by pages of @level (PG_LEVEL_*, base/page.h) from now on, as
 * os_pages_ask() tells; the last such range counts, all else is 4K.
 */
void os_arena_map_huge(const void *start, size_t size, unsigned level);

void *os_arena_malloc(size_t size);
void *os_arena_calloc(size_t n, size_t size);
void *os_arena_realloc(void *p, size_t size);
void *os_arena_aligned_alloc(size_t align, size_t size);
void os_arena_free(void *p);

#define malloc		os_arena_malloc
#define calloc		os_arena_calloc
#define realloc		os_arena_realloc
#define aligned_alloc	os_arena_aligned_alloc
#define free		os_arena_free
