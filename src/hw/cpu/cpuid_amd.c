/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpuid_amd.c - a family 19h processor (Milan), APM vol. 3 appendix E.
 */
#include "hw/cpu/cpuid_priv.h"

#include "base/bits.h"

#define LAST_BASIC	0x10u
#define LAST_EXTENDED	0x80000021u
#define SIGNATURE	0x00a00f11u
#define NR_ASIDS	0x8000u
#define NR_VMPLS	4u

static const char brand[] = "SoftCVM modelled AMD processor";

/* 8000_0001: the basic leaf's bits once more, and AMD's own. */
static struct cpuid_regs extended_features(const struct hw_config *c)
{
	const uint32_t repeated = BITS(9, 0) | BITS(17, 12) | BIT(23) | BIT(24);

	return (struct cpuid_regs){
		.eax = SIGNATURE,
		.ebx = 4u << 28,			/* package: SP3 */
		/* LAHF SVM LZCNT PREFETCHW TOPOEXT, CMP_LEGACY, MISALIGNSSE */
		.ecx = (uint32_t)(BIT(0) | BIT(2) | BIT(5) | BIT(8) | BIT(22) |
				  (c->nr_cpus > 1 ? BIT(1) : 0) |
				  (c->misalign_sse ? BIT(7) : 0)),
		/* SYSCALL NX 1G-pages RDTSCP LM */
		.edx = (uint32_t)((cpuid_1_edx & repeated) | BIT(11) | BIT(20) | BIT(26) |
				  BIT(27) | BIT(29)),
	};
}

/* SVM: nested paging, NRIP save, flush by ASID, decode assists. */
static struct cpuid_regs svm_features(void)
{
	return (struct cpuid_regs){ .eax = 1, .ebx = NR_ASIDS,
				    .edx = BIT(0) | BIT(3) | BIT(6) | BIT(7) };
}

/* 8000_001F EAX, with a C-bit: SME, SEV, SEV-ES, TSC_AUX, coherency, DebugSwap. */
#define ENCRYPTION_EAX	(BIT(0) | BIT(1) | BIT(3) | BIT(9) | BIT(10) | BIT(14))
/* With an RMP: SNP, VMPLs, RMPQUERY, RMPREAD. */
#define SNP_EAX		(BIT(4) | BIT(5) | BIT(6) | BIT(21))

static struct cpuid_regs encryption(const struct hw_config *c)
{
	struct hw_config w = hw_config_whole(c);

	if (!c->c_bit)
		return (struct cpuid_regs){ 0 };
	return (struct cpuid_regs){
		.eax = (uint32_t)(ENCRYPTION_EAX | (c->snp ? SNP_EAX : 0)),
		.ebx = c->c_bit | (uint32_t)c->phys_reduction << 6 | (c->snp ? NR_VMPLS << 12 : 0),
		.ecx = w.nr_keys,
		.edx = w.min_sev_asid,
	};
}

static struct cpuid_regs extended(const struct hw_config *c, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	switch (leaf) {
	case 0x80000000:
		r = cpuid_vendor("AuthenticAMD");
		r.eax = LAST_EXTENDED;
		return r;
	case 0x80000001:
		return extended_features(c);
	case 0x80000002: case 0x80000003: case 0x80000004:
		return cpuid_brand(brand, leaf - 0x80000002);
	case 0x80000005:			/* L1: 32 KiB, 8 ways, 64-byte lines */
		return (struct cpuid_regs){ .ecx = 0x20080140, .edx = 0x20080140 };
	case 0x80000006:			/* L2: 512 KiB, 8 ways; L3: 32 MiB, 16 ways */
		return (struct cpuid_regs){ .ecx = 0x02006140, .edx = 0x01009140 };
	case 0x80000008:
		return (struct cpuid_regs){
			.eax = c->phys_bits | CPUID_LINEAR_BITS << 8,
			.ebx = BIT(12) | BIT(14) | BIT(15) | BIT(24),	/* IBPB IBRS STIBP SSBD */
			.ecx = ((c->nr_cpus - 1) & 0xff) | cpuid_apic_id_bits(c) << 12,
		};
	case 0x8000000a:
		return svm_features();
	case 0x8000001d:
		return cpuid_cache(c, subleaf);
	case 0x8000001f:
		return encryption(c);
	case 0x80000021:			/* a null selector clears the segment's base */
		return (struct cpuid_regs){ .eax = BIT(6) };
	default:
		return cpuid_shared(c, leaf, subleaf);
	}
}

struct cpuid_regs cpuid_amd(const struct hw_config *c, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	if (leaf >= 0x80000000 && leaf <= LAST_EXTENDED)
		return extended(c, leaf, subleaf);
	switch (leaf) {
	case 0:
		r = cpuid_vendor("AuthenticAMD");
		r.eax = LAST_BASIC;
		return r;
	case 1:
		return cpuid_features(c, SIGNATURE);
	default:
		if (leaf <= LAST_BASIC)
			return cpuid_shared(c, leaf, subleaf);
		return (struct cpuid_regs){ 0 };
	}
}
