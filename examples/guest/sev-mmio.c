/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev-mmio.c - the same in a SEV guest: the hypervisor still sees registers and instruction bytes,
 * and emulates.  But it cannot read the guest's page tables, which are encrypted: where an
 * instruction has two operands in memory, it finds no translation and raises a page fault.
 * (So Linux takes no string instructions for devices in such a guest.)
 *
 * $ softcvm run --type sev sev-mmio.elf
 * reads: 73 6f73 74666f73 206d766374666f73
 * the device says "softcvm test device"
 * written 8, 16, 32 and 64 bits: 00 11 2233 44556677 8899aabbccddeeff
 * no device at 0xd0001000: ffffffff
 * REP MOVSB: a page fault at 0xd0000000, which is mapped
 * guest ended: exit 0
 */
#include "guest.h"

#define REP_MOVSB_LENGTH 2

static uint64_t fault_at;

static bool skip(struct guest_frame *frame, uint64_t va)
{
	if (fault_at)
		return false;
	fault_at = va;
	frame->rip += REP_MOVSB_LENGTH;
	return true;
}

int guest_main(void)
{
	char text[8] = { 0 };

	guest_show_device();
	guest_on_fault(skip);
	memcpy(text, (void *)GUEST_DEVICE, 7);
	guest_printf("REP MOVSB: a page fault at 0x%lx, which is %s\n", fault_at,
		     guest_entry(fault_at) ? "mapped" : "not mapped");
	return 0;
}
