/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * plain-mmio.c - a device's registers in every size: each access leaves to the VMM.
 *
 * $ softcvm run plain-mmio.elf
 * reads: 73 6f73 74666f73 206d766374666f73
 * the device says "softcvm test device"
 * written 8, 16, 32 and 64 bits: 00 11 2233 44556677 8899aabbccddeeff
 * no device at 0xd0001000: ffffffff
 * REP MOVSB: "softcvm"
 * guest ended: exit 0
 */
#include "guest.h"

int guest_main(void)
{
	char text[8] = { 0 };

	guest_show_device();
	memcpy(text, (void *)GUEST_DEVICE, 7);
	guest_printf("REP MOVSB: \"%s\"\n", text);
	return 0;
}
