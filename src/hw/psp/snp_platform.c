/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_platform.c - firmware ABI 56860 chapter 8: SNP_INIT to SNP_SHUTDOWN, and
 * what the platform says of itself.
 */
#include "hw/psp/psp_snp_priv.h"

#include "base/bytes.h"

_Static_assert(sizeof(struct psp_snp_init_ex) == 64, "layout of the firmware ABI");
_Static_assert(sizeof(struct psp_snp_status) == 32, "layout of the firmware ABI");

enum psp_status snp_ranges_get(struct psp *psp, uint64_t at, struct snp_ranges *out)
{
	enum psp_status st = psp_get(psp, at, out, sizeof(*out));

	if (st != PSP_SUCCESS)
		return st;
	if (out->nr > SNP_RANGES_MAX || out->reserved)
		return PSP_INVALID_PARAM;
	for (uint32_t i = 0; i < out->nr; i++)
		if (!snp_is_page(out->ranges[i].base) || out->ranges[i].reserved)
			return PSP_INVALID_PARAM;
	return PSP_SUCCESS;
}

/* The hypervisor's for good; what the RMP does not cover is so anyway. */
static enum psp_status fix_range(struct psp *psp, const struct psp_snp_range *r)
{
	for (uint32_t i = 0; i < r->nr_pages; i++) {
		const uint64_t page = r->base + i * PAGE_SIZE;
		const enum snp_state s = snp_state_at(psp, page);

		if (s == SNP_STATE_DEFAULT || s == SNP_STATE_HV_FIXED)
			continue;
		if (snp_firmware_fix(psp->hw, HPA(page)) != SNP_MOVED)
			return PSP_RMP_INIT_FAILED;
	}
	return PSP_SUCCESS;
}

static enum psp_status fix_ranges(struct psp *psp, uint64_t at)
{
	struct snp_ranges list;
	enum psp_status st = snp_is_page(at) ? snp_ranges_get(psp, at, &list) : PSP_INVALID_PARAM;

	for (uint32_t i = 0; st == PSP_SUCCESS && i < list.nr; i++)
		st = fix_range(psp, &list.ranges[i]);
	return st;
}

static enum psp_status snp_init(struct psp *psp, uint32_t flags, uint64_t list)
{
	enum psp_status st = PSP_SUCCESS;

	if (psp->snp.up || psp->state != PSP_UNINIT)
		return PSP_INVALID_PLATFORM_STATE;
	if (!(flags & PSP_SNP_INIT_RMP)) {
		if (!psp->snp.rmp_is_made)
			return PSP_RMP_INIT_REQUIRED;
		if (flags & PSP_SNP_INIT_LIST)
			return PSP_INVALID_PARAM;
	}
	if (flags & PSP_SNP_INIT_LIST)
		st = fix_ranges(psp, list);
	if (st != PSP_SUCCESS)
		return st;
	psp_asids_are_dirty(psp);
	psp->snp.rmp_is_made = true;
	psp->snp.up = true;
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_snp_init)
{
	return snp_init(psp, PSP_SNP_INIT_RMP, 0);
}

PSP_COMMAND(psp_do_snp_init_ex)
{
	const struct psp_snp_init_ex *in = buf;

	if (in->flags & ~(PSP_SNP_INIT_RMP | PSP_SNP_INIT_LIST) || in->reserved1 ||
	    !bytes_are_zero(in->reserved2, sizeof(in->reserved2)))
		return PSP_INVALID_PARAM;
	return snp_init(psp, in->flags, in->list_address);
}

/* SUCCESS: there is something to shut down, if psp->snp.up. */
static enum psp_status shutdown_check(struct psp *psp)
{
	if (psp->state != PSP_UNINIT)
		return PSP_INVALID_PLATFORM_STATE;
	for (uint32_t i = 1; psp->snp.up && i <= psp->nr_asids; i++)
		if (psp->asids[i] != ASID_CLEAN)
			return PSP_DFFLUSH_REQUIRED;
	return PSP_SUCCESS;
}

static void snp_down(struct psp *psp)
{
	snp_guests_free(psp);
	psp->snp.up = false;
}

PSP_COMMAND(psp_do_snp_shutdown)
{
	enum psp_status st = shutdown_check(psp);

	if (st == PSP_SUCCESS && psp->snp.up)
		snp_down(psp);
	return st;
}

PSP_COMMAND(psp_do_snp_shutdown_ex)
{
	const struct psp_snp_shutdown_ex *in = buf;
	enum psp_status st = shutdown_check(psp);

	if (st != PSP_SUCCESS || !psp->snp.up)
		return st;
	if (in->length != sizeof(*in) || in->flags & ~PSP_SNP_SHUTDOWN_IOMMU)
		return PSP_INVALID_PARAM;
	snp_down(psp);
	if (in->flags & PSP_SNP_SHUTDOWN_IOMMU)
		psp->snp.rmp_is_made = false;
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_snp_platform_status)
{
	const uint64_t to = ((const struct psp_snp_addr *)buf)->address;
	const struct psp_snp_status out = {
		.api_major = PSP_API_MAJOR,
		.api_minor = PSP_API_MINOR,
		.state = psp->snp.up,
		.flags1 = psp->snp.rmp_is_made,
		.build_id = PSP_BUILD,
		.flags2 = psp->snp.mask,
		.guest_count = psp->snp.nr_launched,
	};

	if (snp_crosses_page(to, sizeof(out)))
		return PSP_INVALID_PARAM;
	if (psp->snp.up && !snp_may_write(psp, to))
		return PSP_INVALID_PAGE_STATE;
	return psp_put(psp, to, &out, sizeof(out));
}

PSP_COMMAND(psp_do_snp_df_flush)
{
	return psp_asids_flush(psp);
}

/* There is one TCB, 0: none can be older. */
PSP_COMMAND(psp_do_snp_config)
{
	const struct psp_snp_config *in = buf;

	if (in->mask & ~(PSP_SNP_MASK_CHIP_ID | PSP_SNP_MASK_CHIP_KEY) ||
	    !bytes_are_zero(in->reserved, sizeof(in->reserved)) || in->reported_tcb)
		return PSP_INVALID_PARAM;
	psp->snp.mask = in->mask;
	return PSP_SUCCESS;
}

/* There is one firmware, which is committed. */
PSP_COMMAND(psp_do_snp_commit)
{
	const struct psp_snp_commit *in = buf;

	return in->length == sizeof(*in) ? PSP_SUCCESS : PSP_INVALID_PARAM;
}
