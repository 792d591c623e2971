/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * platform.c - SEV API 55766 chapter 5: the platform and its states.
 */
#include "hw/psp/psp_priv.h"

#include "hw/mem/tmr.h"

#include <string.h>

#define NV_LEN		0x8000u		/* INIT_EX: the buffer instead of the flash */

PSP_COMMAND(psp_do_nop)
{
	return PSP_SUCCESS;
}

static enum psp_status tmr_reserve(struct psp *psp, uint64_t base, uint32_t len)
{
	if (!IS_ALIGNED(base, (uint64_t)PSP_TMR_LEN))
		return PSP_INVALID_ADDRESS;
	if (len != PSP_TMR_LEN)
		return PSP_INVALID_LENGTH;
	if (base >> machine_phys_bits(psp->hw))
		return PSP_INVALID_ADDRESS;
	psp->tmr = HPA(base);
	return PSP_SUCCESS;
}

void psp_asids_are_dirty(struct psp *psp)
{
	memset(psp->asids, ASID_DIRTY, psp->nr_asids + 1u);
	atomic32_store(&psp->wbinvd_done, 0);
}

static enum psp_status init(struct psp *psp, uint32_t flags, uint64_t tmr, uint32_t tmr_len)
{
	enum psp_status st = PSP_SUCCESS;

	if (!identity_complete(&psp->identity))
		return PSP_HWERROR_PLATFORM;
	if (flags & PSP_INIT_ES)
		st = tmr_reserve(psp, tmr, tmr_len);
	if (st != PSP_SUCCESS)
		return st;
	if (!psp->snp.up)
		psp_asids_are_dirty(psp);
	psp->es = flags & PSP_INIT_ES;
	psp->tmr_is_reserved = psp->es;
	psp->state = PSP_INIT_DONE;
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_init)
{
	const struct psp_init *in = buf;

	if (in->flags & ~PSP_INIT_ES || in->reserved)
		return PSP_INVALID_CONFIG;
	return init(psp, in->flags, in->tmr_address, in->tmr_length);
}

/* The keys live as long as the machine; the buffer must be good, and stays as it is. */
PSP_COMMAND(psp_do_init_ex)
{
	const struct psp_init_ex *in = buf;

	if (in->flags & ~PSP_INIT_ES || in->reserved)
		return PSP_INVALID_CONFIG;
	if (in->length != sizeof(*in))
		return PSP_INVALID_LENGTH;
	if (in->nv_address && !IS_ALIGNED(in->nv_address, (uint64_t)PAGE_SIZE))
		return PSP_INVALID_ADDRESS;
	if (in->nv_address && in->nv_length != NV_LEN)
		return PSP_INVALID_LENGTH;
	if (in->nv_address && in->flags & PSP_INIT_ES &&
	    in->nv_address < in->tmr_address + PSP_TMR_LEN &&
	    in->tmr_address < in->nv_address + NV_LEN)
		return PSP_INVALID_ADDRESS;
	return init(psp, in->flags, in->tmr_address, in->tmr_length);
}

PSP_COMMAND(psp_do_shutdown)
{
	psp_guests_free(psp);
	tmr_close(psp->hw);
	psp->tmr_is_reserved = false;
	psp->es = false;
	psp->state = PSP_UNINIT;
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_factory_reset)
{
	identity_reset(&psp->identity);
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_platform_status)
{
	const bool up = psp->state != PSP_UNINIT;

	*(struct psp_platform_status *)buf = (struct psp_platform_status){
		.api_major = PSP_API_MAJOR,
		.api_minor = PSP_API_MINOR,
		.state = (uint8_t)psp->state,
		.flags = (up && psp->es ? PSP_STATUS_ES : 0u) |
			 (up && psp->identity.is_owned ? PSP_STATUS_OWNED : 0u),
		.build = PSP_BUILD,
		.guest_count = up ? psp->nr_guests : 0,
	};
	return PSP_SUCCESS;
}

/* What was dirty is clean once the caches were written back everywhere. */
enum psp_status psp_asids_flush(struct psp *psp)
{
	if (!atomic32_load(&psp->wbinvd_done))
		return PSP_WBINVD_REQUIRED;
	for (uint32_t i = 1; i <= psp->nr_asids; i++)
		if (psp->asids[i] == ASID_DIRTY)
			psp->asids[i] = ASID_CLEAN;
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_df_flush)
{
	enum psp_status st = psp_asids_flush(psp);

	if (st != PSP_SUCCESS)
		return st;
	if (psp->tmr_is_reserved) {
		if (!tmr_open(psp->hw, psp->tmr, PSP_TMR_LEN))
			return PSP_RESOURCE_LIMIT;
		psp->tmr_is_reserved = false;
	}
	return PSP_SUCCESS;
}

const char psp_chip_id[PSP_ID_LEN] = "SoftCVM: a model of the machine, no chip of AMD's";

PSP_COMMAND(psp_do_get_id)
{
	struct psp_range *r = buf;
	const uint32_t len = r->length;

	r->length = sizeof(psp_chip_id);
	return len < sizeof(psp_chip_id) ? PSP_INVALID_LENGTH :
	       psp_put(psp, r->address, psp_chip_id, sizeof(psp_chip_id));
}
