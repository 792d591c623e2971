/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * skips-pvalidate.c - a guest that uses memory which is in its memory map, and private, but of which it
 * has not said so by PVALIDATE.
 *
 * The processor raises #VC with 0x404 and does not leave the guest: the hypervisor never hears of it.
 * Guests that were launched whole run without a PVALIDATE until they touch the rest.
 *
 * $ softcvm run --type snp skips-pvalidate.elf
 * softcvm: warning: finding 1 (APM vol. 2 15.36.6): gfn 0x* used without PVALIDATE: page 0x*: gfn 0x* of
 * ASID *, 4K, not validated; RMPUPDATE assigned it (ASID *, 4K)
 */
#include "snp.h"

int guest_main(void)
{
	volatile uint64_t *page = (volatile uint64_t *)guest_reserve(GUEST_LARGE_PAGE);

	*page = 0x1111;			/* here: the mistake */
	guest_printf("not reached: the guest has no handler for it\n");
	return 0;
}
