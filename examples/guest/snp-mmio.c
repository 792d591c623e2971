/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-mmio.c - a device in a SNP guest: as in a SEV-ES guest, by #VC and the GHCB.  The RMP has no
 * part in it, for there is no memory.
 *
 * $ softcvm run --type snp snp-mmio.elf
 * reads: 73 6f73 74666f73 206d766374666f73
 * the device says "softcvm test device"
 * written 8, 16, 32 and 64 bits: 00 11 2233 44556677 8899aabbccddeeff
 * no device at 0xd0001000: ffffffff
 * 8 reads more: 8 #VCs
 * guest ended: exit 0
 */
#include "guest.h"

int guest_main(void)
{
	uint64_t before;

	guest_show_device();
	before = guest_vc_count();
	for (unsigned i = 0; i < 8; i++)
		guest_read32(GUEST_DEVICE + 4 * i);
	guest_printf("8 reads more: %lu #VCs\n", guest_vc_count() - before);
	return 0;
}
