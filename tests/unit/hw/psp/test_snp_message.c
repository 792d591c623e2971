/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_message.c - the secure processor's side of guest messages, against
 * a guest that is written here with libcrypto alone.
 */
#include "a_platform.h"

#include "hw/psp/snp_message.h"

#include <openssl/evp.h>

#define LEN	0x60u

struct talk { struct snp_vmpck keys[SNP_NR_VMPCKS]; uint64_t seqno; uint8_t text[LEN]; };

static struct talk a_talk(void)
{
	struct talk t = { .seqno = 1 };

	for (unsigned k = 0; k < SNP_NR_VMPCKS; k++)
		memset(t.keys[k].key, 0x11 * (int)(k + 1), sizeof(t.keys[k].key));
	for (unsigned i = 0; i < LEN; i++)
		t.text[i] = (uint8_t)(i + 1);
	return t;
}

/* The guest: bytes 0x30 to 0x5f in the clear, the number of the message as IV. */
static void guest_crypt(struct snp_message *m, const uint8_t key[32], bool encrypt)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t iv[12] = { 0 };
	int n;

	memcpy(iv, &m->seqno, 8);
	assert_true(EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, iv, encrypt));
	assert_true(EVP_CipherUpdate(c, NULL, &n, (uint8_t *)m + 0x30, 0x30));
	assert_true(EVP_CipherUpdate(c, m->payload, &n, m->payload, m->size));
	if (encrypt) {
		assert_true(EVP_CipherFinal_ex(c, iv, &n));
		assert_true(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, m->authtag));
	} else {
		assert_true(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, 16, m->authtag));
		assert_true(EVP_CipherFinal_ex(c, iv, &n));
	}
	EVP_CIPHER_CTX_free(c);
}

static struct snp_message a_request(const struct talk *t, uint8_t vmpck)
{
	struct snp_message m = {
		.seqno = t->seqno, .algo = 1, .hdr_version = 1, .hdr_size = 0x60, .type = 5,
		.version = 1, .size = LEN, .vmpck = vmpck };

	memcpy(m.payload, t->text, LEN);
	guest_crypt(&m, t->keys[vmpck].key, true);
	return m;
}

static void a_talk_goes_on(void **unused)
{
	struct talk t = a_talk();
	uint8_t plain[SNP_MESSAGE_MAX];

	(void)unused;
	for (unsigned round = 0; round < 6; round++) {
		struct snp_message m = a_request(&t, round % 2), answer;

		assert_int_equal(snp_message_open(&m, t.keys, plain), PSP_SUCCESS);
		assert_memory_equal(plain, t.text, LEN);
		assert_true(snp_message_seal(&answer, &m, t.keys, 6, plain, LEN / 2));
		assert_int_equal(answer.seqno, t.seqno + 1);
		assert_int_equal(answer.type, 6);
		guest_crypt(&answer, t.keys[round % 2].key, false);
		assert_memory_equal(answer.payload, t.text, LEN / 2);
		assert_int_equal(snp_message_open(&m, t.keys, plain), PSP_AEAD_OFLOW);
		t.seqno += round % 2 ? 2 : 0;	/* each key counts for itself */
	}
	t.keys[2].count = t.seqno = UINT64_MAX - 1;
	t.seqno++;
	{
		struct snp_message m = a_request(&t, 2);

		assert_int_equal(snp_message_open(&m, t.keys, plain), PSP_AEAD_OFLOW);
	}
}

/* Every bit that matters, one at a time; of the tag 16 bytes count. */
static void a_changed_message_is_refused(void **unused)
{
	struct talk t = a_talk();
	const struct snp_message good = a_request(&t, 3);
	uint8_t plain[SNP_MESSAGE_MAX];

	(void)unused;
	for (unsigned i = 0; i < SNP_MESSAGE_HEADER + LEN; i++) {
		const bool counts = i < 16 || (i >= 32 && i < 40) || i >= 0x30;
		struct snp_message m = good;
		enum psp_status st;

		((uint8_t *)&m)[i] ^= 0x40;
		st = snp_message_open(&m, t.keys, plain);
		if (counts)
			assert_true(st == PSP_BAD_MEASUREMENT || st == PSP_INVALID_PARAM);
		else
			assert_int_equal(st, PSP_SUCCESS);
		assert_int_equal(t.keys[3].count, 0);
	}
}

static void a_header_is_checked(void **unused)
{
	struct talk t = a_talk();
	struct snp_message m[7];
	uint8_t plain[SNP_MESSAGE_MAX];

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(m); i++)
		m[i] = a_request(&t, 0);
	m[0].algo = 2;
	m[1].hdr_version = 2;
	m[2].hdr_size = 0x61;
	m[3].size = 0;
	m[4].size = SNP_MESSAGE_MAX + 16;
	m[5].size = LEN - 8;
	m[6].vmpck = SNP_NR_VMPCKS;
	for (unsigned i = 0; i < ARRAY_SIZE(m); i++)
		assert_int_equal(snp_message_open(&m[i], t.keys, plain), PSP_INVALID_PARAM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_talk_goes_on),
		cmocka_unit_test(a_changed_message_is_refused),
		cmocka_unit_test(a_header_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
