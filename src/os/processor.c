/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/processor.h"

#include <cpuid.h>
#include <string.h>

#define ADDRESS_SIZES	0x80000008u
#define MXCSR_MM	0x20000u
#define DEFAULT_BITS	36	/* processors without that leaf */

static uint32_t mxcsr_mask(void)
{
	uint8_t image[512] __attribute__((aligned(16))) = { 0 };
	uint32_t mask;

	__asm__("fxsave %0" : "=m" (image));
	memcpy(&mask, image + 28, sizeof(mask));
	return mask;
}

struct os_cpu_identity os_cpu_identity(void)
{
	struct os_cpu_identity id = { .phys_bits = DEFAULT_BITS };
	unsigned a, b, c, d;
	char vendor[12];

	__cpuid(0, a, b, c, d);
	memcpy(vendor, &b, 4);
	memcpy(vendor + 4, &d, 4);
	memcpy(vendor + 8, &c, 4);
	id.is_amd = !memcmp(vendor, "AuthenticAMD", 12) || !memcmp(vendor, "HygonGenuine", 12);
	if (__get_cpuid(ADDRESS_SIZES, &a, &b, &c, &d))
		id.phys_bits = a & 0xff;
	id.has_mxcsr_mm = id.is_amd && mxcsr_mask() & MXCSR_MM;
	return id;
}
