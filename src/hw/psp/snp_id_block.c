/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/psp/snp_id_block.h"

#include <openssl/evp.h>
#include <string.h>

_Static_assert(sizeof(struct snp_id_block) == 96, "layout of the firmware ABI");
_Static_assert(sizeof(struct snp_id_auth) == 4096, "layout of the firmware ABI");
_Static_assert(offsetof(struct snp_id_auth, id_key_sig) == 0x680, "layout of the firmware ABI");

static bool is_signed(const void *bytes, size_t len, const struct snp_id_signature *sig,
		      const struct snp_id_key *by)
{
	EVP_PKEY *key = cert_point_key(by->curve, &by->q);
	bool ok = key && cert_bytes_match(key, EVP_sha384(), bytes, len, sig->r, sig->s);

	EVP_PKEY_free(key);
	return ok;
}

static bool key_digest(const struct snp_id_key *key, uint8_t out[SNP_DIGEST_BYTES])
{
	return EVP_Digest(key, sizeof(*key), out, NULL, EVP_sha384(), NULL);
}

enum psp_status snp_id_block_check(const struct snp_id_block *block,
				   const struct snp_id_auth *auth, bool has_author,
				   const uint8_t ld[SNP_DIGEST_BYTES], uint64_t policy,
				   struct snp_identity *out)
{
	struct snp_identity id = { { 0 } };

	if (memcmp(block->ld, ld, sizeof(block->ld)))
		return PSP_BAD_MEASUREMENT;
	if (block->policy != policy)
		return PSP_POLICY_FAILURE;
	if (auth->id_key_algo != SNP_ID_ALGO_P384 ||
	    (has_author && auth->author_key_algo != SNP_ID_ALGO_P384))
		return PSP_INVALID_PARAM;
	if (!is_signed(block, sizeof(*block), &auth->id_block_sig, &auth->id_key))
		return PSP_BAD_SIGNATURE;
	if (has_author && !is_signed(&auth->id_key, sizeof(auth->id_key), &auth->id_key_sig,
				     &auth->author_key))
		return PSP_BAD_SIGNATURE;
	if (!key_digest(&auth->id_key, id.id_key_digest) ||
	    (has_author && !key_digest(&auth->author_key, id.author_key_digest)))
		return PSP_HWERROR_PLATFORM;
	*out = id;
	return PSP_SUCCESS;
}
