/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-terminate.c - a SNP guest that will not go on says so as a SEV-ES guest does; the reason is
 * the one that Linux gives when a page is not what the hypervisor said.
 *
 * $ softcvm run --type snp snp-terminate.elf
 * reason 2 of set 1: Linux's "PVALIDATE failed"
 * guest ended: SEV-ES termination request, set 1 reason 2
 */
#include "snp.h"

int guest_main(void)
{
	guest_printf("reason 2 of set 1: Linux's \"PVALIDATE failed\"\n");
	guest_terminate(1, 2);
}
