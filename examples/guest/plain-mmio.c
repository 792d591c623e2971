/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * plain-mmio.c - a device's registers in every size: each access leaves to the VMM.
 *
 * $ softcvm run plain-mmio.elf
 * reads: 73 6f73 74666f73 206d766374666f73
 * the device says "softcvm test device"
 * written 8, 16, 32 and 64 bits: 00 11 2233 44556677 8899aabbccddeeff
 * no device at 0xd0001000: ffffffff
 * guest ended: exit 0
 */
#include "guest.h"

int guest_main(void)
{
	uint64_t at = GUEST_DEVICE;
	char name[32];

	guest_printf("reads: %x %x %x %lx\n", guest_read8(at), guest_read16(at), guest_read32(at),
		     guest_read64(at));
	memcpy(name, (void *)at, sizeof(name));		/* REP MOVSB: an access for each byte */
	name[sizeof(name) - 1] = '\0';
	guest_printf("the device says \"%s\"\n", name);
	guest_write8(at + 0x101, 0x11);
	guest_write16(at + 0x102, 0x2233);
	guest_write32(at + 0x104, 0x44556677);
	guest_write64(at + 0x108, 0x8899aabbccddeeff);
	guest_printf("written 8, 16, 32 and 64 bits: %02x %x %x %x %lx\n", guest_read8(at + 0x100),
		     guest_read8(at + 0x101), guest_read16(at + 0x102), guest_read32(at + 0x104),
		     guest_read64(at + 0x108));
	guest_printf("no device at 0xd0001000: %x\n", guest_read32(at + GUEST_PAGE));
	return 0;
}
