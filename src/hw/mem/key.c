/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/key.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sync/wait.h"

enum { DECRYPT, ENCRYPT };

/* A cipher's context remembers the tweak, so it serves one page at a time. */
struct CACHE_ALIGNED key_shard {
	atomic32_t	 busy;
	EVP_CIPHER_CTX	*way[2];
};

bool key_make(struct mem_key *k)
{
	const EVP_CIPHER *xts = EVP_aes_128_xts();

	k->shards = aligned_alloc(64, KEY_SHARDS * sizeof(*k->shards));
	if (!k->shards)
		return false;
	memset(k->shards, 0, KEY_SHARDS * sizeof(*k->shards));
	for (unsigned i = 0; i < 2 * KEY_SHARDS; i++) {
		EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

		k->shards[i / 2].way[i % 2] = c;
		/* The cipher is looked up now, so that a page needs no memory. */
		if (!c || EVP_CipherInit_ex(c, xts, NULL, NULL, NULL, i % 2) != 1) {
			key_free(k);
			return false;
		}
	}
	return true;
}

void key_free(struct mem_key *k)
{
	for (unsigned i = 0; k->shards && i < 2 * KEY_SHARDS; i++)
		EVP_CIPHER_CTX_free(k->shards[i / 2].way[i % 2]);
	free(k->shards);
	k->shards = NULL;
}

bool key_set(struct mem_key *k, const uint8_t key[MEM_KEY_BYTES])
{
	for (unsigned i = 0; i < 2 * KEY_SHARDS; i++)
		if (EVP_CipherInit_ex(k->shards[i / 2].way[i % 2], NULL, NULL, key, NULL, i % 2) != 1)
			return false;
	return true;
}

static struct key_shard *shard_get(struct mem_key *k)
{
	for (unsigned i = sync_thread_number();; i++) {
		struct key_shard *s = &k->shards[i % KEY_SHARDS];
		uint32_t idle = 0;

		if (atomic32_cas(&s->busy, &idle, 1))
			return s;
		sync_relax();
	}
}

static void crypt_page(struct mem_key *k, uint64_t frame, const uint8_t *from, uint8_t *to, int way)
{
	struct key_shard *s = shard_get(k);
	uint8_t tweak[16] = { 0 };
	int n = 0;

	memcpy(tweak, &frame, sizeof(frame));
	if (EVP_CipherInit_ex(s->way[way], NULL, NULL, NULL, tweak, way) != 1 ||
	    EVP_CipherUpdate(s->way[way], to, &n, from, PAGE_SIZE) != 1 || n != PAGE_SIZE)
		panic("AES-XTS refuses a page of frame %#llx", (unsigned long long)frame);
	atomic32_store_release(&s->busy, 0);
}

void key_encrypt(struct mem_key *k, uint64_t frame, const uint8_t *from, uint8_t *to)
{
	crypt_page(k, frame, from, to, ENCRYPT);
}

void key_decrypt(struct mem_key *k, uint64_t frame, const uint8_t *from, uint8_t *to)
{
	crypt_page(k, frame, from, to, DECRYPT);
}

bool key_try_get(struct mem_key *k)
{
	uint32_t n = atomic32_load(&k->refs);

	do {
		if (!n)
			return false;
	} while (!atomic32_cas(&k->refs, &n, n + 1));
	return true;
}
