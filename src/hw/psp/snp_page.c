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

/* Firmware pages of the host's to the hypervisor for good; all are looked at first. */
static enum psp_status set_range(struct psp *psp, const struct psp_snp_range *r, bool perform)
{
	const struct rmp_operand free = { 0 };

	for (uint32_t i = 0; i < r->nr_pages; i++) {
		const hpa_t page = HPA(r->base + i * PAGE_SIZE);
		const struct rmp_entry e = snp_page(psp->hw, page);

		if (!perform && (snp_state_of(&e) != SNP_STATE_FIRMWARE || e.is_2m))
			return PSP_INVALID_PAGE_STATE;
		if (!perform)
			continue;
		if (snp_firmware_reclaim(psp->hw, page, false) != SNP_MOVED)
			return PSP_INVALID_PAGE_STATE;
		while (rmpupdate(psp->hw, page, &free) == RMP_FAIL_OVERLAP)
			sync_relax();
		if (snp_firmware_fix(psp->hw, page) != SNP_MOVED)
			return PSP_INVALID_PAGE_STATE;
	}
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_snp_page_set_state)
{
	const struct psp_snp_page_set_state *in = buf;
	struct snp_ranges list;
	enum psp_status st;

	if (in->length != sizeof(*in))
		return PSP_INVALID_LENGTH;
	if (in->reserved || !snp_is_page(in->list_address))
		return PSP_INVALID_PARAM;
	if (!psp->snp.up)
		return PSP_INVALID_PLATFORM_STATE;
	st = snp_ranges_get(psp, in->list_address, &list);
	for (unsigned perform = 0; perform < 2; perform++)
		for (uint32_t i = 0; st == PSP_SUCCESS && i < list.nr; i++)
			st = set_range(psp, &list.ranges[i], perform);
	return st;
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
