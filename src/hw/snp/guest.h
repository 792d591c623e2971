/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guest.h - PVALIDATE, RMPADJUST and RMPQUERY behind their translation: APM
 * vol. 3, vol. 2 15.36.6 and 15.36.7.
 *
 * The processor asks in this order: #UD unless the guest is SNP-active (and in
 * 64-bit mode, but PVALIDATE), #GP(0) unless at CPL 0 (PVALIDATE: at VMPL 0
 * too); the ..._operands() function, whose failure is EAX; the translation of
 * rAX as a read of one byte, #PF with RSVD where its C-bit is 0; then the
 * function, without the checks of an access, for the target is not one.
 *
 * Any thread, no leaf lock held.
 */
#pragma once
#include "hw/mem/rmp_check.h"

/* What rAX was translated to, and by whom. */
struct rmp_target {
	hpa_t		hpa;
	uint64_t	gpa;
	enum pg_level	level;		/* of the nested entry */
	uint16_t	asid;
	uint8_t		vmpl;
};

struct rmp_done {
	struct rmp_outcome fault;	/* RMP_PASS: the rest counts */
	enum rmp_status	eax;
	bool		no_change;	/* PVALIDATE: CF */
	uint64_t	rdx;		/* RMPQUERY: [15:8] mask, [16] VMSA */
	bool		is_2m;		/* RMPQUERY: RCX */
};

MUST_CHECK enum rmp_status snp_pvalidate_operands(uint64_t rax, uint32_t ecx, uint32_t edx);
MUST_CHECK struct rmp_done snp_pvalidate(struct hw *hw, const struct rmp_target *t, uint32_t ecx,
					 uint32_t edx);

MUST_CHECK enum rmp_status snp_rmpadjust_operands(uint64_t rax, uint64_t rcx, uint64_t rdx,
						  uint8_t vmpl);
MUST_CHECK struct rmp_done snp_rmpadjust(struct hw *hw, const struct rmp_target *t, uint64_t rcx,
					 uint64_t rdx);

MUST_CHECK enum rmp_status snp_rmpquery_operands(uint64_t rdx, uint8_t vmpl);
MUST_CHECK struct rmp_done snp_rmpquery(struct hw *hw, const struct rmp_target *t, uint64_t rdx);

/*
 * VMRUN takes the VMSA and #VMEXIT gives it back, each when the 2 MiB is its to
 * lock; meanwhile RMPUPDATE of the page fails and accesses to it fault (15.36.12).
 */
MUST_CHECK enum rmp_vmrun snp_vmsa_take(struct hw *hw, hpa_t page, uint16_t asid);
void snp_vmsa_give(struct hw *hw, hpa_t page);
