/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_page.c - firmware ABI 56860 chapter 8: pages that the host asks back, and
 * 512 that become one.
 */
#include "hw/psp/psp_snp_priv.h"

#define IS_2M		BIT(0)
#define RESERVED	BITS(11, 1)
#define SIZE_2M		PG_LEVEL_SIZE(PG_LEVEL_2M)

PSP_COMMAND(psp_do_snp_page_reclaim)
{
	const uint64_t page = ((const struct psp_snp_addr *)buf)->address;

	if (page & RESERVED)
		return PSP_INVALID_PARAM;
	if (!psp->snp.up)
		return PSP_INVALID_PLATFORM_STATE;
	return snp_status_of_move(snp_firmware_reclaim(psp->hw, HPA(page & PAGE_MASK),
						       page & IS_2M));
}

PSP_COMMAND(psp_do_snp_page_unsmash)
{
	const uint64_t page = ((const struct psp_snp_addr *)buf)->address;

	if (!IS_ALIGNED(page, SIZE_2M))
		return PSP_INVALID_PARAM;
	if (!psp->snp.up)
		return PSP_INVALID_PLATFORM_STATE;
	return snp_status_of_move(snp_firmware_unsmash(psp->hw, HPA(page)));
}
