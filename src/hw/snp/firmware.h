/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * firmware.h - the secure processor's side of the RMP: states by the names of
 * the firmware ABI (SEV-SNP Firmware ABI, chapter 5) and the ways between them
 * that no instruction of the processor has.
 *
 * Any thread, no leaf lock held; waits for its turn on 2 MiB.
 */
#pragma once
#include "hw/mem/rmp.h"

enum snp_state {
	SNP_STATE_HYPERVISOR,
	SNP_STATE_HV_FIXED,
	SNP_STATE_FIRMWARE,
	SNP_STATE_RECLAIM,
	SNP_STATE_CONTEXT,
	SNP_STATE_METADATA,
	SNP_STATE_PRE_GUEST,
	SNP_STATE_PRE_SWAP,
	SNP_STATE_GUEST_INVALID,
	SNP_STATE_GUEST_VALID,
	SNP_STATE_FIRMWARE_IOMMU,
	SNP_STATE_INVALID,
	SNP_STATE_DEFAULT,		/* no entry */
};

MUST_CHECK enum snp_state snp_state_of(const struct rmp_entry *e);

/* The entry that counts for @page, its GPA this page's; a machine without SNP: not covered. */
MUST_CHECK struct rmp_entry snp_page(struct hw *hw, hpa_t page);

enum snp_move {
	SNP_MOVED,
	SNP_BAD_STATE,			/* INVALID_PAGE_STATE */
	SNP_BAD_SIZE,			/* INVALID_PAGE_SIZE */
	SNP_BAD_ADDRESS,		/* INVALID_ADDRESS */
};

/*
 * @page, of 4K or 2M as @large says, is in state @from: its entry becomes @to,
 * without change of size, count and use.  @event is for its history.
 */
MUST_CHECK enum snp_move snp_firmware_move(struct hw *hw, hpa_t page, bool large,
					   enum snp_state from, const struct rmp_entry *to,
					   enum rmp_event event);
/* SNP_PAGE_RECLAIM; SNP_PAGE_UNSMASH. */
MUST_CHECK enum snp_move snp_firmware_reclaim(struct hw *hw, hpa_t page, bool large);
MUST_CHECK enum snp_move snp_firmware_unsmash(struct hw *hw, hpa_t page);
/* SNP_INIT_EX: a page of the hypervisor's for good. */
MUST_CHECK enum snp_move snp_firmware_fix(struct hw *hw, hpa_t page);
