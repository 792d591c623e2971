/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * random.c - values that find edges more often than chance does.
 */
#include "model/insn/generate.h"

#include <string.h>

#include "base/macros.h"
#include "os/processor.h"
#include "x86/simd.h"

uint64_t random_seed = 1;
bool random_without_cs64;

uint64_t random_u64(void)
{
	random_seed ^= random_seed << 13;
	random_seed ^= random_seed >> 7;
	random_seed ^= random_seed << 17;
	return random_seed * 0x2545f4914f6cdd1dull;
}

uint16_t random_selector(void)
{
	static const uint16_t others[] = {
		0, 1, 2, 3, 0x08, 0x10, 0x18, 0x20, 0x22, 0x28, 0x40, 0x43, 0x50, 0x60, 0x63,
		0x104, 0x6b, 0xfffb, 0xffff, 0x80, 0x83, WORLD_LDT(SEG_NR), WORLD_LDT(SEG_DATA32) - 3,
	};
	uint64_t v = random_u64();

	switch (v & 3) {
	case 0:
		return others[(v >> 8) % ARRAY_SIZE(others)];
	case 1:
		return (v >> 8) % 3 == 0 ? WORLD_CS32 : (v >> 8) % 3 == 1 || random_without_cs64 ?
		       WORLD_DS : WORLD_CS64;
	default:
		return (uint16_t)WORLD_LDT((v >> 8) % SEG_NR);
	}
}

static void random_extended(uint8_t *p)
{
	static const uint64_t mantissas[] = { 0, 1, 1ull << 63, 3ull << 62, (1ull << 63) | 1, ~0ull,
		1ull << 62, 0xc90fdaa22168c235, 0x8000000000000400, 0x8000000000000800,
		0x8000008000000000 };
	static const uint16_t exponents[] = { 0, 1, 0x7fff, 0x7ffe, 0x3fff, 0x3ffe, 0x4000, 0x403e,
		0x401e, 0x400e, 0x403d, 0x3f80, 0x3f6a, 0x407e, 0x3c01, 0x43fe, 0x3fbf };
	uint64_t v = random_u64(), mantissa = random_u64() | 1ull << 63;
	uint16_t exponent = (uint16_t)(0x3fff - 40 + (v >> 32) % 80);

	if (v & 1)
		mantissa = mantissas[(v >> 8) % ARRAY_SIZE(mantissas)];
	if (v & 2)
		exponent = exponents[(v >> 16) % ARRAY_SIZE(exponents)];
	exponent |= (uint16_t)((v >> 2 & 1) << 15);
	memcpy(p, &mantissa, 8);
	memcpy(p + 8, &exponent, 2);
}

static uint32_t random_single(void)
{
	static const uint32_t singles[] = { 0, 1, 0x7fffff, 0x800000, 0x3f800000, 0x7f800000,
		0x7fc00000, 0x7f800001, 0x7f7fffff, 0x4effffff, 0x4f000000, 0x5f000000,
		0x33800000, 0x1f800000, 0x3fc00000 };
	uint64_t v = random_u64();

	if (v & 1)
		return singles[(v >> 8) % ARRAY_SIZE(singles)] | (uint32_t)(v >> 40 & 1) << 31;
	return ((uint32_t)(v >> 8) & 0x83ffffff) | 0x3c000000;
}

static uint64_t random_double(void)
{
	static const uint64_t doubles[] = { 0, 1, 0xfffffffffffff, 1ull << 52, 0x3ffull << 52,
		0x7ffull << 52, 0x7ff8ull << 48, (0x7ffull << 52) | 1, (0x7ffull << 52) - 1,
		0x41dfffffffc00000, 0x41e0000000000000, 0x43e0000000000000, 0x36a0000000000000,
		0x3810000000000000, 0x47efffffe0000000, 0x3ff8000000000000 };
	uint64_t v = random_u64();

	if (v & 1)
		return doubles[(v >> 8) % ARRAY_SIZE(doubles)] | (v >> 40 & 1) << 63;
	return (random_u64() & 0x803fffffffffffff) | 0x3fc0000000000000;
}

void random_data(uint8_t *p, unsigned n)
{
	unsigned kind = (unsigned)(random_u64() >> 7) % 8, i;
	uint64_t v;

	for (i = 0; i < n; i += 8) {
		v = kind == 1 ? random_double() :
		    kind == 2 ? random_single() | (uint64_t)random_single() << 32 : random_u64();
		if (kind == 3)		/* text that matches itself often */
			v &= 0x0301030103010301;
		if (kind == 4)		/* counts, short integers, decimals */
			v &= 0x09 | (i % 16 ? 0 : 0x3f);
		if (kind == 5)		/* offset in the code, selector */
			v = (v & 0x1fff) | 0x8000 | (uint64_t)random_selector() << (v >> 40 & 1 ? 16 : 32);
		memcpy(p + i, &v, MIN(8u, n - i));
	}
	if (kind == 6)
		for (i = 0; i + 10 <= n; i += 16)
			random_extended(p + i);
}

static bool has_mxcsr_mm(void)
{
	static int has = -1;

	if (has < 0)
		has = os_cpu_identity().has_mxcsr_mm;
	return has;
}

static uint32_t random_mxcsr(void)
{
	uint64_t v = random_u64();
	uint32_t m = 0x1f80;

	if (v & 1)
		m ^= (uint32_t)(v >> 8) & 0xe040;	/* FTZ, RC, DAZ */
	if (v & 2)
		m |= (uint32_t)(v >> 24) & 0x3f;
	if (!(v & 0xc))
		m &= ~((uint32_t)(v >> 32) & 0x1f80);
	if (has_mxcsr_mm() && v & 0x10)
		m |= X86_MXCSR_MM;
	return m;
}

void random_fx(uint8_t *fx, uint8_t *ymm)
{
	static const uint16_t precisions[] = { 0x000, 0x200, 0x300, 0x300 };
	uint64_t v = random_u64();
	uint16_t fcw = (uint16_t)(0x7f | precisions[v & 3] | (v >> 2 & 3) << 10), fsw;
	uint32_t mxcsr = random_mxcsr();
	unsigned i;

	memset(fx, 0, 512);
	if (!(v & 0x30))
		fcw &= (uint16_t)(0xffc0 | v >> 16);
	fsw = (uint16_t)(v >> 32 & 0x7f00);		/* TOP, C0-C3 */
	fsw |= (uint16_t)(v >> 48 & fcw & 0x3f);
	if (!(v & 0xf00))
		fsw |= (uint16_t)(v >> 24 & 0x3f);
	if (fsw & ~fcw & 0x3f)
		fsw |= 0x8080;				/* ES, B */
	fx[4] = (uint8_t)(v & 0x40 ? 0xff : v >> 8);
	memcpy(fx, &fcw, 2);
	memcpy(fx + 2, &fsw, 2);
	memcpy(fx + 24, &mxcsr, 4);
	for (i = 0; i < 8; i++)
		random_extended(fx + 32 + 16 * i);
	for (i = 0; i < 16; i++)
		random_data(fx + 160 + 16 * i, 16);
	for (i = 0; i < 256; i += 8) {
		v = __builtin_cpu_supports("avx") ? random_u64() : 0;
		memcpy(ymm + i, &v, 8);
	}
}
