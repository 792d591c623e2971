/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/psp/channel.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#define MAC_BYTES	32u

struct piece {				/* of what is authenticated, in order */
	const void	*bytes;
	size_t		 len;
};

static bool mac_of(const uint8_t *key, size_t key_len, const struct piece *p, size_t nr,
		   uint8_t out[MAC_BYTES])
{
	char sha256[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	bool ok = ctx && EVP_MAC_init(ctx, key, key_len, params);
	size_t len = 0;

	for (size_t i = 0; ok && i < nr; i++)
		ok = !p[i].len || EVP_MAC_update(ctx, p[i].bytes, p[i].len);
	ok = ok && EVP_MAC_final(ctx, out, &len, MAC_BYTES) && len == MAC_BYTES;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(hmac);
	return ok;
}

static bool mac_matches(const uint8_t *key, size_t key_len, const struct piece *p, size_t nr,
			const uint8_t want[MAC_BYTES])
{
	uint8_t mac[MAC_BYTES];

	return mac_of(key, key_len, p, nr, mac) && !CRYPTO_memcmp(mac, want, MAC_BYTES);
}

/* AES-128 in counter mode is its own inverse. */
static bool ctr(const uint8_t key[16], const uint8_t iv[16], uint8_t *bytes, size_t len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0;
	bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, key, iv) &&
		  EVP_EncryptUpdate(ctx, bytes, &n, bytes, (int)len) && (size_t)n == len;

	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

bool channel_derive(uint8_t *out, size_t len, const uint8_t *key, size_t key_len,
		    const char *label, const uint8_t *context, size_t context_len)
{
	const uint32_t counter = 1, bits = (uint32_t)len * 8;
	const struct piece p[] = {
		{ &counter, sizeof(counter) }, { label, strlen(label) }, { "", 1 },
		{ context, context_len }, { &bits, sizeof(bits) },
	};
	uint8_t mac[MAC_BYTES];
	bool ok = len <= MAC_BYTES && mac_of(key, key_len, p, ARRAY_SIZE(p), mac);

	if (ok)
		memcpy(out, mac, len);
	OPENSSL_cleanse(mac, sizeof(mac));
	return ok;
}

struct wrap_keys { uint8_t kek[16], kik[16]; };

/* ECDH, the master secret, and from it the keys that wrap the transport keys. */
static bool wrap_keys_agree(struct wrap_keys *w, EVP_PKEY *own, EVP_PKEY *peer,
			    const uint8_t nonce[16])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
	uint8_t z[64], master[16];
	size_t len = sizeof(z);
	bool ok = ctx && EVP_PKEY_derive_init(ctx) > 0 &&
		  EVP_PKEY_derive_set_peer(ctx, peer) > 0 &&
		  EVP_PKEY_derive(ctx, z, &len) > 0;

	ok = ok && channel_derive(master, sizeof(master), z, len, "sev-master-secret", nonce, 16) &&
	     channel_derive(w->kek, sizeof(w->kek), master, sizeof(master), "sev-kek", NULL, 0) &&
	     channel_derive(w->kik, sizeof(w->kik), master, sizeof(master), "sev-kik", NULL, 0);
	EVP_PKEY_CTX_free(ctx);
	OPENSSL_cleanse(z, sizeof(z));
	OPENSSL_cleanse(master, sizeof(master));
	return ok;
}

bool channel_open(struct psp_channel *ch, EVP_PKEY *own, EVP_PKEY *peer,
		  const struct psp_session *s, uint32_t policy)
{
	const struct piece wrapped = { s->wrap_tk, sizeof(s->wrap_tk) };
	const struct piece said = { &policy, sizeof(policy) };
	struct wrap_keys w;
	uint8_t tk[32];
	bool ok;

	memcpy(tk, s->wrap_tk, sizeof(tk));
	ok = wrap_keys_agree(&w, own, peer, s->nonce) &&
	     mac_matches(w.kik, sizeof(w.kik), &wrapped, 1, s->wrap_mac) &&
	     ctr(w.kek, s->wrap_iv, tk, sizeof(tk)) &&
	     mac_matches(tk + 16, 16, &said, 1, s->policy_mac);
	if (ok) {
		memset(ch, 0, sizeof(*ch));
		memcpy(ch->tek, tk, sizeof(ch->tek));
		memcpy(ch->tik, tk + 16, sizeof(ch->tik));
	}
	OPENSSL_cleanse(tk, sizeof(tk));
	OPENSSL_cleanse(&w, sizeof(w));
	return ok;
}

