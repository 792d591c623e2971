/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * identity.c - the platform's keys and certificates; SEV API 55766 chapters 2
 * and 5.
 *
 * All of them are made here.  The chain ends in a CEK that nobody has signed,
 * and whose empty signature says so in words: no tool that checks the chain up
 * to AMD's roots can take it for a chip of AMD's.
 */
#include "hw/psp/psp_priv.h"

#include <openssl/crypto.h>
#include <string.h>

static const char mark[] =
	"SoftCVM: made by a software model of the machine. Not a key of AMD, signed by nobody.";

_Static_assert(sizeof(struct psp_chain) == PSP_CERT_CHAIN_LEN, "layout of the SEV API");

static void key_drop(EVP_PKEY **key, struct psp_cert *c)
{
	EVP_PKEY_free(*key);
	*key = NULL;
	memset(c, 0, sizeof(*c));
}

static bool oca_make(struct psp_identity *id)
{
	id->oca = cert_new_key();
	return id->oca && cert_make(&id->oca_cert, PSP_USAGE_OCA, PSP_ALGO_ECDSA, id->oca) &&
	       cert_sign(&id->oca_cert, 0, PSP_USAGE_OCA, id->oca);
}

static bool pek_make(struct psp_identity *id)
{
	id->pek = cert_new_key();
	return id->pek && cert_make(&id->pek_cert, PSP_USAGE_PEK, PSP_ALGO_ECDSA, id->pek) &&
	       cert_sign(&id->pek_cert, 0, PSP_USAGE_OCA, id->oca) &&
	       cert_sign(&id->pek_cert, 1, PSP_USAGE_CEK, id->cek);
}

static bool pdh_make(struct psp_identity *id)
{
	id->pdh = cert_new_key();
	return id->pdh && cert_make(&id->pdh_cert, PSP_USAGE_PDH, PSP_ALGO_ECDH, id->pdh) &&
	       cert_sign(&id->pdh_cert, 0, PSP_USAGE_PEK, id->pek);
}

static bool cek_cert(const struct psp_identity *id, struct psp_cert *c)
{
	if (!cert_make(c, PSP_USAGE_CEK, PSP_ALGO_ECDSA, id->cek))
		return false;
	memcpy(c->sig[0].bytes, mark, sizeof(mark));
	return true;
}

bool identity_complete(struct psp_identity *id)
{
	if (!id->cek)
		id->cek = cert_new_key();
	if (!id->cek)
		return false;
	if (!id->pek) {
		key_drop(&id->oca, &id->oca_cert);
		key_drop(&id->pdh, &id->pdh_cert);
		if (!oca_make(id) || !pek_make(id)) {
			key_drop(&id->pek, &id->pek_cert);
			return false;
		}
	}
	if (!id->pdh && !pdh_make(id)) {
		key_drop(&id->pdh, &id->pdh_cert);
		return false;
	}
	return true;
}

void identity_reset(struct psp_identity *id)
{
	key_drop(&id->oca, &id->oca_cert);
	key_drop(&id->pek, &id->pek_cert);
	key_drop(&id->pdh, &id->pdh_cert);
	id->is_owned = false;
}

void identity_free(struct psp_identity *id)
{
	identity_reset(id);
	EVP_PKEY_free(id->cek);
	id->cek = NULL;
}

/* Takes back the platform from an owner, too. */
PSP_COMMAND(psp_do_pek_gen)
{
	identity_reset(&psp->identity);
	return identity_complete(&psp->identity) ? PSP_SUCCESS : PSP_HWERROR_PLATFORM;
}

PSP_COMMAND(psp_do_pdh_gen)
{
	key_drop(&psp->identity.pdh, &psp->identity.pdh_cert);
	return identity_complete(&psp->identity) ? PSP_SUCCESS : PSP_HWERROR_PLATFORM;
}

PSP_COMMAND(psp_do_pek_csr)
{
	struct psp_range *r = buf;
	const uint32_t len = r->length;
	struct psp_cert csr = psp->identity.pek_cert;

	r->length = sizeof(csr);
	if (len < sizeof(csr))
		return PSP_INVALID_LENGTH;
	for (unsigned i = 0; i < 2; i++) {
		memset(&csr.sig[i], 0, sizeof(csr.sig[i]));
		csr.sig[i].usage = PSP_USAGE_NONE;
	}
	return psp_put(psp, r->address, &csr, sizeof(csr));
}

static enum psp_status status_of(enum cert_answer a)
{
	return a == CERT_GOOD ? PSP_SUCCESS :
	       a == CERT_BAD_SIGNATURE ? PSP_BAD_SIGNATURE : PSP_INVALID_CERTIFICATE;
}

/* The PEK must be ours, body for body; our CEK's signature stays on it. */
static enum psp_status import_checked(struct psp_identity *id, struct psp_cert *pek,
				      const struct psp_cert *oca)
{
	const size_t body = offsetof(struct psp_cert, sig);
	enum psp_status st = status_of(cert_check(oca, oca));

	if (st == PSP_SUCCESS)
		st = status_of(cert_check(pek, oca));
	if (st != PSP_SUCCESS)
		return st;
	if (memcmp(pek, &id->pek_cert, body))
		return PSP_INVALID_CERTIFICATE;
	pek->sig[pek->sig[0].usage == PSP_USAGE_OCA] = id->pek_cert.sig[1];
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_pek_cert_import)
{
	const struct psp_pek_cert_import *in = buf;
	struct psp_identity *id = &psp->identity;
	struct psp_cert pek, oca;
	enum psp_status st;

	if (id->is_owned)
		return PSP_ALREADY_OWNED;
	if (in->pek_cert_length != sizeof(pek) || in->oca_cert_length != sizeof(oca))
		return PSP_INVALID_LENGTH;
	st = psp_get(psp, in->pek_cert_address, &pek, sizeof(pek));
	if (st == PSP_SUCCESS)
		st = psp_get(psp, in->oca_cert_address, &oca, sizeof(oca));
	if (st == PSP_SUCCESS)
		st = import_checked(id, &pek, &oca);
	if (st != PSP_SUCCESS)
		return st;
	key_drop(&id->oca, &id->oca_cert);
	id->oca_cert = oca;
	id->pek_cert = pek;
	id->is_owned = true;
	return psp_do_pdh_gen(psp, NULL);
}

PSP_COMMAND(psp_do_pdh_cert_export)
{
	struct psp_pdh_cert_export *out = buf;
	const bool fits = out->pdh_cert_length >= PSP_CERT_LEN &&
			  out->certs_length >= PSP_CERT_CHAIN_LEN;
	const struct psp_identity *id = &psp->identity;
	struct psp_chain c = { .pek = id->pek_cert, .oca = id->oca_cert };
	enum psp_status st;

	out->pdh_cert_length = PSP_CERT_LEN;
	out->certs_length = PSP_CERT_CHAIN_LEN;
	if (!fits)
		return PSP_INVALID_LENGTH;
	if (!cek_cert(id, &c.cek))
		return PSP_HWERROR_PLATFORM;
	st = psp_put(psp, out->pdh_cert_address, &id->pdh_cert, sizeof(id->pdh_cert));
	return st == PSP_SUCCESS ? psp_put(psp, out->certs_address, &c, sizeof(c)) : st;
}
