/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * phys.c - loads, stores and locked operations on physical memory.
 *
 * HW-G1: each is one atomic step of the host on the bytes themselves.
 */
#include "hw/insn/phys.h"

#include "hw/mem/machine.h"
#include "hw/mem/rmp.h"
#include "os/pages.h"
#include "os/uaccess.h"

#include <string.h>

static NOINLINE void access_is_lost(struct hw *hw, hpa_t a, const char *what)
{
	hw_finding(hw, "house: physical memory", "%s of %#llx, where no frame is", what,
		   (unsigned long long)a.v);
}

/* NULL without a frame, and for an address that is not aligned. */
static ALWAYS_INLINE uint64_t *word_at(struct hw *hw, hpa_t a)
{
	return unlikely(a.v & 7) ? NULL : (uint64_t *)(void *)frames_host(&hw->frames, a);
}

hpa_t phys_publish(struct hw *hw, const void *host)
{
	return frames_publish(&hw->frames, host);
}

struct phys_mapping phys_mapping(struct hw *hw, const void *host)
{
	return frames_mapping(&hw->frames, host);
}

uint64_t phys_mapping_ticket(const struct hw *hw)
{
	return atomic64_load(&hw->frames.mapping_changes);
}

bool phys_learn(struct hw *hw, const void *host, uint64_t ticket, struct os_pages *p)
{
	return frames_learn(&hw->frames, host, ticket, p);
}

bool phys_split(struct hw *hw, const void *host)
{
	return frames_split(&hw->frames, host);
}

bool phys_state_mapping(struct hw *hw, const void *host, size_t size, enum phys_kind kind)
{
	struct os_pages p = {
		.level = kind == PHYS_4K	   ? PG_LEVEL_4K
		       : kind == PHYS_HUGETLB_1G ? PG_LEVEL_1G : PG_LEVEL_2M,
		.is_fixed = kind == PHYS_HUGETLB_2M || kind == PHYS_HUGETLB_1G,
	};

	memset(p.writable, 0xff, sizeof(p.writable));
	return frames_state_mapping(&hw->frames, host, size, &p);
}

void phys_wrote(struct hw *hw, const void *host, uint64_t ticket)
{
	frames_wrote(&hw->frames, host, ticket);
}

void phys_forget_mapping(struct hw *hw, const void *host, size_t size)
{
	frames_forget_mapping(&hw->frames, host, size);
}

hpa_t phys_page_alloc(struct hw *hw)
{
	return dram_alloc(&hw->dram);
}

void phys_page_free(struct hw *hw, hpa_t page)
{
	if (hw->frames.rmp)
		rmp_retire(hw->frames.rmp, page, PAGE_SIZE);
	if (!dram_free(&hw->dram, page))
		access_is_lost(hw, page, "free");
}

uint64_t phys_load64(struct hw *hw, hpa_t a)
{
	uint64_t *p = word_at(hw, a), v;

	if (unlikely(!p || !os_load64(p, &v))) {
		access_is_lost(hw, a, "load");
		return ~0ull;
	}
	return v;
}

void phys_store64(struct hw *hw, hpa_t a, uint64_t v)
{
	uint64_t *p = word_at(hw, a);

	if (unlikely(!p || !os_store64(p, v)))
		access_is_lost(hw, a, "store");
}

bool phys_cas64(struct hw *hw, hpa_t a, uint64_t *expected, uint64_t v)
{
	uint64_t *p = word_at(hw, a);
	enum os_cas r = likely(p) ? os_cas64(p, expected, v) : OS_CAS_FAULT;

	if (unlikely(r == OS_CAS_FAULT)) {
		access_is_lost(hw, a, "compare-exchange");
		*expected = ~0ull;
	}
	return r == OS_CAS_WON;
}

uint64_t phys_xchg64(struct hw *hw, hpa_t a, uint64_t v)
{
	uint64_t *p = word_at(hw, a), old;

	if (likely(p && os_load64(p, &old))) {
		enum os_cas r;

		do
			r = os_cas64(p, &old, v);
		while (r == OS_CAS_LOST);
		if (likely(r == OS_CAS_WON))
			return old;
	}
	access_is_lost(hw, a, "exchange");
	return ~0ull;
}

uint64_t phys_and64(struct hw *hw, hpa_t a, uint64_t mask)
{
	uint64_t *p = word_at(hw, a), old;

	if (likely(p && os_load64(p, &old))) {
		enum os_cas r;

		do
			r = os_cas64(p, &old, old & mask);
		while (r == OS_CAS_LOST);
		if (likely(r == OS_CAS_WON))
			return old;
	}
	access_is_lost(hw, a, "and");
	return ~0ull;
}

size_t phys_skip64(struct hw *hw, hpa_t a, uint64_t v, size_t n)
{
	uint64_t *p = n ? word_at(hw, a) : NULL, got;
	size_t i = 0;

	while (p && i < n && os_load64(p + i, &got) && got == v)
		i++;
	return i;
}

void phys_fill64(struct hw *hw, hpa_t a, uint64_t v, size_t n)
{
	while (n) {
		size_t here = MIN(n, (PAGE_SIZE - (a.v & (PAGE_SIZE - 1))) / 8);
		uint64_t *p = word_at(hw, a);
		size_t i = 0;

		if (!here)
			here = 1;	/* not aligned */
		while (p && i < here && os_store64(p + i, v))
			i++;
		if (unlikely(i < here))
			access_is_lost(hw, a, "fill");
		a.v += here * 8;
		n -= here;
	}
}
