/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * plain-memory.c - page faults that the guest answers itself: 64 pages are mapped when they are
 * touched, each once; what was written is there when it is read.
 *
 * $ softcvm run plain-memory.elf
 * 64 pages written: 64 page faults
 * 64 pages read: 64 page faults, 0 wrong
 * guest ended: exit 0
 */
#include "guest.h"

#define PAGES 64ul

static unsigned faults;

static bool map_it(struct guest_frame *frame, uint64_t va)
{
	if (va < GUEST_NOWHERE || va >= GUEST_NOWHERE + PAGES * GUEST_PAGE)
		return false;
	faults++;
	guest_map(va & ~(GUEST_PAGE - 1), (uintptr_t)guest_page(), GUEST_MAP_PRIVATE);
	return true;
}

int guest_main(void)
{
	volatile uint64_t *at;
	unsigned wrong = 0;

	guest_on_fault(map_it);
	for (uint64_t i = 0; i < PAGES; i++) {
		at = (uint64_t *)(GUEST_NOWHERE + i * GUEST_PAGE + 8 * i);
		*at = i * i + 1;
	}
	guest_printf("%lu pages written: %u page faults\n", PAGES, faults);
	for (uint64_t i = 0; i < PAGES; i++) {
		at = (uint64_t *)(GUEST_NOWHERE + i * GUEST_PAGE + 8 * i);
		wrong += *at != i * i + 1;
	}
	guest_printf("%lu pages read: %u page faults, %u wrong\n", PAGES, faults, wrong);
	return wrong || faults != PAGES;
}
