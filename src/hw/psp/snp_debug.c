/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_debug.c - firmware ABI 56860 chapter 8: a guest's page for a debugger.
 */
#include "hw/psp/psp_snp_priv.h"

#include <openssl/crypto.h>

/* What both commands ask of the guest whose page @e is. */
static enum psp_status check(const struct snp_guest *g, const struct rmp_entry *e)
{
	if (e->asid != g->asid)
		return PSP_INVALID_PAGE_OWNER;
	if (!(g->policy & PSP_SNP_POLICY_DEBUG))
		return PSP_POLICY_FAILURE;
	return g->asid ? PSP_SUCCESS : PSP_INACTIVE;
}

static enum psp_status copy_page(struct psp *psp, uint64_t from, keyslot_t from_key, uint64_t to,
				 keyslot_t to_key)
{
	uint8_t bytes[PAGE_SIZE];
	const bool ok = view_read(psp->hw, HPA(from), from_key, bytes, sizeof(bytes)) &&
			view_write(psp->hw, HPA(to), to_key, bytes, sizeof(bytes));

	OPENSSL_cleanse(bytes, sizeof(bytes));
	return ok ? PSP_SUCCESS : PSP_INVALID_ADDRESS;
}

static bool is_well_formed(const struct psp_snp_dbg *in)
{
	return snp_is_page(in->gctx) && snp_is_page(in->src) && snp_is_page(in->dst);
}

PSP_COMMAND(psp_do_snp_dbg_decrypt)
{
	const struct psp_snp_dbg *in = buf;
	struct snp_guest *g;
	struct rmp_entry from;
	enum snp_state state;
	enum psp_status st;

	if (!is_well_formed(in))
		return PSP_INVALID_PARAM;
	st = snp_guest_of(psp, in->gctx, &g);
	if (st != PSP_SUCCESS)
		return st;
	from = snp_page(psp->hw, HPA(in->src));
	state = snp_state_of(&from);
	if (state < SNP_STATE_PRE_GUEST || state > SNP_STATE_GUEST_VALID ||
	    snp_state_at(psp, in->dst) != SNP_STATE_FIRMWARE)
		return PSP_INVALID_PAGE_STATE;
	st = check(g, &from);
	return st == PSP_SUCCESS ? copy_page(psp, in->src, (keyslot_t)g->asid, in->dst, 0) : st;
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
	if (!is_well_formed(in))
		return PSP_INVALID_PARAM;
	st = snp_guest_of(psp, in->gctx, &g);
	if (st != PSP_SUCCESS)
		return st;
	to = snp_page(psp->hw, HPA(in->dst));
	state = snp_state_of(&to);
	if (state != SNP_STATE_PRE_GUEST && state != SNP_STATE_PRE_SWAP)
		return PSP_INVALID_PAGE_STATE;
	st = check(g, &to);
	return st == PSP_SUCCESS ? copy_page(psp, in->src, 0, in->dst, (keyslot_t)g->asid) : st;
}
