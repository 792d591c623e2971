/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/tdx/params.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "hw/tdx/tdx_priv.h"

#define EPTP_MT		BITS(2, 0)
#define EPTP_WL_HI	5
#define EPTP_WL_LO	3
#define MT_WB		6u

#define XFAM_ALWAYS	BITS(1, 0)	/* x87, SSE */
#define XFAM_AVX	BIT(2)
#define XFAM_KNOWN	BITS(2, 0)	/* what the processor's XCR0 can have */

#define TSC_UNIT_MHZ	25u
#define TSC_MIN		(100u / TSC_UNIT_MHZ)
#define TSC_MAX		(10000u / TSC_UNIT_MHZ)

/* Walk lengths and address widths that go together. */
static bool eptp_is_valid(uint64_t eptp, bool wide)
{
	uint64_t levels = FIELD_GET(EPTP_WL, eptp) + 1;

	return (eptp & EPTP_MT) == MT_WB && !(eptp & ~(EPTP_MT | FIELD_MASK(EPTP_WL))) &&
	       (levels == 5 || (levels == 4 && !wide));
}

static uint64_t check(const struct td_params *p)
{
	if (p->attributes & ~TD_ATTRS_KNOWN)
		return TDX_OPERAND_INVALID | TDX_OPERAND_ATTRIBUTES;
	if ((p->xfam & XFAM_ALWAYS) != XFAM_ALWAYS || p->xfam & ~XFAM_KNOWN)
		return TDX_OPERAND_INVALID | TDX_OPERAND_XFAM;
	if (!p->max_vcpus)
		return TDX_OPERAND_INVALID | TDX_OPERAND_MAX_VCPUS;
	if (p->num_l2_vms)
		return TDX_OPERAND_INVALID | TDX_OPERAND_NUM_L2_VMS;
	if (p->msr_config_ctls || p->reserved20 || !bytes_are_zero(p->reserved42, sizeof(p->reserved42)) ||
	    !bytes_are_zero(p->reserved232, sizeof(p->reserved232)))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	if (p->config_flags & ~(TD_FLAG_GPAW | TD_FLAG_FLEXIBLE_PENDING_VE | TD_FLAG_NO_RBP_MOD))
		return TDX_OPERAND_INVALID | TDX_OPERAND_EXEC_CONTROLS;
	if (!eptp_is_valid(p->eptp_controls, p->config_flags & TD_FLAG_GPAW))
		return TDX_OPERAND_INVALID | TDX_OPERAND_EPTP_CONTROLS;
	if (p->tsc_frequency < TSC_MIN || p->tsc_frequency > TSC_MAX)
		return TDX_OPERAND_INVALID | TDX_OPERAND_TSC_FREQUENCY;
	return TDX_SUCCESS;
}

uint64_t params_apply(struct seam_call *c, const struct td_params *p)
{
	struct td *td = c->td;

	TRY(check(p));
	td->cpuid = malloc(sizeof(p->cpuid));
	td->vcpus = calloc(p->max_vcpus, sizeof(td->vcpus[0]));
	if (!td->cpuid || !td->vcpus)
		return TDX_RND_NO_ENTROPY;
	memcpy(td->cpuid, p->cpuid, sizeof(p->cpuid));
	td->attributes = p->attributes;
	td->xfam = p->xfam;
	td->config_flags = p->config_flags;
	td->max_vcpus = p->max_vcpus;
	td->gpaw = p->config_flags & TD_FLAG_GPAW ? 52 : 48;
	td->sept_levels = (uint8_t)(FIELD_GET(EPTP_WL, p->eptp_controls) + 1);
	td->tsc_frequency = p->tsc_frequency;
	memcpy(td->mrconfigid, p->mrconfigid, sizeof(td->mrconfigid));
	memcpy(td->mrowner, p->mrowner, sizeof(td->mrowner));
	memcpy(td->mrownerconfig, p->mrownerconfig, sizeof(td->mrownerconfig));
	return TDX_SUCCESS;
}
