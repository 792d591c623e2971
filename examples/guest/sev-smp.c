/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev-smp.c - the same in a SEV guest: the page that SIPI names is fetched under the guest's key,
 * so the first processor writes it through a private mapping.
 *
 * $ softcvm run --type sev --vcpus 2 sev-smp.elf
 * processor 0 starts processor 1
 * processor 1 is in 64-bit mode, its APIC id is 1
 * both counted: 20000
 * guest ended: exit 0
 */
#include "guest.h"

int guest_main(void)
{
	return guest_count_together();
}
