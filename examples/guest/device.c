/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * device.c - the test device of softcvm run: a page of registers that keep what is written.
 */
#include "guest.h"

void guest_show_device(void)
{
	uint64_t at = GUEST_DEVICE;
	char name[32];

	guest_map(at, at, GUEST_MAP_SHARED);
	guest_map(at + GUEST_PAGE, at + GUEST_PAGE, GUEST_MAP_SHARED);
	guest_printf("reads: %x %x %x %lx\n", guest_read8(at), guest_read16(at), guest_read32(at),
		     guest_read64(at));
	for (unsigned i = 0; i < sizeof(name); i++)
		name[i] = (char)guest_read8(at + i);
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
}
