/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * machine.h - buying a machine: one struct hw is all of it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct hw;
struct counters;

enum hw_vendor { HW_VENDOR_INTEL, HW_VENDOR_AMD };

struct hw_config {
	enum hw_vendor	 vendor;
	uint8_t		 phys_bits;	/* CPUID 8000_0008 EAX[7:0], 36 to 52 */
	uint8_t		 phys_reduction;/* bits lost to memory encryption; Intel with tdx: of key ids */
	uint8_t		 c_bit;		/* AMD: position of the C-bit, 0: no memory encryption */
	unsigned	 nr_cpus;	/* logical processors, at least 1 */
	struct counters	*counters;	/* outlives the machine */
	uint16_t	 nr_keys;	/* guest keys; AMD: the ASIDs that can have one; 0: 509,
					 * or none without a C-bit */
	uint16_t	 min_sev_asid;	/* AMD: the lowest for SEV without SEV-ES, 1 to nr_keys + 1;
					 * 0: a fifth is below */
	bool		 snp;		/* AMD, with a C-bit: SYSCFG.SNPEn, there is an RMP (insn/rmp.h) */
	uint64_t	 rmp_end;	/* the first physical byte that the RMP does not cover, whole
					 * 2 MiB; 0: it covers all */
	bool		 tdx;		/* Intel: there is a TDX module (insn/tdx.h) */
	bool		 misalign_sse;	/* AMD: MISALIGNSSE, so MXCSR has MM; nothing on Intel's */
	bool		 tell_findings;	/* a line on standard error for each of the first ones */
	bool		 no_userfaults;	/* hide memory as where the kernel refuses them (for tests) */
};

/* @c with the numbers that 0 stands for: what hw_create() makes of it. */
struct hw_config hw_config_whole(const struct hw_config *c);

enum hw_status { HW_OK, HW_NO_MEMORY, HW_BAD_CONFIG };

MUST_CHECK enum hw_status hw_create(const struct hw_config *config, struct hw **out);
void hw_destroy(struct hw *hw);		/* nobody may be running on it */
const struct hw_config *hw_config(const struct hw *hw);

/*
 * The CPUID instruction on the bare machine (what the host kernel sees).  Any
 * thread.  Leaves that do not exist answer zeros (AMD) or the highest basic
 * leaf (Intel), as the manuals say.
 */
struct cpuid_regs { uint32_t eax, ebx, ecx, edx; };
struct cpuid_regs hw_cpuid(const struct hw *hw, uint32_t leaf, uint32_t subleaf);
/* The same of a machine that is not bought yet. */
struct cpuid_regs hw_config_cpuid(const struct hw_config *config, uint32_t leaf, uint32_t subleaf);

/* The bits that MXCSR has, as FXSAVE writes them.  Any thread. */
uint32_t hw_mxcsr_mask(const struct hw *hw);
