/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * shuffle.c - elements put elsewhere by an immediate or a mask: no arithmetic.
 * SDM vol. 2, chapter 4.
 */
#include "x86/simd/vec_priv.h"

SIMD_FN(pshufd)
{
	union x86_vec a = *src, r;
	unsigned i;

	for (i = 0; i < 4; i++)
		r.d[i] = a.d[s->imm >> 2 * i & 3];
	*dst = r;
	return 0;
}

/* Four words starting with @first, by the immediate. */
static void shuffle_words(uint16_t *r, const uint16_t *a, uint8_t imm)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		r[i] = a[imm >> 2 * i & 3];
}

SIMD_FN(pshuflw)
{
	union x86_vec a = *src, r = a;

	shuffle_words(&r.w[0], &a.w[0], s->imm);
	*dst = r;
	return 0;
}

SIMD_FN(pshufhw)
{
	union x86_vec a = *src, r = a;

	shuffle_words(&r.w[4], &a.w[4], s->imm);
	*dst = r;
	return 0;
}

SIMD_FN(pshufw)
{
	union x86_vec a = *src, r = a;

	shuffle_words(&r.w[0], &a.w[0], s->imm);
	dst->q[0] = r.q[0];
	return 0;
}

SIMD_FN(shufps)
{
	union x86_vec a = *dst, b = *src, r;
	unsigned i;

	for (i = 0; i < 4; i++)
		r.d[i] = (i < 2 ? a : b).d[s->imm >> 2 * i & 3];
	*dst = r;
	return 0;
}

SIMD_FN(shufpd)
{
	union x86_vec a = *dst, b = *src;

	dst->q[0] = a.q[s->imm & 1];
	dst->q[1] = b.q[s->imm >> 1 & 1];
	return 0;
}

/* Takes @size bytes for each set bit of the immediate. */
static void blend(union x86_vec *dst, const union x86_vec *src, unsigned imm, unsigned size)
{
	unsigned i;

	for (i = 0; i < 16 / size; i++)
		if (imm >> i & 1)
			memmove(&dst->b[i * size], &src->b[i * size], size);
}

SIMD_FN(blendps)
{
	blend(dst, src, s->imm, 4);
	return 0;
}

SIMD_FN(blendpd)
{
	blend(dst, src, s->imm, 8);
	return 0;
}

SIMD_FN(pblendw)
{
	blend(dst, src, s->imm, 2);
	return 0;
}

/* The mask is XMM0's sign bits. */
#define BLENDV(name)							\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src), mask = vec_xmm0(s);	\
									\
	__asm__(#name " %%xmm0, %1, %0" : "+x"(a) : "x"(b), "Yz"(mask));	\
	vec_store(dst, a);						\
	return 0;							\
}

BLENDV(blendvps)
BLENDV(blendvpd)
BLENDV(pblendvb)

/* @n bytes from the pair dst:src, counted from src's lowest, shifted in from zero. */
static void align_right(union x86_vec *dst, const union x86_vec *src, unsigned shift, unsigned n)
{
	uint8_t pair[48] = { 0 };

	if (shift > 2 * n)
		shift = 2 * n;
	memcpy(pair, src, n);
	memcpy(pair + n, dst, n);
	memcpy(dst, pair + shift, n);
}

SIMD_FN(palignr)
{
	align_right(dst, src, s->imm, 16);
	return 0;
}

SIMD_FN(mm_palignr)
{
	align_right(dst, src, s->imm, 8);
	return 0;
}

static const union x86_vec zero;

SIMD_FN(psrldq)
{
	union x86_vec a = *dst;

	*dst = zero;
	align_right(dst, &a, s->imm, 16);
	return 0;
}

SIMD_FN(pslldq)
{
	align_right(dst, &zero, s->imm > 16 ? 0 : 16u - s->imm, 16);
	return 0;
}

SIMD_FN(pinsrb)
{
	dst->b[s->imm & 15] = src->b[0];
	return 0;
}

SIMD_FN(pinsrw)
{
	dst->w[s->imm & 7] = src->w[0];
	return 0;
}

SIMD_FN(mm_pinsrw)
{
	dst->w[s->imm & 3] = src->w[0];
	return 0;
}

SIMD_FN(pinsrd)
{
	dst->d[s->imm & 3] = src->d[0];
	return 0;
}

SIMD_FN(pinsrq)
{
	dst->q[s->imm & 1] = src->q[0];
	return 0;
}

/* To memory only the element goes; to a register it is zero-extended. */
SIMD_FN(pextrb)
{
	dst->q[0] = src->b[s->imm & 15];
	return 0;
}

