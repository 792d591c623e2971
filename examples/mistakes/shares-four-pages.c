/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * shares-four-pages.c - a guest that does nothing wrong: four pages become shared by one request, and
 * it looks at what is in them.  For converts-one-page.c.
 */
#include "snp.h"

#define PAGES 4ul

int guest_main(void)
{
	uint64_t at = guest_reserve(GUEST_LARGE_PAGE);
	unsigned wrong = 0;

	snp_validate(at, PAGES * GUEST_PAGE, true);
	for (uint64_t i = 0; i < PAGES; i++)
		*(volatile uint64_t *)(at + i * GUEST_PAGE) = 0x1111;
	snp_share(at, PAGES * GUEST_PAGE, SNP_4K);
	for (uint64_t i = 0; i < PAGES; i++)
		wrong += *(volatile uint64_t *)(at + i * GUEST_PAGE) != 0;
	guest_printf("of %lu shared pages %u are no empty pages of the VMM's\n", PAGES, wrong);
	return wrong != 0;
}
