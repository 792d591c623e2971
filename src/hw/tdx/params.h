/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* params.h - TD_PARAMS, what TDH.MNG.INIT is told of a TD. */
#pragma once
#include <stdint.h>

#include "base/bits.h"
#include "base/macros.h"

struct seam_call;

#define TD_PARAMS_BYTES	1024u
#define TD_CPUID_VALUES	48u

struct td_cpuid_value {
	uint32_t eax, ebx, ecx, edx;
};

struct td_params {
	uint64_t attributes, xfam;
	uint16_t max_vcpus;
	uint8_t	 num_l2_vms, msr_config_ctls;
	uint32_t reserved20;
	uint64_t eptp_controls, config_flags;
	uint16_t tsc_frequency;
	uint8_t	 reserved42[38];
	uint8_t	 mrconfigid[48], mrowner[48], mrownerconfig[48];
	uint64_t arch_capabilities;
	uint8_t	 reserved232[24];
	struct td_cpuid_value cpuid[TD_CPUID_VALUES];
};
_Static_assert(sizeof(struct td_params) == TD_PARAMS_BYTES, "layout of the ABI specification");

#define TD_ATTR_DEBUG		BIT(0)
#define TD_ATTR_SEPT_VE_DISABLE	BIT(28)
#define TD_ATTR_PKS		BIT(30)
#define TD_ATTR_PERFMON		BIT(63)
#define TD_ATTRS_KNOWN		(TD_ATTR_DEBUG | TD_ATTR_SEPT_VE_DISABLE | TD_ATTR_PKS | TD_ATTR_PERFMON)

#define TD_FLAG_GPAW		BIT(0)
#define TD_FLAG_FLEXIBLE_PENDING_VE BIT(1)
#define TD_FLAG_NO_RBP_MOD	BIT(2)

/* Looks at all of @p, in the module's order, and makes the TD what it says; else its status. */
MUST_CHECK uint64_t params_apply(struct seam_call *c, const struct td_params *p);
