/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cert.h - SEV certificates, version 1: SEV API 55766 appendix C.1.
 *
 * Numbers are little-endian, also those of curve points and signatures.  Only
 * P-384 keys: that is what the firmware makes and takes.
 *
 * Values in memory of the caller; any thread.
 */
#pragma once
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

enum psp_usage {
	PSP_USAGE_ARK	= 0x0000,
	PSP_USAGE_ASK	= 0x0013,
	PSP_USAGE_NONE	= 0x1000,
	PSP_USAGE_OCA	= 0x1001,
	PSP_USAGE_PEK	= 0x1002,
	PSP_USAGE_PDH	= 0x1003,
	PSP_USAGE_CEK	= 0x1004,
};

enum psp_algo {
	PSP_ALGO_NONE	 = 0x000,
	PSP_ALGO_ECDSA	 = 0x002,	/* with SHA-256 */
	PSP_ALGO_ECDH	 = 0x003,	/* with SHA-256 */
	PSP_ALGO_ECDH384 = 0x103,
};

#define PSP_CURVE_P384	2u
#define PSP_POINT_BYTES	72u

struct psp_point { uint8_t x[PSP_POINT_BYTES], y[PSP_POINT_BYTES]; };

struct psp_signature {
	uint32_t usage, algo;
	union {
		struct { uint8_t r[PSP_POINT_BYTES], s[PSP_POINT_BYTES]; };
		uint8_t bytes[512];
	};
};

struct psp_cert {			/* 2084 bytes, as in memory */
	uint32_t version;
	uint8_t	 api_major, api_minor, reserved[2];
	uint32_t usage, algo;
	uint32_t curve;
	struct psp_point q;
	uint8_t	 unused[880];
	struct psp_signature sig[2];
};

struct psp_chain { struct psp_cert pek, oca, cek; };

enum cert_answer { CERT_GOOD, CERT_INVALID, CERT_BAD_SIGNATURE };

MUST_CHECK EVP_PKEY *cert_new_key(void);
/* An unsigned certificate for the public half of @key. */
MUST_CHECK bool cert_make(struct psp_cert *c, enum psp_usage usage, enum psp_algo algo,
			  EVP_PKEY *key);
/* Signs the body into slot 0 or 1. */
MUST_CHECK bool cert_sign(struct psp_cert *c, unsigned slot, enum psp_usage by, EVP_PKEY *key);
/* Was @c signed by the key of @by, as its kind of certificate must be? */
MUST_CHECK enum cert_answer cert_check(const struct psp_cert *c, const struct psp_cert *by);
/* A public key of P-384 (curve 2), little-endian; NULL when it is none. */
MUST_CHECK EVP_PKEY *cert_point_key(uint32_t curve, const struct psp_point *q);
/* The public key of a certificate; NULL when it is none of P-384. */
MUST_CHECK EVP_PKEY *cert_key(const struct psp_cert *c);
/* Version, usage, algorithm and key of a certificate that is used unsigned. */
MUST_CHECK bool cert_is_dh(const struct psp_cert *c);

/* ECDSA over the digest @md of @bytes, in the API's byte order. */
MUST_CHECK bool cert_bytes_match(EVP_PKEY *key, const EVP_MD *md, const void *bytes, size_t len,
				 const uint8_t r[72], const uint8_t s[72]);
MUST_CHECK bool cert_sign_bytes(EVP_PKEY *key, const EVP_MD *md, const void *bytes, size_t len,
				uint8_t r[72], uint8_t s[72]);
