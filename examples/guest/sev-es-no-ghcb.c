/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev-es-no-ghcb.c - a guest without a #VC handler touches a device: it gets its exception,
 * finds no gate, and shuts down.  It does not hang, and the VMM sees no access.
 *
 * $ softcvm run --type sev-es sev-es-no-ghcb.elf
 * no handler from here on
 * guest ended: shutdown (triple fault)
 */
#include "guest.h"

int guest_main(void)
{
	guest_printf("no handler from here on\n");
	guest_map(GUEST_DEVICE, GUEST_DEVICE, GUEST_MAP_SHARED);
	guest_drop_traps();
	guest_read32(GUEST_DEVICE);
	return 0;
}
