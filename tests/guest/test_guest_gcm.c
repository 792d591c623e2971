/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_guest_gcm.c - the sample guests' own AES-256-GCM against libcrypto's, for messages of every
 * length up to a few blocks, of some larger ones, and with every bit of the tag changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <openssl/evp.h>

#include "snp.h"

#define MOST 4000

static uint8_t key[32], iv[12], aad[64], text[MOST], want[MOST], got[MOST];

static void fill(uint8_t *to, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		to[i] = (uint8_t)(seed >> 56);
	}
}

static void by_libcrypto(size_t nr_aad, size_t n, uint8_t tag[16])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int len;

	assert_true(c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, iv));
	assert_true(EVP_EncryptUpdate(c, NULL, &len, aad, (int)nr_aad));
	assert_true(EVP_EncryptUpdate(c, want, &len, text, (int)n));
	assert_true(EVP_EncryptFinal_ex(c, want + len, &len));
	assert_true(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag));
	EVP_CIPHER_CTX_free(c);
}

static void compare(size_t nr_aad, size_t n)
{
	uint8_t tag[16], expected[16];

	fill(key, sizeof(key), n + 1);
	fill(iv, sizeof(iv), n + 2);
	fill(aad, sizeof(aad), n + 3);
	fill(text, n, n + 4);
	by_libcrypto(nr_aad, n, expected);
	memcpy(got, text, n);
	gcm_encrypt(key, iv, aad, nr_aad, got, n, tag);
	assert_memory_equal(got, want, n);
	assert_memory_equal(tag, expected, sizeof(tag));
	assert_true(gcm_decrypt(key, iv, aad, nr_aad, got, n, tag));
	assert_memory_equal(got, text, n);
}

static void as_libcrypto(void **unused)
{
	static const size_t more[] = { 96, 255, 1184, MOST };

	for (size_t n = 1; n < 50; n++)
		compare(n % 2 ? 48 : n, n);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		compare(48, more[i]);
	(void)unused;
}

static void a_changed_message_is_refused(void **unused)
{
	uint8_t tag[16];

	compare(48, 96);
	gcm_encrypt(key, iv, aad, 48, got, 96, tag);
	for (unsigned bit = 0; bit < 128; bit++) {
		tag[bit / 8] ^= 1u << bit % 8;
		assert_false(gcm_decrypt(key, iv, aad, 48, got, 96, tag));
		tag[bit / 8] ^= 1u << bit % 8;
	}
	got[95] ^= 0x80;
	assert_false(gcm_decrypt(key, iv, aad, 48, got, 96, tag));
	got[95] ^= 0x80;
	aad[47] ^= 1;
	assert_false(gcm_decrypt(key, iv, aad, 48, got, 96, tag));
	(void)unused;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_libcrypto),
		cmocka_unit_test(a_changed_message_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
