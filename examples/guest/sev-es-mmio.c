/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev-es-mmio.c - the same in a SEV-ES guest: nobody outside can emulate.  The first touch of
 * a device's page leaves the guest once, in silence, and the hypervisor marks it as a device's;
 * from then on each access raises #VC in the guest, whose handler asks by the GHCB.
 * Without MMIO caching (--param kvm.mmio_caching=N) there would be no such mark, and there are
 * no SEV-ES guests.  REP MOVSB is one #VC for each byte, and one more in its handler.
 *
 * $ softcvm run --type sev-es sev-es-mmio.elf
 * reads: 73 6f73 74666f73 206d766374666f73
 * the device says "softcvm test device"
 * written 8, 16, 32 and 64 bits: 00 11 2233 44556677 8899aabbccddeeff
 * no device at 0xd0001000: ffffffff
 * 8 reads more: 8 #VCs
 * REP MOVSB: "softcvm", 14 #VCs
 * guest ended: exit 0
 */
#include "guest.h"

int guest_main(void)
{
	char text[8] = { 0 };
	uint64_t before;

	guest_show_device();
	before = guest_vc_count();
	for (unsigned i = 0; i < 8; i++)
		guest_read32(GUEST_DEVICE + 4 * i);
	guest_printf("8 reads more: %lu #VCs\n", guest_vc_count() - before);
	before = guest_vc_count();
	memcpy(text, (void *)GUEST_DEVICE, 7);
	before = guest_vc_count() - before;
	guest_printf("REP MOVSB: \"%s\", %lu #VCs\n", text, before);
	return 0;
}
