/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_debug.c - firmware ABI 56860 chapter 8: a guest's page for a debugger.
 */
#include "hw/psp/psp_snp_priv.h"

/* What both commands ask of the guest whose page @e is. */
static enum psp_status check(const struct snp_guest *g, const struct rmp_entry *e)
{
	if (e->asid != g->asid)
		return PSP_INVALID_PAGE_OWNER;
	if (!(g->policy & PSP_SNP_POLICY_DEBUG))
		return PSP_POLICY_FAILURE;
	return g->asid ? PSP_SUCCESS : PSP_INACTIVE;
}

static bool is_well_formed(const struct psp_snp_dbg *in)
{
	return snp_is_page(in->gctx) && snp_is_page(in->src) && snp_is_page(in->dst);
}

/* The guest, and the entry of @page, which is to be its own. */
static enum psp_status begin(struct psp *psp, const struct psp_snp_dbg *in, uint64_t page,
			     struct snp_guest **g, struct rmp_entry *e)
{
	enum psp_status st;

	if (!is_well_formed(in))
		return PSP_INVALID_PARAM;
	st = snp_guest_of(psp, in->gctx, g);
	if (st == PSP_SUCCESS)
		*e = snp_page(psp->hw, HPA(page));
	return st;
}

PSP_COMMAND(psp_do_snp_dbg_decrypt)
{
	const struct psp_snp_dbg *in = buf;
	struct snp_guest *g;
	struct rmp_entry from;
	enum snp_state state;
	enum psp_status st = begin(psp, in, in->src, &g, &from);

	if (st != PSP_SUCCESS)
		return st;
	state = snp_state_of(&from);
	if (state < SNP_STATE_PRE_GUEST || state > SNP_STATE_GUEST_VALID ||
	    snp_state_at(psp, in->dst) != SNP_STATE_FIRMWARE)
		return PSP_INVALID_PAGE_STATE;
	st = check(g, &from);
	return st != PSP_SUCCESS ? st : psp_copy_run(psp, &(struct psp_copy_job){
		.to = in->dst, .from = in->src, .from_key = (keyslot_t)g->asid, .len = PAGE_SIZE,
	});
}

PSP_COMMAND(psp_do_snp_dbg_encrypt)
{
	const struct psp_snp_dbg *in = buf;
	struct snp_guest *g;
	struct rmp_entry to;
	enum snp_state state;
	enum psp_status st;

	if (!psp->snp.up)
		return PSP_INVALID_PLATFORM_STATE;
	st = begin(psp, in, in->dst, &g, &to);
	if (st != PSP_SUCCESS)
		return st;
	state = snp_state_of(&to);
	if (state != SNP_STATE_PRE_GUEST && state != SNP_STATE_PRE_SWAP)
		return PSP_INVALID_PAGE_STATE;
	st = check(g, &to);
	return st != PSP_SUCCESS ? st : psp_copy_run(psp, &(struct psp_copy_job){
		.to = in->dst, .to_key = (keyslot_t)g->asid, .from = in->src, .len = PAGE_SIZE,
	});
}
