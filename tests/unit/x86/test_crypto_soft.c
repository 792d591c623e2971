/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_crypto_soft.c - AES, carry-less multiplication and SHA in C: known
 * answers, and the rows' (this processor's, where it has the instructions).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>

#include "base/macros.h"
#include "x86/simd/crypto_soft.h"

#define ROUNDS	20000

static union x86_vec vec(uint64_t high, uint64_t low)
{
	return (union x86_vec){ .q = { low, high } };
}

static void aes(union x86_vec *a, const union x86_vec *b, const struct x86_simd *s, unsigned m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_AESENC:
		soft_aesenc(a, b);
		break;
	case ZYDIS_MNEMONIC_AESENCLAST:
		soft_aesenclast(a, b);
		break;
	case ZYDIS_MNEMONIC_AESDEC:
		soft_aesdec(a, b);
		break;
	case ZYDIS_MNEMONIC_AESDECLAST:
		soft_aesdeclast(a, b);
		break;
	case ZYDIS_MNEMONIC_AESIMC:
		soft_aesimc(a, b);
		break;
	case ZYDIS_MNEMONIC_AESKEYGENASSIST:
		soft_aeskeygenassist(a, b, s->imm);
		break;
	default:
		soft_pclmulqdq(a, b, s->imm);
	}
}

static void soft(union x86_vec *a, const union x86_vec *b, const struct x86_simd *s, unsigned m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_SHA1RNDS4:
		soft_sha1rnds4(a, b, s->imm);
		break;
	case ZYDIS_MNEMONIC_SHA1NEXTE:
		soft_sha1nexte(a, b);
		break;
	case ZYDIS_MNEMONIC_SHA1MSG1:
		soft_sha1msg1(a, b);
		break;
	case ZYDIS_MNEMONIC_SHA1MSG2:
		soft_sha1msg2(a, b);
		break;
	case ZYDIS_MNEMONIC_SHA256RNDS2:
		soft_sha256rnds2(a, b, (const union x86_vec *)(const void *)s->fpu->xmm[0]);
		break;
	case ZYDIS_MNEMONIC_SHA256MSG1:
		soft_sha256msg1(a, b);
		break;
	case ZYDIS_MNEMONIC_SHA256MSG2:
		soft_sha256msg2(a, b);
		break;
	default:
		aes(a, b, s, m);
	}
}

/* Of Intel's white papers on AES and carry-less multiplication; AESIMC's of a processor. */
static void known_answers(void **unused)
{
	const union x86_vec state = vec(0x7b5b546573745665, 0x63746f725d53475d);
	const union x86_vec key = vec(0x4869285368617929, 0x5b477565726f6e5d);
	static const struct {
		unsigned m;
		uint64_t high, low;
	} rows[] = {
		{ ZYDIS_MNEMONIC_AESENC, 0xa8311c2f9fdba3c5, 0x8b104b58ded7e595 },
		{ ZYDIS_MNEMONIC_AESENCLAST, 0xc7fb881e938c5964, 0x177ec42553fdc611 },
		{ ZYDIS_MNEMONIC_AESDEC, 0x138ac342faea2787, 0xb58eb95eb730392a },
		{ ZYDIS_MNEMONIC_AESDECLAST, 0xc5a391ef6b317f95, 0xd410637b72a593d0 },
		{ ZYDIS_MNEMONIC_AESIMC, 0x597f8df109efaa15, 0xf39bc5a119d859b6 },
		{ ZYDIS_MNEMONIC_PCLMULQDQ, 0x1d4d84c85c3440c0, 0x929633d5d36f0451 },
	};
	struct x86_simd s = { .imm = 0 };
	union x86_vec a;
	unsigned i;

	(void)unused;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		a = state;
		soft(&a, &key, &s, rows[i].m);
		assert_int_equal(a.q[1], rows[i].high);
		assert_int_equal(a.q[0], rows[i].low);
	}
	a = vec(0x3c4fcf098815f7ab, 0xa6d2ae2816157e2b);
	soft_aeskeygenassist(&a, &a, 1);
	assert_int_equal(a.q[1], 0x01eb848beb848a01);
	assert_int_equal(a.q[0], 0x3424b5e524b5e434);
}

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

static void compare(const struct x86_simd_row *row, unsigned m)
{
	static struct x86_fpu fpu;
	struct x86_simd s = { .fpu = &fpu, .imm = (uint8_t)rnd() };
	union x86_vec a = vec(rnd(), rnd()), b = vec(rnd(), rnd()), want = a, keys;

	keys = vec(rnd(), rnd());
	memcpy(fpu.xmm[0], &keys, 16);
	if (rnd() & 1) {			/* one register for both */
		b = a;
		assert_int_equal(row->fn(&want, &want, &s), 0);
		soft(&a, &a, &s, m);
	} else {
		assert_int_equal(row->fn(&want, &b, &s), 0);
		soft(&a, &b, &s, m);
	}
	assert_memory_equal(&a, &want, 16);
}

static void same_as_rows(void **unused)
{
	static const uint16_t mnemonics[] = {
		ZYDIS_MNEMONIC_AESENC, ZYDIS_MNEMONIC_AESENCLAST, ZYDIS_MNEMONIC_AESDEC,
		ZYDIS_MNEMONIC_AESDECLAST, ZYDIS_MNEMONIC_AESIMC, ZYDIS_MNEMONIC_AESKEYGENASSIST,
		ZYDIS_MNEMONIC_PCLMULQDQ, ZYDIS_MNEMONIC_SHA1RNDS4, ZYDIS_MNEMONIC_SHA1NEXTE,
		ZYDIS_MNEMONIC_SHA1MSG1, ZYDIS_MNEMONIC_SHA1MSG2, ZYDIS_MNEMONIC_SHA256RNDS2,
		ZYDIS_MNEMONIC_SHA256MSG1, ZYDIS_MNEMONIC_SHA256MSG2,
	};
	unsigned i, k;
	int row;

	(void)unused;
	for (i = 0; i < ARRAY_SIZE(mnemonics); i++) {
		row = x86_simd_find(mnemonics[i], X86_SIMD_XMM, X86_SIMD_XMM);
		assert_true(row >= 0);
		for (k = 0; k < ROUNDS; k++)
			compare(x86_simd_row((unsigned)row), mnemonics[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(same_as_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
