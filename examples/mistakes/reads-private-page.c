/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * reads-private-page.c - a VMM that reads a private page of its guest by its own pointer: to dump it, or because it
 * has forgotten that the page was converted.
 *
 * What the page is in decides. Behind a guest_memfd the instruction ends in SIGBUS; a guest that only has a
 * key (--type sev) shows ciphertext, and nobody says a word.
 *
 * $ softcvm exec --cpu amd --kernel-abi 6.18 --param kvm.gmem_in_place=1 -- reads-private-page --type snp keeps-a-secret.elf
 * softcvm: warning: the VMM's own load at RIP 0x* meets gfn 0x100000, private to the SNP guest of guest_memfd * since
 * change *, * s ago (its address 0x*): SIGBUS
 */
#include "private_page.h"

static void touch_private_page(volatile uint64_t *p)
{
	uint64_t v = *p;		/* here */

	printf("the VMM: it read %s\n", v == SECRET ? "the guest's secret" : "ciphertext");
}
