/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * phys.h - physical memory: the only ways in which software touches it.
 *
 * An hpa_t is an address in a dense modelled space of 2^phys_bits bytes, never
 * a process address.  A frame exists once the host has resolved a virtual
 * address to it (phys_publish) or taken it from the machine's own DRAM
 * (phys_page_alloc), until it is retired.  Accesses to addresses without a
 * frame are findings: loads give all ones, stores are lost.
 *
 * Any thread.  64-bit accesses are aligned and atomic, HW-G1.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/macros.h"

struct hw;
struct os_pages;

/*
 * The host's memory manager resolved @host (any address in the process): the
 * physical address of that byte.  Host addresses that share a 1 GiB aligned
 * gigabyte share a physical one, so alignment carries over up to 1 GiB; the
 * same byte always gives the same answer until it is retired.  HPA_INVALID
 * when physical space is exhausted or there is no memory.  Lock-free when the
 * gigabyte is known already.
 */
MUST_CHECK hpa_t phys_publish(struct hw *hw, const void *host);

/*
 * The host mapping of [@host, @host + @size) is going or gone: its frames
 * cease to exist, and what was known of the mapping.  Nobody may hold a
 * translation to them any more.  Returns after every access under way has ended.
 */
void phys_retire(struct hw *hw, const void *host, size_t size);

/*
 * How the host maps an address, as far as it has been told here (phys_learn);
 * the frame itself is published apart.  Nobody asks the host more than a few
 * times for the same 2 MiB.
 */
struct phys_mapping {
	uint8_t	level;		/* PG_LEVEL_*; NONE: not known, or time to ask again */
	bool	writable;	/* the page is there and can be written at once */
	bool	is_fixed;	/* hugetlb: it cannot be mapped by smaller pages */
	bool	is_split;	/* it was larger, and has been split (phys_split) */
};
struct phys_mapping phys_mapping(struct hw *hw, const void *host);

/* Moves when something is forgotten: taken before the host is asked, for the two below. */
uint64_t phys_mapping_ticket(const struct hw *hw);

/*
 * What the host says of the 2 MiB around @host (os/pages.h).  All frames of a
 * mapping larger than 4K come to exist; @p's level is 4K afterwards where it was split here.
 * False: something has changed since the @ticket, nothing was learnt.
 */
MUST_CHECK bool phys_learn(struct hw *hw, const void *host, uint64_t ticket,
			   struct os_pages *p);
/*
 * The host maps the 2 MiB around @host by 4K from now on; rights, bytes, frames and nested
 * entries stay.  True: it was one mapping of 2M before, and could be split.
 */
MUST_CHECK bool phys_split(struct hw *hw, const void *host);
/* The host has just let the page at @host be written. */
void phys_wrote(struct hw *hw, const void *host, uint64_t ticket);

/* The host's mapping of [@host, @host + @size) has changed; the frames stay. */
void phys_forget_mapping(struct hw *hw, const void *host, size_t size);

/*
 * For memory of which somebody knows better than the host (guest_memfd by 2 MiB; tests, whose
 * memory need not be huge): the host is taken to map [@host, @host + @size),
 * whole 2 MiB (1 GiB), by pages of @kind, present and writable, until the mapping
 * is changed or the memory retired.  False: no memory.
 */
enum phys_kind { PHYS_4K, PHYS_THP, PHYS_HUGETLB_2M, PHYS_HUGETLB_1G };
MUST_CHECK bool phys_state_mapping(struct hw *hw, const void *host, size_t size,
				   enum phys_kind kind);

/* One zeroed 4 KiB page of the machine's own DRAM, for page tables and such;
 * HPA_INVALID when there is none.  Freed pages may be handed out at once.
 */
MUST_CHECK hpa_t phys_page_alloc(struct hw *hw);
void phys_page_free(struct hw *hw, hpa_t page);

uint64_t phys_load64(struct hw *hw, hpa_t a);
void phys_store64(struct hw *hw, hpa_t a, uint64_t v);
uint64_t phys_xchg64(struct hw *hw, hpa_t a, uint64_t v);
/* True when won; *@expected is refreshed when lost. */
MUST_CHECK bool phys_cas64(struct hw *hw, hpa_t a, uint64_t *expected, uint64_t v);
uint64_t phys_and64(struct hw *hw, hpa_t a, uint64_t mask);
/* How many of @n consecutive words of one page, from @a on, are there and hold @v. */
size_t phys_skip64(struct hw *hw, hpa_t a, uint64_t v, size_t n);
/* @v into @n consecutive words: a fresh page table. */
void phys_fill64(struct hw *hw, hpa_t a, uint64_t v, size_t n);
