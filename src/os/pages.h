/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pages.h - what the kernel's page tables say about memory of this process:
 * how large a mapping is, and which of its pages a write would find ready.
 *
 * Asked of the kernel (/proc/self/pagemap since Linux 6.7, /proc/self/maps by
 * PROCMAP_QUERY since 6.11), by system calls, so not once a fault.  An answer
 * is true for as long as nobody changes the mapping.  docs/adr/0004.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/page.h"

#define OS_PAGES_LEVEL	PG_LEVEL_2M
#define OS_PAGES	512u		/* pages that one question is about */

struct os_pages {
	/* Of the one mapping that all of them lie in: PG_LEVEL_4K, 2M or 1G. */
	uint8_t		level;
	/* All of them are the kernel's huge page of zeros: the first write changes the level. */
	bool		is_zero;
	/* hugetlb: the kernel maps it by pages of this size, or not at all. */
	bool		is_fixed;
	/* Pages that are there, and that a write needs neither a copy of nor leave for. */
	uint64_t	writable[OS_PAGES / 64];
};

/*
 * About the 2 MiB around @at.  Where the kernel cannot be asked the least is
 * said: 4K, nothing writable.  Any thread; not async-signal-safe.
 */
void os_pages_ask(const void *at, struct os_pages *out);
