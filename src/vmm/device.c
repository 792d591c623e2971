/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * device.c - the few devices: a console, an end, and a page of registers.
 *
 * Ports: 0x3f8 (a 16550's data register) and 0xe9 write the console, 0x3fd says
 * that it is ready, 0xf4 ends the guest with the value as status.  Memory: the
 * test device's registers keep what is written and begin as "softcvm test
 * device".  What nobody answers reads as ones.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/vmm.h"

#define PORT_SERIAL		0x3f8
#define PORT_SERIAL_STATUS	0x3fd
#define PORT_DEBUG		0xe9
#define PORT_EXIT		0xf4
#define SERIAL_READY		0x60	/* nothing left to send */

static void console(uint8_t c)
{
	putchar(c);
	if (c == '\n')
		fflush(stdout);
}

void vmm_device_port(struct vmm *vmm, uint16_t port, bool write, unsigned size, uint8_t *data)
{
	uint32_t value = 0;

	if (!write) {
		memset(data, 0xff, size);
		if (port == PORT_SERIAL_STATUS)
			*data = SERIAL_READY;
		else if (port == PORT_DEBUG)
			*data = PORT_DEBUG;	/* as Bochs answers: there is one */
		return;
	}
	memcpy(&value, data, size < sizeof(value) ? size : sizeof(value));
	if (port == PORT_SERIAL || port == PORT_DEBUG)
		console(*data);
	else if (port == PORT_EXIT)
		vmm_end(vmm, "exit", (int)(value & 0xff), "exit %u", value & 0xff);
}

void vmm_device_memory(struct vmm *vmm, uint64_t gpa, bool write, unsigned size, uint8_t *data)
{
	uint64_t at = gpa - VMM_DEVICE;

	if (gpa < VMM_DEVICE || at >= VMM_PAGE || size > VMM_PAGE - at) {
		if (!write)
			memset(data, 0xff, size);
		return;
	}
	pthread_mutex_lock(&vmm->lock);
	if (write)
		memcpy(vmm->registers + at, data, size);
	else
		memcpy(data, vmm->registers + at, size);
	pthread_mutex_unlock(&vmm->lock);
}
