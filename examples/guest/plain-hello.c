/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * plain-hello.c - the least guest: it says where it is, and ends.
 *
 * $ softcvm run --memory 64M plain-hello.elf
 * hello from 64-bit mode: 64 MiB of RAM, encryption bit: none
 * guest ended: exit 0
 */
#include "guest.h"

int guest_main(void)
{
	guest_printf("hello from 64-bit mode: %lu MiB of RAM, encryption bit: %s\n",
		     guest_ram_size() >> 20, guest_c_bit ? "there is one" : "none");
	return 0;
}
