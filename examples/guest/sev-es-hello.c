/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev-es-hello.c - what a SEV-ES guest asks of the hypervisor, and how: each of these instructions
 * raises #VC, the handler hands over what the hypervisor has to know and nothing else.
 *
 * $ softcvm run --type sev-es sev-es-hello.elf
 * SEV_STATUS 0x3, GHCB protocol 2
 * CPUID: 1 #VC, AuthenticAMD
 * RDMSR: APIC base 0xfee00000
 * REP OUTSB: a string in one request
 * 1 #VC
 * guest ended: exit 0
 */
#include "guest.h"

#define MSR_APIC_BASE	0x1bu

int guest_main(void)
{
	static const char text[] = "REP OUTSB: a string in one request\n";
	const char *at = text;
	uint64_t n = sizeof(text) - 1, before;
	struct guest_cpuid c;
	char vendor[13] = { 0 };

	guest_printf("SEV_STATUS 0x%lx, GHCB protocol %u\n", guest_rdmsr(MSR_SEV_STATUS),
		     guest_ghcb_version());
	before = guest_vc_count();
	c = guest_cpuid(0, 0);
	guest_printf("CPUID: %lu #VC", guest_vc_count() - before);
	memcpy(vendor, &c.ebx, 4);
	memcpy(vendor + 4, &c.edx, 4);
	memcpy(vendor + 8, &c.ecx, 4);
	guest_printf(", %s\n", vendor);
	guest_printf("RDMSR: APIC base 0x%lx\n", guest_rdmsr(MSR_APIC_BASE) & ~0xffful);
	before = guest_vc_count();
	__asm__ volatile("rep outsb" : "+S"(at), "+c"(n) : "d"(0x3f8) : "memory");
	before = guest_vc_count() - before;
	guest_printf("%lu #VC\n", before);
	return 0;
}
