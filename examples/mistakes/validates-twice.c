/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * validates-twice.c - a guest that says of a page that it is in use, when it has said so before.
 *
 * PVALIDATE then changes nothing and sets the carry flag; EAX is 0, all is well.  A guest that does not
 * look at the flag, or forgives it, cannot tell its own mistake from a hypervisor that plays with its
 * pages: it has to keep count, and to end when the flag is set, as this one does in the end.
 *
 * $ softcvm run --type snp validates-twice.elf
 * softcvm: warning: finding 1 (APM vol. 2 15.36.6): PVALIDATE changes nothing, validated already: page
 * 0x*: gfn 0x* of ASID *, 4K, validated; RMPUPDATE assigned it (ASID *, 4K), PVALIDATE validated it
 */
#include "snp.h"

int guest_main(void)
{
	uint64_t page = guest_reserve(GUEST_LARGE_PAGE);

	if (snp_pvalidate(page, SNP_4K, true) != SNP_DONE)
		guest_panic("the first PVALIDATE fails");
	if (snp_pvalidate(page, SNP_4K, true) & SNP_NO_CHANGE)	/* here: the mistake */
		guest_terminate(1, 2);
	return 0;
}
