/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_vectors.c - measurements and packets of the public tools: their inputs,
 * their expected outputs, from their own tests.
 */
#include "a_platform.h"

#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

static void from_hex(uint8_t *to, size_t len, const char *hex)
{
	assert_int_equal(strlen(hex), 2 * len);
	for (size_t i = 0; i < len; i++) {
		unsigned b;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &b), 1);
		to[i] = (uint8_t)b;
	}
}

static const struct measure_vector {
	const char	*source;
	uint8_t		 api_major, api_minor, build;
	uint32_t	 policy;
	const char	*digest, *tik, *mnonce, *mac;
} measures[] = {
	{
		"github AMDESE/sev-tool 147a4f1633ce58a35d1cb9a713c85f3bdb529219 "
		"src/tests.cpp test_calc_measurement",
		0, 0x12, 0x0f, 0,
		.digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		.tik = "66320db73158a35a255d051758e95ed4",
		.mnonce = "4fbe0bedbad6c86ae8f68971d103e554",
		.mac = "6faab2daae389bcd3405a05d6cafe33c0414f7bedd0bae19ba5f38b7fd1664ea",
	}, {	/* written in base64 there */
		"github virtee/sevctl 8b47f3a6b980525f4c1e9804661abbdda459e137 "
		"tests/measurementbuild.rs measurement_build args1, tests/data/measurement/tik1.bin",
		1, 40, 40, 3,
		.digest = "c64bd101fc9a4a2ce0a27c408d9200911f139a895469b04a40a6fa2890830d23",
		.tik = "3569cf61a32a602b87185ac6e0f55913",
		.mnonce = "c313fab511c216b1505b1b2ea9903c40",
		.mac = "96cc1bc56c48f60724c9ad7a250bdd16da5898d3b86fede29c03e9aac828048e",
	},
};

static void measurements_are_the_tools(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(measures); i++) {
		const struct measure_vector *v = &measures[i];
		struct psp_measured m = { v->api_major, v->api_minor, v->build, v->policy, { 0 } };
		uint8_t tik[16], mnonce[16], want[32], mac[32];

		from_hex(m.digest, sizeof(m.digest), v->digest);
		from_hex(tik, sizeof(tik), v->tik);
		from_hex(mnonce, sizeof(mnonce), v->mnonce);
		from_hex(want, sizeof(want), v->mac);
		assert_true(channel_measure(tik, &m, mnonce, mac));
		print_message("%s\n", v->source);
		assert_memory_equal(mac, want, sizeof(mac));
	}
}

#define GUID_SIZE	16u

/* Both of virtee/sevctl 8b47f3a6b980525f4c1e9804661abbdda459e137 tests/secretbuild.rs
 * secret_build, with tests/data/secret/{tik1.bin,tek1.bin,secret1.txt,secret2.txt}.
 */
static const char secret_tik[] = "c6d5a9956133050912b24bbe5c372686";
static const char secret_tek[] = "52a869b79ab9c13bb6a92b0561619cb3";
static const char secret_measure[] =
	"4cb780efad3b959427b4b8d1635fe2fac6ed75267eef9cf1a73e0fc7d873a412";

static const struct secret_vector {
	unsigned	 nr_secrets;
	const char	*header, *payload;
} secrets[] = {
	{ 1, "00000000ac5474ed4dd32c7d989ec523d92559ec"
	     "bc152cde610e17f0aef557334a2d4fca42c22c4312e3b5b85a3d47b0aac857e5",
	     "d14ddee4f717bf4516f87e2d48114a39d0987ca135fa3dfc05cd9fb8ed7a9988"
	     "b223eb16c7b20d7e7fa58188f9e862f5db2ca29c36be9557c20b00ffdb0e5c3c" },
	{ 2, "00000000ac5474ed4dd32c7d989ec523d92559ec"
	     "99debd1d38428750e84846acc6618bd326074cb413cbd672ba183f5a1844fb36",
	     "d14ddee4f717bf4516f87e2d48114a39b5987ca135fa3dfc05cd9fb8ed7a9988"
	     "b223eb16c7b20d7e7fa58188f9e862f5db2ca29c36be9557c20be596b37df696"
	     "92cd517d5923760aeef620b72b385feb86c4422590843dd2ff3fc3c64599031e" },
};

/* A GUID, the length of all of it, and the bytes: OvmfPkg's table of secrets. */
static size_t entry(uint8_t *to, const char *guid, const char *bytes, size_t len)
{
	const uint32_t all = (uint32_t)(GUID_SIZE + sizeof(all) + len);

	from_hex(to, GUID_SIZE, guid);
	memcpy(to + GUID_SIZE, &all, sizeof(all));
	memcpy(to + GUID_SIZE + sizeof(all), bytes, len);
	return all;
}

