/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpuid_priv.h - the pieces of which hw_cpuid() is made.  Values, any thread.
 */
#pragma once
#include <stdint.h>

#include "hw/insn/machine.h"

#define CPUID_LINEAR_BITS	48
#define CPUID_XCR0		7	/* x87, SSE, AVX */

extern const uint32_t cpuid_1_edx;	/* without HTT */

struct cpuid_regs cpuid_amd(const struct hw_config *c, uint32_t leaf, uint32_t subleaf);
struct cpuid_regs cpuid_intel(const struct hw_config *c, uint32_t leaf, uint32_t subleaf);

/* What both vendors answer alike; zeros for all other leaves. */
struct cpuid_regs cpuid_shared(const struct hw_config *c, uint32_t leaf, uint32_t subleaf);

struct cpuid_regs cpuid_features(const struct hw_config *c, uint32_t signature);
struct cpuid_regs cpuid_vendor(const char *name);		/* 12 characters; EAX is 0 */
struct cpuid_regs cpuid_brand(const char *name, unsigned part);	/* part 0 to 2 */
struct cpuid_regs cpuid_cache(const struct hw_config *c, uint32_t index);
struct cpuid_regs cpuid_topology(const struct hw_config *c, uint32_t level);
unsigned cpuid_apic_id_bits(const struct hw_config *c);
