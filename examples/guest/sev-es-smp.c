/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev-es-smp.c - the same in a SEV-ES guest: nobody can give a vCPU new registers, the second
 * begins in its launched state.  Its first step is a GHCB of its own; the first processor reaches
 * the local APIC by the GHCB too.
 *
 * $ softcvm run --type sev-es --vcpus 2 sev-es-smp.elf
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
