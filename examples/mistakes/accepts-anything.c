/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * accepts-anything.c - a guest whose handler for pages that are not validated validates them, whatever they
 * are.  It is shown one page, then another at the same place (moves-a-page.c), and takes both.
 *
 * From then on the hypervisor can give it the one or the other as it likes: the rule that the RMP cannot
 * keep for the guest is that each of its addresses is validated once.
 *
 * $ softcvm exec --cpu amd --findings -- moves-a-page --type snp accepts-anything.elf
 * softcvm: warning: finding 3 (APM vol. 2 15.36.6): PVALIDATE makes page 0x* a second one of gfn 0x100000: page
 * 0x*: gfn 0x100000 of ASID *, 4K, validated; RMPUPDATE assigned it (ASID *, 4K), PVALIDATE validated it
 */
#include "snp.h"

#define PORT_MOVE	0xf8
#define GPA		0x100000000ul

static bool validate_it(struct guest_frame *frame, uint64_t va)
{
	(void)frame;
	return va == GUEST_NOWHERE && snp_pvalidate(va, SNP_4K, true) == SNP_DONE;	/* here */
}

int guest_main(void)
{
	volatile uint64_t *page = (volatile uint64_t *)GUEST_NOWHERE;

	guest_on_fault(validate_it);
	guest_map(GUEST_NOWHERE, GPA, GUEST_MAP_PRIVATE);
	*page = 0x1111;
	guest_out8(PORT_MOVE, 0);
	guest_printf("0x1111 was written, and what is read is %s\n", *page == 0x1111 ? "that" : "not");
	return 0;
}
