/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gcm.c - AES-256-GCM, bit by bit: for a few messages, not for speed, and not against somebody
 * who measures time.  FIPS 197, NIST SP 800-38D.
 */
#include "snp.h"

#define ROUNDS 14

struct aes { uint8_t box[256], key[16 * (ROUNDS + 1)]; };

static uint8_t doubled(uint8_t a)
{
	return (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0));
}

static uint8_t turned(uint8_t a, unsigned by)
{
	return (uint8_t)(a << by | a >> (8 - by));
}

/* All inverses, by going through the field with a generator and its inverse. */
static void make_box(uint8_t box[256])
{
	uint8_t p = 1, q = 1;

	do {
		p ^= doubled(p);			/* times 3 */
		q ^= (uint8_t)(q << 1);			/* divided by 3 */
		q ^= (uint8_t)(q << 2);
		q ^= (uint8_t)(q << 4);
		if (q & 0x80)
			q ^= 0x09;
		box[p] = q ^ turned(q, 1) ^ turned(q, 2) ^ turned(q, 3) ^ turned(q, 4) ^ 0x63;
	} while (p != 1);
	box[0] = 0x63;
}

static void set_key(struct aes *a, const uint8_t key[32])
{
	uint8_t round = 1;

	make_box(a->box);
	memcpy(a->key, key, 32);
	for (unsigned i = 32; i < sizeof(a->key); i += 4) {
		uint8_t w[4];

		memcpy(w, a->key + i - 4, 4);
		if (i % 32 == 0) {
			uint8_t first = w[0];

			w[0] = a->box[w[1]] ^ round;
			w[1] = a->box[w[2]];
			w[2] = a->box[w[3]];
			w[3] = a->box[first];
			round = doubled(round);
		} else if (i % 32 == 16) {
			for (unsigned j = 0; j < 4; j++)
				w[j] = a->box[w[j]];
		}
		for (unsigned j = 0; j < 4; j++)
			a->key[i + j] = a->key[i + j - 32] ^ w[j];
	}
}

static void mix(uint8_t s[16])
{
	for (unsigned c = 0; c < 16; c += 4) {
		uint8_t first = s[c], all = s[c] ^ s[c + 1] ^ s[c + 2] ^ s[c + 3];

		for (unsigned r = 0; r < 4; r++)
			s[c + r] ^= all ^ doubled(s[c + r] ^ (r < 3 ? s[c + r + 1] : first));
	}
}

static void encrypt_block(const struct aes *a, const uint8_t in[16], uint8_t out[16])
{
	uint8_t s[16], t[16];

	for (unsigned i = 0; i < 16; i++)
		s[i] = in[i] ^ a->key[i];
	for (unsigned round = 1; round <= ROUNDS; round++) {
		for (unsigned i = 0; i < 16; i++)
			t[i] = a->box[s[(i + 4 * (i % 4)) % 16]];
		if (round < ROUNDS)
			mix(t);
		for (unsigned i = 0; i < 16; i++)
			s[i] = t[i] ^ a->key[16 * round + i];
	}
	memcpy(out, s, 16);
}

/* y = (y ^ block) * h in the field of 2^128, its bits in GCM's order. */
static void hash_block(uint8_t y[16], const uint8_t h[16], const uint8_t *block, size_t n)
{
	uint8_t v[16], z[16] = { 0 };

	for (unsigned i = 0; i < n; i++)
		y[i] ^= block[i];
	memcpy(v, h, 16);
	for (unsigned bit = 0; bit < 128; bit++) {
		uint8_t carry = v[15] & 1;

		for (unsigned i = 0; i < 16; i++)
			z[i] ^= y[bit / 8] >> (7 - bit % 8) & 1 ? v[i] : 0;
		for (unsigned i = 15; i; i--)
			v[i] = (uint8_t)(v[i] >> 1 | v[i - 1] << 7);
		v[0] = (uint8_t)(v[0] >> 1) ^ (carry ? 0xe1 : 0);
	}
	memcpy(y, z, 16);
}

static void hash(uint8_t y[16], const uint8_t h[16], const uint8_t *bytes, size_t n)
{
	for (size_t at = 0; at < n; at += 16)
		hash_block(y, h, bytes + at, n - at < 16 ? n - at : 16);
}

static void put_counter(uint8_t block[16], uint32_t count)
{
	for (unsigned i = 0; i < 4; i++)
		block[12 + i] = (uint8_t)(count >> (24 - 8 * i));
}

static void put_bits(uint8_t lengths[8], uint64_t bytes)
{
	for (unsigned i = 0; i < 8; i++)
		lengths[i] = (uint8_t)(8 * bytes >> (56 - 8 * i));
}

struct gcm { struct aes aes; uint8_t h[16], counter[16]; };

static void begin(struct gcm *g, const uint8_t key[32], const uint8_t iv[12])
{
	static const uint8_t zeros[16];

	set_key(&g->aes, key);
	encrypt_block(&g->aes, zeros, g->h);
	memcpy(g->counter, iv, 12);
}

static void crypt(struct gcm *g, uint8_t *text, size_t n)
{
	uint8_t pad[16];

	for (size_t at = 0; at < n; at++) {
		if (at % 16 == 0) {
			put_counter(g->counter, (uint32_t)(at / 16 + 2));
			encrypt_block(&g->aes, g->counter, pad);
		}
		text[at] ^= pad[at % 16];
	}
}

static void make_tag(struct gcm *g, const void *aad, size_t nr_aad, const uint8_t *text, size_t n,
		     uint8_t tag[16])
{
	uint8_t y[16] = { 0 }, lengths[16];

	hash(y, g->h, aad, nr_aad);
	hash(y, g->h, text, n);
	put_bits(lengths, nr_aad);
	put_bits(lengths + 8, n);
	hash(y, g->h, lengths, 16);
	put_counter(g->counter, 1);
	encrypt_block(&g->aes, g->counter, tag);
	for (unsigned i = 0; i < 16; i++)
		tag[i] ^= y[i];
}

void gcm_encrypt(const uint8_t key[32], const uint8_t iv[12], const void *aad, size_t nr_aad,
		 uint8_t *text, size_t n, uint8_t tag[16])
{
	struct gcm g;

	begin(&g, key, iv);
	crypt(&g, text, n);
	make_tag(&g, aad, nr_aad, text, n, tag);
}

bool gcm_decrypt(const uint8_t key[32], const uint8_t iv[12], const void *aad, size_t nr_aad,
		 uint8_t *text, size_t n, const uint8_t tag[16])
{
	uint8_t expected[16];
	struct gcm g;

	begin(&g, key, iv);
	make_tag(&g, aad, nr_aad, text, n, expected);
	if (memcmp(expected, tag, 16))
		return false;
	crypt(&g, text, n);
	return true;
}