bool channel_create(struct psp_channel *ch, EVP_PKEY *own, EVP_PKEY *peer,
		    struct psp_session *s, uint32_t policy)
{
	const struct piece wrapped = { s->wrap_tk, sizeof(s->wrap_tk) };
	const struct piece said = { &policy, sizeof(policy) };
	struct wrap_keys w;
	bool ok;

	memset(ch, 0, sizeof(*ch));
	ok = RAND_bytes(ch->tek, sizeof(ch->tek)) == 1 &&
	     RAND_bytes(ch->tik, sizeof(ch->tik)) == 1 &&
	     RAND_bytes(s->nonce, sizeof(s->nonce)) == 1 &&
	     RAND_bytes(s->wrap_iv, sizeof(s->wrap_iv)) == 1 &&
	     wrap_keys_agree(&w, own, peer, s->nonce);
	if (ok) {
		memcpy(s->wrap_tk, ch->tek, sizeof(ch->tek));
		memcpy(s->wrap_tk + 16, ch->tik, sizeof(ch->tik));
		ok = ctr(w.kek, s->wrap_iv, s->wrap_tk, sizeof(s->wrap_tk)) &&
		     mac_of(w.kik, sizeof(w.kik), &wrapped, 1, s->wrap_mac) &&
		     mac_of(ch->tik, sizeof(ch->tik), &said, 1, s->policy_mac);
	}
	OPENSSL_cleanse(&w, sizeof(w));
	if (!ok)
		OPENSSL_cleanse(s, sizeof(*s));
	return ok;
}

bool channel_measure(const uint8_t tik[16], const struct psp_measured *m,
		     const uint8_t mnonce[16], uint8_t mac[32])
{
	const uint8_t head[] = { PSP_MEASURE_TAG, m->api_major, m->api_minor, m->build };
	const struct piece p[] = {
		{ head, sizeof(head) }, { &m->policy, sizeof(m->policy) },
		{ m->digest, sizeof(m->digest) }, { mnonce, 16 },
	};

	return mac_of(tik, 16, p, ARRAY_SIZE(p), mac);
}

/* Both lengths are the same: nothing is compressed. */
#define PACKET_PIECES(ch, tag, h, bytes, len)						\
	{										\
		{ &(tag), 1 }, { &(h)->flags, sizeof((h)->flags) },			\
		{ (h)->iv, sizeof((h)->iv) }, { &(len), sizeof(len) },			\
		{ &(len), sizeof(len) }, { (bytes), (len) },				\
		{ (ch)->measure, (tag) == PSP_SECRET_TAG ? sizeof((ch)->measure) : 0 },	\
	}

bool channel_pack(const struct psp_channel *ch, uint8_t tag, struct psp_header *h,
		  uint8_t *bytes, size_t len)
{
	const uint32_t n = (uint32_t)len;
	const struct piece p[] = PACKET_PIECES(ch, tag, h, bytes, n);

	h->flags = 0;
	return RAND_bytes(h->iv, sizeof(h->iv)) == 1 && ctr(ch->tek, h->iv, bytes, len) &&
	       mac_of(ch->tik, sizeof(ch->tik), p, ARRAY_SIZE(p), h->mac);
}

bool channel_unpack(const struct psp_channel *ch, uint8_t tag, const struct psp_header *h,
		    uint8_t *bytes, size_t len)
{
	const uint32_t n = (uint32_t)len;
	const struct piece p[] = PACKET_PIECES(ch, tag, h, bytes, n);

	return mac_matches(ch->tik, sizeof(ch->tik), p, ARRAY_SIZE(p), h->mac) &&
	       ctr(ch->tek, h->iv, bytes, len);
}
