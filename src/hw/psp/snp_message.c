/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/psp/snp_message.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define ALGO_GCM	1u
#define VERSION		1u	/* of all messages so far */
#define TAG_BYTES	16
#define IV_BYTES	12
#define CLEAR_FROM	offsetof(struct snp_message, algo)
#define CLEAR_BYTES	(SNP_MESSAGE_HEADER - CLEAR_FROM)

_Static_assert(offsetof(struct snp_message, payload) == SNP_MESSAGE_HEADER, "layout of the ABI");
_Static_assert(sizeof(struct snp_message) == 4096, "layout of the ABI");

/* Keyed and fed with what is authenticated in the clear; NULL when libcrypto fails. */
static EVP_CIPHER_CTX *gcm(const struct snp_message *m, const uint8_t key[32], bool encrypt)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t iv[IV_BYTES] = { 0 };
	int n;

	memcpy(iv, &m->seqno, sizeof(m->seqno));
	if (ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv, encrypt) &&
	    EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)m + CLEAR_FROM, CLEAR_BYTES))
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static bool header_is_good(const struct snp_message *m)
{
	return m->hdr_version == 1 && m->hdr_size == SNP_MESSAGE_HEADER && m->algo == ALGO_GCM &&
	       m->size && m->size % 16 == 0 && m->size <= SNP_MESSAGE_MAX &&
	       m->vmpck < SNP_NR_VMPCKS;
}

static bool unwrap(const struct snp_message *m, const uint8_t key[32], uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = gcm(m, key, false);
	uint8_t tag[TAG_BYTES];
	int n;
	bool ok;

	memcpy(tag, m->authtag, sizeof(tag));
	ok = ctx && EVP_CipherUpdate(ctx, out, &n, m->payload, m->size) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) &&
	     EVP_CipherFinal_ex(ctx, out + n, &n);
	EVP_CIPHER_CTX_free(ctx);
	if (!ok)
		OPENSSL_cleanse(out, m->size);
	return ok;
}

enum psp_status snp_message_open(const struct snp_message *m,
				 const struct snp_vmpck keys[SNP_NR_VMPCKS], uint8_t *out)
{
	const struct snp_vmpck *k;

	if (!header_is_good(m))
		return PSP_INVALID_PARAM;
	k = &keys[m->vmpck];
	if (!unwrap(m, k->key, out))
		return PSP_BAD_MEASUREMENT;
	if (k->count == UINT64_MAX - 1 || m->seqno != k->count + 1) {
		OPENSSL_cleanse(out, m->size);
		return PSP_AEAD_OFLOW;
	}
	return m->version == VERSION ? PSP_SUCCESS : PSP_INVALID_PARAM;
}

bool snp_message_seal(struct snp_message *m, const struct snp_message *request,
		      struct snp_vmpck keys[SNP_NR_VMPCKS], uint8_t type, const void *payload,
		      size_t len)
{
	struct snp_vmpck *k = &keys[request->vmpck];
	EVP_CIPHER_CTX *ctx;
	int n;
	bool ok;

	*m = (struct snp_message){
		.seqno = request->seqno + 1, .algo = ALGO_GCM, .hdr_version = 1,
		.hdr_size = SNP_MESSAGE_HEADER, .type = type, .version = VERSION,
		.size = (uint16_t)len, .vmpck = request->vmpck,
	};
	ctx = gcm(m, k->key, true);
	ok = ctx && EVP_CipherUpdate(ctx, m->payload, &n, payload, (int)len) &&
	     EVP_CipherFinal_ex(ctx, m->payload + n, &n) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, m->authtag);
	EVP_CIPHER_CTX_free(ctx);
	if (ok)
		k->count += 2;
	return ok;
}