static size_t secret_table(uint8_t *to, unsigned nr)
{
	static const struct { const char *guid, *text; } rows[] = {
		{ "e5696873f084734992ec06879ce3da0b", "MY-LUKS-PASSPHRASE" },
		{ "e5696873aaaa734992ec06879ce3da0b", "SOME OTHER SECRET" },
	};
	char inside[256];
	size_t n = 0;

	for (unsigned i = 0; i < nr; i++)
		n += entry((uint8_t *)inside + n, rows[i].guid, rows[i].text,
			   strlen(rows[i].text));
	n = entry(to, "42f5741edd71664d963eef4287ff173b", inside, n);
	while (n % 16)
		to[n++] = 0;
	return n;
}

/* What sevctl packs is unpacked to what it was given; any other packet is not. */
static void secrets_are_sevctls(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(secrets); i++) {
		const struct secret_vector *v = &secrets[i];
		const size_t len = strlen(v->payload) / 2;
		uint8_t payload[256], table[256];
		struct psp_channel ch;
		struct psp_header h;

		from_hex(ch.tik, sizeof(ch.tik), secret_tik);
		from_hex(ch.tek, sizeof(ch.tek), secret_tek);
		from_hex(ch.measure, sizeof(ch.measure), secret_measure);
		from_hex((uint8_t *)&h, sizeof(h), v->header);
		from_hex(payload, len, v->payload);
		assert_int_equal(secret_table(table, v->nr_secrets), len);
		assert_false(channel_unpack(&ch, PSP_DATA_TAG, &h, payload, len));
		assert_true(channel_unpack(&ch, PSP_SECRET_TAG, &h, payload, len));
		assert_memory_equal(payload, table, len);
	}
}

/* SEV API 55766 chapter 2, KDF: HMAC-SHA-256(key; 1 || label || 0 || context || bits), cut off */
static void derive(uint8_t out[16], const void *key, int key_len, const char *label,
		   const uint8_t *context, size_t context_len)
{
	const uint32_t one = 1, bits = 128;
	uint8_t text[128], mac[32];
	size_t n = 0;

	memcpy(text, &one, 4);
	n += 4;
	memcpy(text + n, label, strlen(label) + 1);
	n += strlen(label) + 1;
	if (context_len)
		memcpy(text + n, context, context_len);
	n += context_len;
	memcpy(text + n, &bits, 4);
	n += 4;
	assert_non_null(HMAC(EVP_sha256(), key, key_len, text, n, mac, NULL));
	memcpy(out, mac, 16);
}

/* A session as an owner makes it, step by step, without a function of ours. */
static void a_session_by_the_book_is_opened(void **unused)
{
	EVP_PKEY *mine = EVP_EC_gen("P-384"), *theirs = EVP_EC_gen("P-384");
	EVP_PKEY_CTX *dh = EVP_PKEY_CTX_new(mine, NULL);
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	struct psp_session s = { .nonce = "nonce of session", .wrap_iv = "first counter..." };
	const uint8_t keys[] = "transport secrettransport proof.";
	uint8_t z[48], master[16], kek[16], kik[16];
	const uint32_t policy = 5;
	size_t len = sizeof(z);
	struct psp_channel ch;
	int n;

	(void)unused;
	assert_true(EVP_PKEY_derive_init(dh) > 0 && EVP_PKEY_derive_set_peer(dh, theirs) > 0);
	assert_true(EVP_PKEY_derive(dh, z, &len) > 0);
	assert_int_equal(len, sizeof(z));
	derive(master, z, sizeof(z), "sev-master-secret", s.nonce, sizeof(s.nonce));
	derive(kek, master, sizeof(master), "sev-kek", NULL, 0);
	derive(kik, master, sizeof(master), "sev-kik", NULL, 0);
	assert_true(EVP_EncryptInit_ex(aes, EVP_aes_128_ctr(), NULL, kek, s.wrap_iv));
	assert_true(EVP_EncryptUpdate(aes, s.wrap_tk, &n, keys, 32));
	HMAC(EVP_sha256(), kik, sizeof(kik), s.wrap_tk, sizeof(s.wrap_tk), s.wrap_mac, NULL);
	HMAC(EVP_sha256(), keys + 16, 16, (const uint8_t *)&policy, 4, s.policy_mac, NULL);
	assert_true(channel_open(&ch, theirs, mine, &s, policy));
	assert_memory_equal(ch.tek, keys, 16);
	assert_memory_equal(ch.tik, keys + 16, 16);
	EVP_CIPHER_CTX_free(aes);
	EVP_PKEY_CTX_free(dh);
	EVP_PKEY_free(mine);
	EVP_PKEY_free(theirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measurements_are_the_tools),
		cmocka_unit_test(secrets_are_sevctls),
		cmocka_unit_test(a_session_by_the_book_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
