/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* mr.c - the measurement of a launch goes on, and ends: TDH.MR.EXTEND, FINALIZE. */
#include "hw/tdx/measure.h"
#include "hw/tdx/tdx_priv.h"

uint64_t tdh_mr_extend(struct seam_call *c)
{
	uint64_t gpa = IN(c, RCX);
	uint8_t bytes[TDX_MR_CHUNK];

	TRY(call_tdr(c, SEAM_RDX, TDX_EXCLUSIVE));
	TRY(call_state(c, OP_INITIALIZED, false));
	if (gpa % TDX_MR_CHUNK || gpa >> (c->td->gpaw - 1))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	if (!sept_walk(c->td, gpa, TDX_4K, &c->at) && !(sept_state(c->at.entry) & SEPT_IS_LEAF))
		return call_details(c, TDX_EPT_WALK_FAILED);
	if (!(sept_state(c->at.entry) & SEPT_IS_MAPPED))
		return call_details(c, TDX_EPT_ENTRY_NOT_PRESENT);
	gpa &= sept_span(c->at.level) - 1;
	if (!view_read(c->m->hw, HPA(sept_page(c->at.entry, c->at.level).v + gpa), c->td->hkid,
		       bytes, sizeof(bytes)) ||
	    !measure_extend(c->td->mr, IN(c, RCX), bytes))
		return td_is_fatal(c->td);
	return TDX_SUCCESS;
}

uint64_t tdh_mr_finalize(struct seam_call *c)
{
	TRY(call_tdr(c, SEAM_RCX, TDX_EXCLUSIVE));
	TRY(call_state(c, OP_INITIALIZED, false));
	if (!atomic32_load(&c->td->nr_vcpus))
		return TDX_NO_VCPUS;
	if (!measure_finalize(c->td->mr))
		return td_is_fatal(c->td);
	c->td->op_state = TD_RUNNABLE;
	return TDX_SUCCESS;
}
