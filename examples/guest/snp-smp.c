/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-smp.c - a second processor by AP creation: its first state is a page that the guest wrote and
 * made a VMSA of, so that nobody else decides where it begins.
 *
 * $ softcvm run --type snp --vcpus 2 snp-smp.elf
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
