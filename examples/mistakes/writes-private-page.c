/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * writes-private-page.c - a VMM that writes into a private page of its guest by its own pointer: a device model that
 * was told the address before the guest made the page private.
 *
 * Behind a guest_memfd the instruction ends in SIGBUS, and the guest has what it had.
 *
 * $ softcvm exec --cpu amd --kernel-abi 6.18 --param kvm.gmem_in_place=1 -- writes-private-page --type snp keeps-a-secret.elf
 * softcvm: warning: the VMM's own store at RIP 0x* meets gfn 0x100000, private to the SNP guest of guest_memfd * since
 * change *, * s ago (its address 0x*): SIGBUS
 */
#include "private_page.h"

static void touch_private_page(volatile uint64_t *p)
{
	*p = 0x2222;			/* here */
	printf("the VMM: it has written\n");
}
