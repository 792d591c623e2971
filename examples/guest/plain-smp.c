/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * plain-smp.c - a second processor, started by INIT and SIPI, counts together with the first.
 *
 * $ softcvm run --vcpus 2 plain-smp.elf
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
