/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * keeps-a-secret.c - a guest that does nothing wrong: it writes into a private page at 4 GiB, lets the VMM do what
 * it likes, and looks whether all is there.  For writes-private-page.c and reads-private-page.c.
 */
#include "snp.h"

#define PORT_TOUCH	0xf8
#define GPA		0x100000000ul
#define SECRET		0x1111u

int guest_main(void)
{
	volatile uint64_t *page = (volatile uint64_t *)GUEST_NOWHERE;
	unsigned wrong = 0;

	guest_map(GUEST_NOWHERE, GPA, GUEST_MAP_PRIVATE);
	if (guest_is_snp() && snp_pvalidate(GUEST_NOWHERE, SNP_4K, true) != SNP_DONE)
		return 2;
	for (unsigned i = 0; i < GUEST_PAGE / sizeof(*page); i++)
		page[i] = SECRET + i;
	guest_out8(PORT_TOUCH, 0);
	for (unsigned i = 0; i < GUEST_PAGE / sizeof(*page); i++)
		wrong += page[i] != SECRET + i;
	guest_printf("the guest: %s\n", wrong ? "its page has changed" : "its page is as it was");
	return wrong != 0;
}
