/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpuid.c - what the bare machine says of itself: hw_cpuid().
 *
 * A feature is announced when the model has it, and not before.  Leaves both
 * vendors share are here, the others in cpuid_amd.c and cpuid_intel.c.  SDM
 * vol. 2A CPUID; APM vol. 3 appendix E.
 */
#include "hw/cpu/cpuid_priv.h"

#include "base/bits.h"

#include <string.h>

/* XSAVE: legacy region and header, then the upper halves of YMM0 to YMM15. */
#define XSAVE_AVX_AT	576
#define XSAVE_AVX_SIZE	256
#define XSAVE_AREA	(XSAVE_AVX_AT + XSAVE_AVX_SIZE)

const uint32_t cpuid_1_edx =
	BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) |	/* FPU VME DE PSE TSC MSR */
	BIT(6) | BIT(7) | BIT(8) | BIT(9) | BIT(11) | BIT(12) |	/* PAE MCE CX8 APIC SEP MTRR */
	BIT(13) | BIT(14) | BIT(15) | BIT(16) | BIT(17) |	/* PGE MCA CMOV PAT PSE36 */
	BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26);	/* CLFSH MMX FXSR SSE SSE2 */

static const uint32_t cpuid_1_ecx =
	BIT(0) | BIT(1) | BIT(3) | BIT(9) | BIT(13) | BIT(17) |	/* SSE3 PCLMUL MONITOR SSSE3 CX16 PCID */
	BIT(19) | BIT(20) | BIT(21) | BIT(22) | BIT(23) |	/* SSE4.1 SSE4.2 x2APIC MOVBE POPCNT */
	BIT(25) | BIT(26) | BIT(27) | BIT(30);			/* AES XSAVE OSXSAVE RDRAND */

static const uint32_t cpuid_7_ebx =
	BIT(0) | BIT(3) | BIT(7) | BIT(8) | BIT(10) |		/* FSGSBASE BMI1 SMEP BMI2 INVPCID */
	BIT(18) | BIT(19) | BIT(20) | BIT(23) | BIT(24) |	/* RDSEED ADX SMAP CLFLUSHOPT CLWB */
	BIT(29);						/* SHA */

static const uint32_t cpuid_7_ecx = BIT(2) | BIT(22);		/* UMIP RDPID */

struct cpuid_regs cpuid_vendor(const char *name)
{
	struct cpuid_regs r = { 0 };

	memcpy(&r.ebx, name, 4);
	memcpy(&r.edx, name + 4, 4);
	memcpy(&r.ecx, name + 8, 4);
	return r;
}

struct cpuid_regs cpuid_brand(const char *name, unsigned part)
{
	struct cpuid_regs r;
	char text[48] = { 0 };

	memcpy(text, name, MIN(strlen(name), sizeof(text) - 1));
	memcpy(&r, text + part * sizeof(r), sizeof(r));
	return r;
}

unsigned cpuid_apic_id_bits(const struct hw_config *c)
{
	unsigned bits = 0;

	while (bits < 31 && (1u << bits) < c->nr_cpus)
		bits++;
	return bits;
}

/* Initial APIC id 0, for any processor may ask; CLFLUSH lines of 64 bytes. */
struct cpuid_regs cpuid_features(const struct hw_config *c, uint32_t signature)
{
	bool many = c->nr_cpus > 1;

	return (struct cpuid_regs){
		.eax = signature,
		.ebx = 8u << 8 | (many ? MIN(c->nr_cpus, 255u) << 16 : 0),
		.ecx = cpuid_1_ecx,
		.edx = cpuid_1_edx | (many ? (uint32_t)BIT(28) : 0),
	};
}

/* One thread a core, all cores in one package. */
struct cpuid_regs cpuid_topology(const struct hw_config *c, uint32_t level)
{
	switch (level) {
	case 0:
		return (struct cpuid_regs){ .ebx = 1, .ecx = 1u << 8 };
	case 1:
		return (struct cpuid_regs){ .eax = cpuid_apic_id_bits(c), .ebx = c->nr_cpus,
					    .ecx = 2u << 8 | 1 };
	default:
		return (struct cpuid_regs){ .ecx = level & 0xff };
	}
}

/* The state of AVX is there without its instructions (docs/caveats.md). */
static struct cpuid_regs xsave_leaf(uint32_t subleaf)
{
	switch (subleaf) {
	case 0:
		return (struct cpuid_regs){ .eax = CPUID_XCR0, .ebx = XSAVE_AREA,
					    .ecx = XSAVE_AREA };
	case 1:					/* XSAVEOPT, XGETBV with ECX 1 */
		return (struct cpuid_regs){ .eax = BIT(0) | BIT(2) };
	case 2:
		return (struct cpuid_regs){ .eax = XSAVE_AVX_SIZE, .ebx = XSAVE_AVX_AT };
	default:
		return (struct cpuid_regs){ 0 };
	}
}

/* The deterministic cache parameters of both vendors have one layout. */
struct cpuid_regs cpuid_cache(const struct hw_config *c, uint32_t index)
{
	static const struct { uint8_t type, level; uint32_t ways, sets; } caches[] = {
		{ 1, 1, 8, 64 }, { 2, 1, 8, 64 }, { 3, 2, 8, 1024 }, { 3, 3, 16, 32768 },
	};
	uint32_t sharing, cores = MIN(1u << cpuid_apic_id_bits(c), 64u) - 1;

	if (index >= ARRAY_SIZE(caches))
		return (struct cpuid_regs){ 0 };
	sharing = caches[index].level == 3 ? MIN(c->nr_cpus, 4096u) - 1 : 0;
	return (struct cpuid_regs){
		.eax = caches[index].type | caches[index].level << 5 | 1u << 8 | sharing << 14 |
		       (c->vendor == HW_VENDOR_INTEL ? cores << 26 : 0),
		.ebx = 63 | (caches[index].ways - 1) << 22,
		.ecx = caches[index].sets - 1,
	};
}

struct cpuid_regs cpuid_shared(const struct hw_config *c, uint32_t leaf, uint32_t subleaf)
{
	switch (leaf) {
	case 5:					/* MONITOR: lines of 64 bytes */
		return (struct cpuid_regs){ .eax = 64, .ebx = 64, .ecx = 3 };
	case 6:					/* the APIC timer never stops */
		return (struct cpuid_regs){ .eax = BIT(2) };
	case 7:
		if (subleaf == 0)
			return (struct cpuid_regs){ .ebx = cpuid_7_ebx, .ecx = cpuid_7_ecx };
		break;
	case 0xb:
		return cpuid_topology(c, subleaf);
	case 0xd:
		return xsave_leaf(subleaf);
	case 0x80000007:			/* invariant TSC */
		return (struct cpuid_regs){ .edx = BIT(8) };
	}
	return (struct cpuid_regs){ 0 };
}

struct cpuid_regs hw_config_cpuid(const struct hw_config *c, uint32_t leaf, uint32_t subleaf)
{
	return c->vendor == HW_VENDOR_AMD ? cpuid_amd(c, leaf, subleaf)
					  : cpuid_intel(c, leaf, subleaf);
}

struct cpuid_regs hw_cpuid(const struct hw *hw, uint32_t leaf, uint32_t subleaf)
{
	return hw_config_cpuid(hw_config(hw), leaf, subleaf);
}
