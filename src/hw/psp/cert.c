/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/psp/cert.h"

#include "base/bytes.h"
#include "hw/insn/psp.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <string.h>

#define P384_BYTES	48

_Static_assert(sizeof(struct psp_cert) == PSP_CERT_LEN, "layout of the SEV API");

#define BODY_BYTES	offsetof(struct psp_cert, sig)

EVP_PKEY *cert_new_key(void)
{
	return EVP_EC_gen("P-384");
}

static void reverse(uint8_t *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[n - 1 - i];
}

bool cert_make(struct psp_cert *c, enum psp_usage usage, enum psp_algo algo, EVP_PKEY *key)
{
	uint8_t point[1 + 2 * P384_BYTES];
	size_t len = 0;

	memset(c, 0, sizeof(*c));
	if (!EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
					     sizeof(point), &len) || len != sizeof(point))
		return false;
	c->version = 1;
	c->api_major = PSP_API_MAJOR;
	c->api_minor = PSP_API_MINOR;
	c->usage = usage;
	c->algo = algo;
	c->curve = PSP_CURVE_P384;
	reverse(c->q.x, point + 1, P384_BYTES);
	reverse(c->q.y, point + 1 + P384_BYTES, P384_BYTES);
	c->sig[0].usage = c->sig[1].usage = PSP_USAGE_NONE;
	return true;
}

EVP_PKEY *cert_point_key(uint32_t curve, const struct psp_point *q)
{
	const size_t high = PSP_POINT_BYTES - P384_BYTES;
	uint8_t point[1 + 2 * P384_BYTES] = { POINT_CONVERSION_UNCOMPRESSED };
	EVP_PKEY_CTX *ctx = NULL;
	OSSL_PARAM *params = NULL;
	OSSL_PARAM_BLD *b;
	EVP_PKEY *key = NULL;

	if (curve != PSP_CURVE_P384 || !bytes_are_zero(q->x + P384_BYTES, high) ||
	    !bytes_are_zero(q->y + P384_BYTES, high))
		return NULL;
	reverse(point + 1, q->x, P384_BYTES);
	reverse(point + 1 + P384_BYTES, q->y, P384_BYTES);
	b = OSSL_PARAM_BLD_new();
	if (b && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "P-384", 0) &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)))
		params = OSSL_PARAM_BLD_to_param(b);
	ctx = params ? EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL) : NULL;
	/* a point that is not on the curve is refused here */
	if (ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	return key;
}

EVP_PKEY *cert_key(const struct psp_cert *c)
{
	return cert_point_key(c->curve, &c->q);
}

bool cert_sign_bytes(EVP_PKEY *key, const EVP_MD *md, const void *bytes, size_t len,
		     uint8_t r[72], uint8_t s[72])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[160];
	const uint8_t *p = der;
	size_t n = sizeof(der);
	ECDSA_SIG *sig = NULL;
	bool ok = ctx && EVP_DigestSignInit(ctx, NULL, md, NULL, key) > 0 &&
		  EVP_DigestSign(ctx, der, &n, bytes, len) > 0;

	if (ok)
		sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
	memset(r, 0, PSP_POINT_BYTES);
	memset(s, 0, PSP_POINT_BYTES);
	ok = sig && BN_bn2lebinpad(ECDSA_SIG_get0_r(sig), r, PSP_POINT_BYTES) > 0 &&
	     BN_bn2lebinpad(ECDSA_SIG_get0_s(sig), s, PSP_POINT_BYTES) > 0;
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
	return ok;
}

bool cert_sign(struct psp_cert *c, unsigned slot, enum psp_usage by, EVP_PKEY *key)
{
	struct psp_signature *sig = &c->sig[slot];

	memset(sig, 0, sizeof(*sig));
	sig->usage = by;
	sig->algo = PSP_ALGO_ECDSA;
	return cert_sign_bytes(key, EVP_sha256(), c, BODY_BYTES, sig->r, sig->s);
}

bool cert_bytes_match(EVP_PKEY *key, const EVP_MD *md, const void *bytes, size_t len,
		      const uint8_t r_le[72], const uint8_t s_le[72])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	ECDSA_SIG *es = ECDSA_SIG_new();
	BIGNUM *r = BN_lebin2bn(r_le, PSP_POINT_BYTES, NULL);
	BIGNUM *s = BN_lebin2bn(s_le, PSP_POINT_BYTES, NULL);
	uint8_t *der = NULL;
	int n = -1;
	bool ok;

	if (es && r && s && ECDSA_SIG_set0(es, r, s)) {
		r = s = NULL;
		n = i2d_ECDSA_SIG(es, &der);
	}
	ok = n > 0 && ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) > 0 &&
	     EVP_DigestVerify(ctx, der, (size_t)n, bytes, len) == 1;
	OPENSSL_free(der);
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(es);
	EVP_MD_CTX_free(ctx);
	return ok;
}

/* Who may sign a certificate of this usage. */
static bool may_sign(uint32_t usage, uint32_t by)
{
	switch (usage) {
	case PSP_USAGE_PDH:
		return by == PSP_USAGE_PEK;
	case PSP_USAGE_PEK:
		return by == PSP_USAGE_OCA || by == PSP_USAGE_CEK;
	case PSP_USAGE_OCA:
		return by == PSP_USAGE_OCA;
	case PSP_USAGE_CEK:
		return by == PSP_USAGE_ASK;
	default:
		return false;
	}
}

static bool algo_is_known(uint32_t algo)
{
	return algo == PSP_ALGO_ECDSA || algo == PSP_ALGO_ECDH || algo == PSP_ALGO_ECDH384;
}

static bool body_is_good(const struct psp_cert *c)
{
	EVP_PKEY *key = cert_key(c);

	EVP_PKEY_free(key);
	return key && c->version == 1 && algo_is_known(c->algo) &&
	       (c->usage == PSP_USAGE_PDH || c->usage == PSP_USAGE_PEK ||
		c->usage == PSP_USAGE_OCA || c->usage == PSP_USAGE_CEK);
}

enum cert_answer cert_check(const struct psp_cert *c, const struct psp_cert *by)
{
	enum cert_answer answer = CERT_INVALID;
	EVP_PKEY *key = body_is_good(by) ? cert_key(by) : NULL;

	for (unsigned i = 0; key && answer == CERT_INVALID && i < 2; i++) {
		const struct psp_signature *sig = &c->sig[i];

		if ((sig->algo == PSP_ALGO_NONE) != (sig->usage == PSP_USAGE_NONE))
			answer = CERT_BAD_SIGNATURE;
		else if (sig->algo == by->algo && sig->usage == by->usage)
			answer = cert_bytes_match(key, EVP_sha256(), c, BODY_BYTES, sig->r, sig->s) ?
				 CERT_GOOD : CERT_BAD_SIGNATURE;
	}
	EVP_PKEY_free(key);
	if (answer == CERT_GOOD && (!body_is_good(c) || !may_sign(c->usage, by->usage)))
		answer = CERT_INVALID;
	return answer;
}

bool cert_is_dh(const struct psp_cert *c)
{
	return body_is_good(c) && c->usage == PSP_USAGE_PDH &&
	       (c->algo == PSP_ALGO_ECDH || c->algo == PSP_ALGO_ECDH384);
}
