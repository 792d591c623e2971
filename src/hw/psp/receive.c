/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * receive.c - SEV API 55766 6.15 to 6.18: a guest arrives from another platform.
 */
#include "hw/psp/psp_priv.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define IS_16(x)	IS_ALIGNED(x, (__typeof__(x))16)

static enum psp_status sender_accept(struct psp *psp, const struct psp_receive_start *in,
				     struct psp_channel *ch)
{
	struct psp_session s;
	struct psp_cert pdh;

	if (in->session_length != sizeof(s))
		return PSP_INVALID_LENGTH;
	if (psp_get(psp, in->session_address, &s, sizeof(s)) != PSP_SUCCESS)
		return PSP_INVALID_ADDRESS;
	if (in->pdh_cert_length != sizeof(pdh))
		return PSP_INVALID_LENGTH;
	if (psp_get(psp, in->pdh_cert_address, &pdh, sizeof(pdh)) != PSP_SUCCESS)
		return PSP_INVALID_ADDRESS;
	return psp_channel_accept(psp, &pdh, &s, in->policy, ch);
}

PSP_COMMAND(psp_do_receive_start)
{
	struct psp_receive_start *in = buf;
	struct psp_channel ch = { 0 };
	uint32_t handle;
	enum psp_status st = sender_accept(psp, in, &ch);

	if (st == PSP_SUCCESS)
		st = psp_guest_make(psp, in->policy, in->handle, &ch, PSP_GUEST_RUPDATE, &handle);
	if (st == PSP_SUCCESS)
		in->handle = handle;
	OPENSSL_cleanse(&ch, sizeof(ch));
	return st;
}

static enum psp_status unpack(struct psp *psp, struct psp_guest *g, const struct psp_packet *in,
			      uint8_t *bytes, bool is_vmsa)
{
	enum psp_status st = PSP_SUCCESS;
	struct psp_header h;

	if (psp_get(psp, in->header_address, &h, sizeof(h)) != PSP_SUCCESS)
		return PSP_INVALID_ADDRESS;
	if (h.flags & PSP_HEADER_COMPRESSED)
		return PSP_UNSUPPORTED;
	if (psp_get(psp, in->trans_address, bytes, in->trans_length) != PSP_SUCCESS)
		return PSP_INVALID_ADDRESS;
	if (!channel_unpack(&g->channel, is_vmsa ? PSP_VMSA_TAG : PSP_DATA_TAG, &h, bytes,
			    in->trans_length))
		return PSP_BAD_MEASUREMENT;
	if (is_vmsa)
		st = in->guest_length < PSP_VMSA_LEN ? PSP_INVALID_LENGTH :
		     psp_vmsa_seal(psp, g, bytes);
	if (st != PSP_SUCCESS)
		return st;
	return view_write(psp->hw, HPA(in->guest_address), (keyslot_t)g->asid, bytes,
			  in->guest_length) ? PSP_SUCCESS : PSP_INVALID_ADDRESS;
}

static enum psp_status receive_update(struct psp *psp, const struct psp_packet *in, bool is_vmsa)
{
	struct psp_guest *g = psp_guest_find(psp, in->handle);
	enum psp_status st;
	uint8_t *bytes;

	if (!g)
		return PSP_INVALID_GUEST;
	if (g->state != PSP_GUEST_RUPDATE)
		return PSP_INVALID_GUEST_STATE;
	if (is_vmsa && !psp_guest_is_es(g))
		return PSP_UNSUPPORTED;
	if (!g->asid)
		return PSP_INACTIVE;
	if (!in->trans_length || in->trans_length > PSP_DATA_MAX || !IS_16(in->guest_length) ||
	    in->guest_length != in->trans_length || in->header_length < PSP_HEADER_LEN)
		return PSP_INVALID_LENGTH;
	if (!IS_16(in->guest_address))
		return PSP_INVALID_ADDRESS;
	bytes = malloc(in->trans_length);
	if (!bytes)
		return PSP_RESOURCE_LIMIT;
	st = unpack(psp, g, in, bytes, is_vmsa);
	OPENSSL_cleanse(bytes, in->trans_length);
	free(bytes);
	return st;
}

PSP_COMMAND(psp_do_receive_update_data)
{
	return receive_update(psp, buf, false);
}

PSP_COMMAND(psp_do_receive_update_vmsa)
{
	return receive_update(psp, buf, true);
}

PSP_COMMAND(psp_do_receive_finish)
{
	struct psp_guest *g = psp_guest_find(psp, ((const struct psp_handle *)buf)->handle);

	if (!g)
		return PSP_INVALID_GUEST;
	if (g->state != PSP_GUEST_RUPDATE)
		return PSP_INVALID_GUEST_STATE;
	psp_guest_runs(g);
	return PSP_SUCCESS;
}
