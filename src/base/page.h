/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * page.h - page sizes and the levels of a page table, numbered as KVM does.
 */
#pragma once
#include <stdint.h>

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1ull << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))

enum pg_level {
	PG_LEVEL_NONE	= 0,
	PG_LEVEL_4K	= 1,
	PG_LEVEL_2M	= 2,
	PG_LEVEL_1G	= 3,
	PG_LEVEL_512G	= 4,
	PG_LEVEL_256T	= 5,
};

/* Largest level that a leaf may have. */
#define PG_LEVEL_MAX_LEAF	PG_LEVEL_1G

/* Bytes and 4K pages that one entry of @level covers. */
#define PG_LEVEL_SHIFT(level)	(PAGE_SHIFT + ((level) - 1) * 9)
#define PG_LEVEL_SIZE(level)	(1ull << PG_LEVEL_SHIFT(level))
#define PG_LEVEL_MASK(level)	(~(PG_LEVEL_SIZE(level) - 1))
#define PG_LEVEL_PAGES(level)	(1ull << (((level) - 1) * 9))
