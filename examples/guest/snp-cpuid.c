/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-cpuid.c - CPUID of a SNP guest: #VC still, but the handler answers from the table that the
 * secure processor has compared with its own processor, and asks nobody.  A hypervisor that
 * lies is not heard: only the APIC's id is its word.
 *
 * $ softcvm run --type snp snp-cpuid.elf
 * * entries, the page's rest is zeros
 * AuthenticAMD, SEV 1, SEV-ES 1, SEV-SNP 1, encryption bit *
 * 3 CPUIDs: 3 #VCs, APIC id 0
 * a leaf that is not in the table: 0 0 0 0
 * guest ended: exit 0
 */
#include "snp.h"

#define HEADER	16u
#define ENTRY	48u

static bool rest_is_zeros(unsigned entries)
{
	const uint8_t *page = (const uint8_t *)GUEST_CPUID_TABLE;

	for (unsigned i = HEADER + entries * ENTRY; i < GUEST_PAGE; i++) {
		if (page[i])
			return false;
	}
	return true;
}

int guest_main(void)
{
	unsigned entries = snp_cpuid_entries();
	uint64_t before = guest_vc_count(), after;
	struct guest_cpuid vendor = guest_cpuid(0, 0), own = guest_cpuid(1, 0), none;
	struct guest_cpuid encryption = guest_cpuid(0x8000001f, 0);
	char name[13] = { 0 };

	after = guest_vc_count();
	memcpy(name, &vendor.ebx, 4);
	memcpy(name + 4, &vendor.edx, 4);
	memcpy(name + 8, &vendor.ecx, 4);
	guest_printf("%u entries, the page's rest is %s\n", entries,
		     rest_is_zeros(entries) ? "zeros" : "not zeros");
	guest_printf("%s, SEV %u, SEV-ES %u, SEV-SNP %u, encryption bit %u\n", name,
		     encryption.eax >> 1 & 1, encryption.eax >> 3 & 1, encryption.eax >> 4 & 1,
		     encryption.ebx & 0x3f);
	guest_printf("3 CPUIDs: %lu #VCs, APIC id %u\n", after - before, own.ebx >> 24);
	none = guest_cpuid(0x5fffffff, 0);
	guest_printf("a leaf that is not in the table: %x %x %x %x\n", none.eax, none.ebx, none.ecx,
		     none.edx);
	return after - before != 3 || guest_c_bit != 1ull << (encryption.ebx & 0x3f);
}
