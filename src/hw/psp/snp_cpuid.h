/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_cpuid.h - CPUID values that a hypervisor wants a guest to believe, against
 * what the processor has: firmware ABI 56860, 8.17.2.6, and MSG_CPUID_REQ, 7.1.
 *
 * Values in memory of the caller; any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct hw;

#define SNP_CPUID_MAX	64u

struct snp_cpuid_entry {		/* 48 bytes, as in memory */
	uint32_t eax_in, ecx_in;
	uint64_t xcr0_in, xss_in;
	uint32_t reg[4];		/* EAX, EBX, ECX, EDX */
	uint64_t reserved;
};

struct snp_cpuid_page {			/* 4096 bytes, as in memory; the page type CPUID */
	uint32_t count, reserved1;
	uint64_t reserved2;
	struct snp_cpuid_entry entry[SNP_CPUID_MAX];
	uint8_t	 unused[1008];
};

/* False: some of them are refused; all of those are corrected as far as they can be. */
MUST_CHECK bool snp_cpuid_sanitize(const struct hw *hw, struct snp_cpuid_entry *e, uint32_t nr);
