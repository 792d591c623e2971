/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev-es-terminate.c - a guest that will not go on says so by the GHCB MSR, with a reason.
 *
 * $ softcvm run --type sev-es sev-es-terminate.elf
 * reason 2 of set 1: Linux's "PVALIDATE failed"
 * guest ended: SEV-ES termination request, set 1 reason 2
 */
#include "guest.h"

int guest_main(void)
{
	guest_printf("reason 2 of set 1: Linux's \"PVALIDATE failed\"\n");
	guest_terminate(1, 2);
}
