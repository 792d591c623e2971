/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * send.c - SEV API 55766 6.9 to 6.14: a guest leaves for another platform.
 *
 * The platform that receives is checked as far as POLICY asks: DOMAIN wants the
 * same OCA; SEV wants a chain up to AMD's root, which no certificate of a
 * model has, so such a guest is not sent (INVALID_CERTIFICATE).
 */
#include "hw/psp/psp_priv.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define IS_16(x)	IS_ALIGNED(x, (__typeof__(x))16)

struct receiver {
	struct psp_cert	 pdh;
	struct psp_chain chain;
};

static enum psp_status fail_of(enum cert_answer a)
{
	return a == CERT_BAD_SIGNATURE ? PSP_BAD_SIGNATURE : PSP_INVALID_CERTIFICATE;
}

/* PDH by PEK, PEK by OCA, OCA by itself, and the OCA is this platform's. */
static enum psp_status domain_check(const struct psp *psp, const struct receiver *r)
{
	const struct psp_chain *c = &r->chain;
	const struct { const struct psp_cert *cert, *by; } steps[] = {
		{ &c->oca, &c->oca }, { &c->pek, &c->oca }, { &r->pdh, &c->pek },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		enum cert_answer a = cert_check(steps[i].cert, steps[i].by);

		if (a != CERT_GOOD)
			return fail_of(a);
	}
	return memcmp(&c->oca, &psp->identity.oca_cert, sizeof(c->oca)) ?
	       PSP_POLICY_FAILURE : PSP_SUCCESS;
}

static enum psp_status receiver_get(struct psp *psp, const struct psp_guest *g,
				    const struct psp_send_start *in, struct receiver *r)
{
	enum psp_status st;

	if (g->policy & PSP_POLICY_SEV)
		return PSP_INVALID_CERTIFICATE;
	if (in->pdh_cert_length != PSP_CERT_LEN)
		return PSP_INVALID_LENGTH;
	st = psp_get(psp, in->pdh_cert_address, &r->pdh, sizeof(r->pdh));
	if (st != PSP_SUCCESS || !(g->policy & PSP_POLICY_DOMAIN))
		return st;
	if (in->plat_certs_length != PSP_CERT_CHAIN_LEN)
		return PSP_INVALID_LENGTH;
	st = psp_get(psp, in->plat_certs_address, &r->chain, sizeof(r->chain));
	return st == PSP_SUCCESS ? domain_check(psp, r) : st;
}

static enum psp_status channel_make(struct psp *psp, const struct psp_guest *g,
				    const struct psp_cert *pdh, struct psp_channel *ch,
				    struct psp_session *s)
{
	EVP_PKEY *peer = cert_is_dh(pdh) ? cert_key(pdh) : NULL;
	bool ok;

	if (!peer)
		return PSP_INVALID_CERTIFICATE;
	ok = channel_create(ch, psp->identity.pdh, peer, s, g->policy);
	EVP_PKEY_free(peer);
	return ok ? PSP_SUCCESS : PSP_HWERROR_PLATFORM;
}

PSP_COMMAND(psp_do_send_start)
{
	struct psp_send_start *in = buf;
	struct psp_guest *g = psp_guest_find(psp, in->handle);
	struct psp_session s;
	struct psp_channel ch;
	struct receiver r;
	enum psp_status st;

	if (!g)
		return PSP_INVALID_GUEST;
	if (in->session_length != sizeof(s)) {
		in->session_length = sizeof(s);
		return PSP_INVALID_LENGTH;
	}
	if (g->state != PSP_GUEST_RUNNING)
		return PSP_INVALID_GUEST_STATE;
	if (g->policy & PSP_POLICY_NOSEND)
		return PSP_POLICY_FAILURE;
	st = receiver_get(psp, g, in, &r);
	if (st == PSP_SUCCESS)
		st = channel_make(psp, g, &r.pdh, &ch, &s);
	if (st == PSP_SUCCESS)
		st = psp_put(psp, in->session_address, &s, sizeof(s));
	if (st == PSP_SUCCESS) {
		in->policy = g->policy;
		g->channel = ch;
		g->state = PSP_GUEST_SUPDATE;
	}
	OPENSSL_cleanse(&ch, sizeof(ch));
	return st;
}

static enum psp_status pack(struct psp *psp, struct psp_guest *g, const struct psp_packet *in,
			    uint8_t *bytes, bool is_vmsa)
{
	struct psp_header h;
	enum psp_status st;

	if (!view_read(psp->hw, HPA(in->guest_address), (keyslot_t)g->asid, bytes,
		       in->guest_length))
		return PSP_INVALID_ADDRESS;
	if (is_vmsa && (in->guest_length < PSP_VMSA_LEN || !psp_vmsa_is_sealed(psp, g, bytes)))
		return PSP_INVALID_PARAM;
	if (!channel_pack(&g->channel, is_vmsa ? PSP_VMSA_TAG : PSP_DATA_TAG, &h, bytes,
			  in->guest_length))
		return PSP_HWERROR_PLATFORM;
	st = psp_put(psp, in->trans_address, bytes, in->guest_length);
	return st == PSP_SUCCESS ? psp_put(psp, in->header_address, &h, sizeof(h)) : st;
}

static enum psp_status send_update(struct psp *psp, struct psp_packet *in, bool is_vmsa)
{
	const uint32_t header_length = in->header_length;
	struct psp_guest *g = psp_guest_find(psp, in->handle);
	enum psp_status st;
	uint8_t *bytes;

	if (header_length < PSP_HEADER_LEN) {
		in->header_length = PSP_HEADER_LEN;
		return PSP_INVALID_LENGTH;
	}
	if (!g)
		return PSP_INVALID_GUEST;
	if (g->state != PSP_GUEST_SUPDATE)
		return PSP_INVALID_GUEST_STATE;
	if (is_vmsa && !psp_guest_is_es(g))
		return PSP_UNSUPPORTED;
	if (!g->asid)
		return PSP_INACTIVE;
	if (!in->guest_length || in->guest_length > PSP_DATA_MAX || !IS_16(in->guest_length) ||
	    in->trans_length < in->guest_length)
		return PSP_INVALID_LENGTH;
	if (!IS_16(in->guest_address))
		return PSP_INVALID_ADDRESS;
	bytes = malloc(in->guest_length);
	if (!bytes)
		return PSP_RESOURCE_LIMIT;
	st = pack(psp, g, in, bytes, is_vmsa);
	if (st == PSP_SUCCESS)
		in->header_length = PSP_HEADER_LEN;
	OPENSSL_cleanse(bytes, in->guest_length);
	free(bytes);
	return st;
}

PSP_COMMAND(psp_do_send_update_data)
{
	return send_update(psp, buf, false);
}

PSP_COMMAND(psp_do_send_update_vmsa)
{
	return send_update(psp, buf, true);
}

static enum psp_status send_end(struct psp *psp, const struct psp_handle *in,
				enum psp_guest_state state)
{
	struct psp_guest *g = psp_guest_find(psp, in->handle);

	if (!g)
		return PSP_INVALID_GUEST;
	if (g->state != PSP_GUEST_SUPDATE)
		return PSP_INVALID_GUEST_STATE;
	OPENSSL_cleanse(&g->channel, sizeof(g->channel));
	g->state = state;
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_send_finish)
{
	return send_end(psp, buf, PSP_GUEST_SENT);
}

PSP_COMMAND(psp_do_send_cancel)
{
	return send_end(psp, buf, PSP_GUEST_RUNNING);
}
