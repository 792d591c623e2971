/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * arena_pages.c - os/pages.h of the second build: there is no kernel to ask,
 * so a test says by what pages the arena's "host" maps a range.  All of it is
 * there and can be written.
 */
#include "os/arena.h"

#include "os/coro.h"
#include "os/pages.h"

static uintptr_t huge_start CORO_STATE, huge_end CORO_STATE;
static uint8_t huge_level CORO_STATE;

void os_arena_map_huge(const void *start, size_t size, unsigned level)
{
	huge_start = (uintptr_t)start;
	huge_end = huge_start + size;
	huge_level = (uint8_t)level;
}

void os_pages_ask(const void *at, struct os_pages *out)
{
	uintptr_t a = (uintptr_t)at;

	CORO_STEP();
	memset(out, 0, sizeof(*out));
	memset(out->writable, 0xff, sizeof(out->writable));
	out->level = a >= huge_start && a < huge_end ? huge_level : PG_LEVEL_4K;
}
