/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vp.h - a TD's vCPU: TDVPR and its pages.
 *
 * Who holds the PAMT entry of the TDVPR exclusively has all of it; VP.ENTER holds it shared
 * for the run, and is alone all the same: a vCPU runs on one processor, with which it is
 * associated.
 */
#pragma once
#include "hw/insn/vmx.h"
#include "hw/tdx/tdx_priv.h"
#include "x86/state.h"

enum td_vcpu_state { VCPU_UNINITIALIZED, VCPU_READY, VCPU_DISABLED };

#define NO_LP		(~0u)

/* What TDG.VP.VEINFO.GET tells. */
struct td_ve_info {
	uint32_t	reason;
	bool		valid;
	uint64_t	qualification, gla, gpa;
	uint32_t	insn_len, insn_info;
};

struct td_vcpu {
	struct td		*td;
	hpa_t			 tdvpr;
	unsigned		 nr_tdcx;	/* TDVPR not among them */
	enum td_vcpu_state	 state;
	uint32_t		 index;		/* in the order of TDH.VP.INIT */
	uint32_t		 x2apic_id;
	uint32_t		 lp;		/* associated with, NO_LP: none */
	uint64_t		 epoch;		/* of the last entry */

	struct x86_state	 state_of_guest;
	struct vmx_control	 control;
	struct td_ve_info	 ve;
	uint64_t		 vmcall_mask;	/* RCX of the TDCALL that the host answers; 0: none */
};
