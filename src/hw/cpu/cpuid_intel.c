/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpuid_intel.c - a processor like Sapphire Rapids, SDM vol. 2A CPUID.
 */
#include "hw/cpu/cpuid_priv.h"

#include "base/bits.h"
#include "os/clock.h"

#define LAST_BASIC	0x16u
#define LAST_EXTENDED	0x80000008u
#define SIGNATURE	0x000806f8u
#define CRYSTAL_HZ	25000000u
#define LINEAR_BITS	57u			/* LA57 */

static const char brand[] = "SoftCVM modelled Intel processor";

static struct cpuid_regs features(const struct hw_config *c)
{
	struct cpuid_regs r = cpuid_features(c, SIGNATURE);

	r.ecx |= BIT(5) | BIT(24);		/* VMX, TSC deadline */
	r.edx |= BIT(27);			/* self snoop */
	return r;
}

static struct cpuid_regs extended(const struct hw_config *c, uint32_t leaf)
{
	switch (leaf) {
	case 0x80000000:
		return (struct cpuid_regs){ .eax = LAST_EXTENDED };
	case 0x80000001:
		return (struct cpuid_regs){
			/* LAHF LZCNT PREFETCHW; SYSCALL NX 1G-pages RDTSCP LM */
			.ecx = BIT(0) | BIT(5) | BIT(8),
			.edx = BIT(11) | BIT(20) | BIT(26) | BIT(27) | BIT(29),
		};
	case 0x80000002: case 0x80000003: case 0x80000004:
		return cpuid_brand(brand, leaf - 0x80000002);
	case 0x80000006:			/* L2: 512 KiB, 8 ways, 64-byte lines */
		return (struct cpuid_regs){ .ecx = 0x02006040 };
	case 0x80000008:
		return (struct cpuid_regs){ .eax = c->phys_bits | LINEAR_BITS << 8 };
	default:
		return cpuid_shared(c, leaf, 0);
	}
}

struct cpuid_regs cpuid_intel(const struct hw_config *c, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	if (leaf >= 0x80000000 && leaf <= LAST_EXTENDED)
		return extended(c, leaf);
	if (leaf > LAST_BASIC)			/* "the data for the highest basic leaf" */
		leaf = LAST_BASIC;
	switch (leaf) {
	case 0:
		r = cpuid_vendor("GenuineIntel");
		r.eax = LAST_BASIC;
		return r;
	case 1:
		return features(c);
	case 2:					/* see leaf 4 */
		return (struct cpuid_regs){ .eax = 0x00feff01 };
	case 4:
		return cpuid_cache(c, subleaf);
	case 7:
		r = cpuid_shared(c, leaf, subleaf);
		if (subleaf)
			return r;
		r.ecx |= BIT(16);		/* LA57 */
		/* IBRS and IBPB, STIBP, ARCH_CAPABILITIES, SSBD */
		r.edx |= (uint32_t)(BIT(26) | BIT(27) | BIT(29) | BIT(31));
		return r;
	case 0x15:				/* TSC = crystal * EBX / EAX */
		return (struct cpuid_regs){ .eax = CRYSTAL_HZ / 1000, .ebx = os_tsc_khz(),
					    .ecx = CRYSTAL_HZ };
	case 0x16:
		return (struct cpuid_regs){ .eax = os_tsc_khz() / 1000,
					    .ebx = os_tsc_khz() / 1000, .ecx = 100 };
	default:
		return cpuid_shared(c, leaf, subleaf);
	}
}
