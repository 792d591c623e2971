/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * debug.c - SEV API 55766 6.21 to 6.23: guest memory for a debugger, and
 * moving ciphertext from one place to another.
 */
#include "hw/psp/psp_priv.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define IS_16(x)	IS_ALIGNED(x, (__typeof__(x))16)

enum psp_status psp_copy_run(struct psp *psp, const struct psp_copy_job *j)
{
	const size_t step = MIN(j->len, (uint64_t)PSP_LONGEST);
	uint8_t *bytes = malloc(step ? step : 1);
	enum psp_status st = bytes ? PSP_SUCCESS : PSP_RESOURCE_LIMIT;
	size_t n;

	for (uint64_t off = 0; st == PSP_SUCCESS && off < j->len; off += n) {
		n = MIN(j->len - off, step);
		if (!view_read(psp->hw, HPA(j->from + off), j->from_key, bytes, n) ||
		    !view_write(psp->hw, HPA(j->to + off), j->to_key, bytes, n))
			st = PSP_INVALID_ADDRESS;
	}
	if (bytes)
		OPENSSL_cleanse(bytes, step);
	free(bytes);
	return st;
}

static enum psp_status dbg(struct psp *psp, const struct psp_dbg *in, bool encrypt)
{
	const struct psp_guest *g;
	keyslot_t key;

	if (!IS_16(in->src_address) || !IS_16(in->dst_address))
		return PSP_INVALID_ADDRESS;
	if (!IS_16(in->length))
		return PSP_INVALID_LENGTH;
	g = psp_guest_find(psp, in->handle);
	if (!g)
		return PSP_INVALID_GUEST;
	if (g->policy & PSP_POLICY_NODBG)
		return PSP_POLICY_FAILURE;
	if (!g->asid)
		return PSP_INACTIVE;
	key = (keyslot_t)g->asid;
	return psp_copy_run(psp, &(struct psp_copy_job){
		.to = in->dst_address, .to_key = encrypt ? key : 0,
		.from = in->src_address, .from_key = encrypt ? 0 : key, .len = in->length,
	});
}

PSP_COMMAND(psp_do_dbg_decrypt)
{
	return dbg(psp, buf, false);
}

PSP_COMMAND(psp_do_dbg_encrypt)
{
	return dbg(psp, buf, true);
}

PSP_COMMAND(psp_do_copy)
{
	const struct psp_copy *in = buf;
	const struct psp_guest *g = psp_guest_find(psp, in->handle);

	if (!g)
		return PSP_INVALID_GUEST;
	if (!g->asid)
		return PSP_INACTIVE;
	if (!in->length || !IS_ALIGNED(in->length, (uint32_t)PAGE_SIZE))
		return PSP_INVALID_LENGTH;
	if (!IS_ALIGNED(in->src_address | in->dst_address, (uint64_t)PAGE_SIZE))
		return PSP_INVALID_ADDRESS;
	if (in->src_address == in->dst_address)
		return PSP_SUCCESS;
	return psp_copy_run(psp, &(struct psp_copy_job){
		.to = in->dst_address, .to_key = (keyslot_t)g->asid,
		.from = in->src_address, .from_key = (keyslot_t)g->asid, .len = in->length,
	});
}
