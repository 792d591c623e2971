/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hw/mem/blocks.h"

static struct mem_key *a_key(uint8_t first)
{
	struct mem_key *k = calloc(1, sizeof(*k));
	uint8_t bytes[MEM_KEY_BYTES];

	assert_non_null(k);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(first + i * 7);
	assert_true(key_make(k));
	assert_true(key_set(k, bytes));
	return k;
}

static void no_key(struct mem_key *k)
{
	key_free(k);
	free(k);
}

static uint8_t plain[PAGE_SIZE], one[PAGE_SIZE], two[PAGE_SIZE];

static void a_page_comes_back(void **unused)
{
	struct mem_key *k = a_key(1);

	(void)unused;
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		plain[i] = (uint8_t)(i * i);
	key_encrypt(k, 77, plain, one);
	assert_int_equal(blocks_unlike(plain, one), ALL);
	key_encrypt(k, 77, plain, two);
	assert_memory_equal(one, two, PAGE_SIZE);
	key_decrypt(k, 77, one, two);
	assert_memory_equal(plain, two, PAGE_SIZE);
	memcpy(two, plain, PAGE_SIZE);
	key_encrypt(k, 77, two, two);
	assert_memory_equal(one, two, PAGE_SIZE);
	no_key(k);
}

static void ciphertext_depends_on_place_and_key(void **unused)
{
	struct mem_key *k = a_key(1), *other = a_key(2);

	(void)unused;
	memset(plain, 0, PAGE_SIZE);
	key_encrypt(k, 5, plain, one);
	key_encrypt(k, 6, plain, two);
	assert_int_equal(blocks_unlike(one, two), ALL);
	key_encrypt(other, 5, plain, two);
	assert_int_equal(blocks_unlike(one, two), ALL);
	/* Equal blocks of one page are unlike, too. */
	for (unsigned i = 16; i < PAGE_SIZE; i += 16)
		assert_memory_not_equal(one, one + i, 16);
	key_decrypt(k, 6, one, two);
	assert_int_equal(blocks_unlike(plain, two), ALL);
	no_key(k);
	no_key(other);
}

static void a_byte_garbles_its_block_and_no_other(void **unused)
{
	struct mem_key *k = a_key(9);

	(void)unused;
	memset(plain, 0x5a, PAGE_SIZE);
	key_encrypt(k, 123456789, plain, one);
	one[35 * 16 + 3] ^= 1;
	key_decrypt(k, 123456789, one, two);
	assert_int_equal(blocks_unlike(plain, two), 1);
	assert_memory_not_equal(plain + 35 * 16, two + 35 * 16, 16);
	no_key(k);
}

/* IEEE 1619-2007, B.2, vector 4: AES-128-XTS, data unit 0; its first 32 of 512 bytes. */
static void it_is_aes_xts(void **unused)
{
	static const uint8_t halves[MEM_KEY_BYTES] = {
		0x27, 0x18, 0x28, 0x18, 0x28, 0x45, 0x90, 0x45, 0x23, 0x53, 0x60, 0x28, 0x74, 0x71,
		0x35, 0x26, 0x31, 0x41, 0x59, 0x26, 0x53, 0x58, 0x97, 0x93, 0x23, 0x84, 0x62, 0x64,
		0x33, 0x83, 0x27, 0x95,
	};
	static const uint8_t want[32] = {
		0x27, 0xa7, 0x47, 0x9b, 0xef, 0xa1, 0xd4, 0x76, 0x48, 0x9f, 0x30, 0x8c, 0xd4, 0xcf,
		0xa6, 0xe2, 0xa9, 0x6e, 0x4b, 0xbe, 0x32, 0x08, 0xff, 0x25, 0x28, 0x7d, 0xd3, 0x81,
		0x96, 0x16, 0xe8, 0x9c,
	};
	struct mem_key *k = a_key(0);

	(void)unused;
	assert_true(key_set(k, halves));
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		plain[i] = (uint8_t)i;
	key_encrypt(k, 0, plain, one);
	assert_memory_equal(one, want, sizeof(want));
	no_key(k);
}

static void equal_halves_are_no_key(void **unused)
{
	static const uint8_t zeros[MEM_KEY_BYTES];
	struct mem_key *k = a_key(0);

	(void)unused;
	assert_false(key_set(k, zeros));
	no_key(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_comes_back),
		cmocka_unit_test(ciphertext_depends_on_place_and_key),
		cmocka_unit_test(a_byte_garbles_its_block_and_no_other),
		cmocka_unit_test(it_is_aes_xts),
		cmocka_unit_test(equal_halves_are_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
