/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * channel.h - the keys between a guest's owner and the secure processor, and
 * what they protect.  SEV API 55766 chapter 2 (session, transport keys) and
 * 6.5.2 (measurement).
 *
 * Values in memory of the caller; any thread.  False: libcrypto failed, or
 * what is said here.
 */
#pragma once
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define PSP_SECRET_TAG	0x01u		/* first byte of what is authenticated */
#define PSP_DATA_TAG	0x02u
#define PSP_VMSA_TAG	0x03u
#define PSP_MEASURE_TAG	0x04u

struct psp_channel {
	uint8_t	tek[16], tik[16];	/* transport encryption and integrity keys */
	uint8_t	measure[32];		/* the launch measurement, once taken */
};

struct psp_session {			/* 128 bytes, as in memory */
	uint8_t	nonce[16], wrap_tk[32], wrap_iv[16], wrap_mac[32], policy_mac[32];
};

struct psp_header {			/* 52 bytes, as in memory */
	uint32_t flags;
	uint8_t	 iv[16], mac[32];
};
#define PSP_HEADER_COMPRESSED	1u

/* What LAUNCH_MEASURE authenticates beside the nonce */
struct psp_measured {
	uint8_t	 api_major, api_minor, build;
	uint32_t policy;
	uint8_t	 digest[32];
};

/* NIST SP 800-108 in counter mode with HMAC-SHA-256, at most 32 bytes. */
MUST_CHECK bool channel_derive(uint8_t *out, size_t len, const uint8_t *key, size_t key_len,
			       const char *label, const uint8_t *context, size_t context_len);

/* The keys that the peer wrapped for @own; false also when a MAC does not match. */
MUST_CHECK bool channel_open(struct psp_channel *ch, EVP_PKEY *own, EVP_PKEY *peer,
			     const struct psp_session *s, uint32_t policy);
/* New keys, wrapped for @peer. */
MUST_CHECK bool channel_create(struct psp_channel *ch, EVP_PKEY *own, EVP_PKEY *peer,
			       struct psp_session *s, uint32_t policy);

MUST_CHECK bool channel_measure(const uint8_t tik[16], const struct psp_measured *m,
				const uint8_t mnonce[16], uint8_t mac[32]);

/*
 * Packets: @bytes is encrypted or decrypted in place under the TEK (AES-128 in
 * counter mode) and authenticated as ciphertext; channel_unpack() is false and
 * leaves @bytes alone when the MAC does not match.
 */
MUST_CHECK bool channel_pack(const struct psp_channel *ch, uint8_t tag, struct psp_header *h,
			     uint8_t *bytes, size_t len);
MUST_CHECK bool channel_unpack(const struct psp_channel *ch, uint8_t tag,
			       const struct psp_header *h, uint8_t *bytes, size_t len);
