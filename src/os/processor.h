/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * processor.h - the processor that we ourselves run on.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct os_cpu_identity {
	bool	is_amd;		/* CPUID vendor; everything else counts as Intel */
	uint8_t	phys_bits;	/* CPUID 8000_0008 EAX[7:0] */
	bool	has_mxcsr_mm;	/* by the mask that FXSAVE writes; AMD's only */
};

struct os_cpu_identity os_cpu_identity(void);