SIMD_FN(pextrw)
{
	dst->q[0] = src->w[s->imm & 7];
	return 0;
}

SIMD_FN(mm_pextrw)
{
	dst->q[0] = src->w[s->imm & 3];
	return 0;
}

SIMD_FN(pextrd)
{
	dst->q[0] = src->d[s->imm & 3];
	return 0;
}

SIMD_FN(pextrq)
{
	dst->q[0] = src->q[s->imm & 1];
	return 0;
}

static void insert_dword(union x86_vec *dst, uint32_t v, uint8_t imm)
{
	unsigned i;

	dst->d[imm >> 4 & 3] = v;
	for (i = 0; i < 4; i++)
		if (imm >> i & 1)
			dst->d[i] = 0;
}

SIMD_FN(insertps_reg)
{
	insert_dword(dst, src->d[s->imm >> 6], s->imm);
	return 0;
}

SIMD_FN(insertps_mem)		/* imm[7:6] is ignored */
{
	insert_dword(dst, src->d[0], s->imm);
	return 0;
}

SIMD_FN(mpsadbw)
{
	union x86_vec a = *dst, b = *src, r;
	unsigned i, k, at = s->imm & 4, from = 4 * (s->imm & 3u);

	for (i = 0; i < 8; i++) {
		r.w[i] = 0;
		for (k = 0; k < 4; k++) {
			int d = a.b[at + i + k] - b.b[from + k];

			r.w[i] = (uint16_t)(r.w[i] + (d < 0 ? -d : d));
		}
	}
	*dst = r;
	return 0;
}

#define ROW_SHUF(m, f, fn_)	ROW(m, XMM, XM, 16, X86_SIMD_ALIGNED | (f), SSE, fn_)

static const struct x86_simd_row rows[] = {
	ROW_SHUF(PSHUFD, X86_SIMD_DST_ONLY, pshufd),
	ROW_SHUF(PSHUFLW, X86_SIMD_DST_ONLY, pshuflw),
	ROW_SHUF(PSHUFHW, X86_SIMD_DST_ONLY, pshufhw),
	ROW(PSHUFW, MM, MM_OR_MEM, 8, X86_SIMD_DST_ONLY, MMX, pshufw),
	ROW_SHUF(SHUFPS, 0, shufps),
	ROW_SHUF(SHUFPD, 0, shufpd),
	ROW_SHUF(BLENDPS, 0, blendps),
	ROW_SHUF(BLENDPD, 0, blendpd),
	ROW_SHUF(PBLENDW, 0, pblendw),
	ROW_SHUF(BLENDVPS, 0, blendvps),
	ROW_SHUF(BLENDVPD, 0, blendvpd),
	ROW_SHUF(PBLENDVB, 0, pblendvb),
	ROW_SHUF(PALIGNR, 0, palignr),
	ROW(PALIGNR, MM, MM_OR_MEM, 8, 0, MMX, mm_palignr),
	ROW(PSLLDQ, XMM, NONE, 0, 0, SSE, pslldq),
	ROW(PSRLDQ, XMM, NONE, 0, 0, SSE, psrldq),
	ROW(PINSRB, XMM, GM, 1, 0, SSE, pinsrb),
	ROW(PINSRW, XMM, GM, 2, 0, SSE, pinsrw),
	ROW(PINSRW, MM, GM, 2, 0, MMX, mm_pinsrw),
	ROW(PINSRD, XMM, GM, 4, 0, SSE, pinsrd),
	ROW(PINSRQ, XMM, GM, 8, 0, SSE, pinsrq),
	ROW(PEXTRB, GM, XMM, 1, X86_SIMD_DST_ONLY, SSE, pextrb),
	ROW(PEXTRW, GM, XMM, 2, X86_SIMD_DST_ONLY, SSE, pextrw),
	ROW(PEXTRW, GPR, MM, 0, X86_SIMD_DST_ONLY, MMX, mm_pextrw),
	ROW(PEXTRD, GM, XMM, 4, X86_SIMD_DST_ONLY, SSE, pextrd),
	ROW(PEXTRQ, GM, XMM, 8, X86_SIMD_DST_ONLY, SSE, pextrq),
	ROW(EXTRACTPS, GM, XMM, 4, X86_SIMD_DST_ONLY, SSE, pextrd),
	ROW(INSERTPS, XMM, XMM, 0, 0, SSE, insertps_reg),
	ROW(INSERTPS, XMM, MEM, 4, 0, SSE, insertps_mem),
	ROW_SHUF(MPSADBW, 0, mpsadbw),
};

const struct x86_simd_table x86_simd_shuffle = { rows, ARRAY_SIZE(rows) };
