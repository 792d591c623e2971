/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * move.c - moves that are not of a whole XMM register, and masks of sign bits.
 * (Whole ones, MOVD and MOVQ of XMM have handlers of their own in exec/.)
 * SDM vol. 2, chapter 4.
 */
#include "x86/simd/vec_priv.h"

SIMD_FN(low_dword)		/* the destination keeps the rest */
{
	(void)s;
	dst->d[0] = src->d[0];
	return 0;
}

SIMD_FN(low_quad)
{
	(void)s;
	dst->q[0] = src->q[0];
	return 0;
}

SIMD_FN(low_zero)		/* loads: the caller has zero-extended memory */
{
	union x86_vec a = *src;

	(void)s;
	*dst = a;
	return 0;
}

SIMD_FN(to_high)		/* MOVHPS load, MOVLHPS */
{
	(void)s;
	dst->q[1] = src->q[0];
	return 0;
}

SIMD_FN(from_high)		/* MOVHPS store, MOVHLPS */
{
	(void)s;
	dst->q[0] = src->q[1];
	return 0;
}

SIMD_FN(quad_zero)
{
	uint64_t q = src->q[0];

	(void)s;
	dst->q[0] = q;
	dst->q[1] = 0;
	return 0;
}

SIMD_FN(dword_to_mm)
{
	(void)s;
	dst->q[0] = src->d[0];
	return 0;
}

#define MASK_FN(name, insn)						\
SIMD_FN(name)								\
{									\
	unsigned r;							\
									\
	(void)s;							\
	__asm__(insn " %1, %0" : "=r"(r) : "x"(vec_load(src)));		\
	dst->q[0] = r;							\
	return 0;							\
}

MASK_FN(movmskps, "movmskps")
MASK_FN(movmskpd, "movmskpd")
MASK_FN(pmovmskb, "pmovmskb")

SIMD_FN(mm_pmovmskb)
{
	union x86_vec a = { .q = { src->q[0] } };

	return pmovmskb(dst, &a, s);
}

/* Flags: PTEST clears all but ZF (src & dst is 0) and CF (src & ~dst is 0). */
SIMD_FN(ptest)
{
	union x86_vec a = *dst, b = *src;

	s->eflags &= ~(uint32_t)X86_FLAGS_STATUS;
	if (!((a.q[0] & b.q[0]) | (a.q[1] & b.q[1])))
		s->eflags |= X86_FLAGS_ZF;
	if (!((~a.q[0] & b.q[0]) | (~a.q[1] & b.q[1])))
		s->eflags |= X86_FLAGS_CF;
	return 0;
}

#define DST_ONLY X86_SIMD_DST_ONLY

static const struct x86_simd_row rows[] = {
	ROW(MOVSS, XMM, XMM, 0, 0, SSE, low_dword),
	ROW(MOVSS, XMM, MEM, 4, DST_ONLY, SSE, low_zero),
	ROW(MOVSS, MEM, XMM, 4, DST_ONLY, SSE, low_dword),
	ROW(MOVSD, XMM, XMM, 0, 0, SSE, low_quad),
	ROW(MOVSD, XMM, MEM, 8, DST_ONLY, SSE, low_zero),
	ROW(MOVSD, MEM, XMM, 8, DST_ONLY, SSE, low_quad),
	ROW(MOVLPS, XMM, MEM, 8, 0, SSE, low_quad),
	ROW(MOVLPS, MEM, XMM, 8, DST_ONLY, SSE, low_quad),
	ROW(MOVLPD, XMM, MEM, 8, 0, SSE, low_quad),
	ROW(MOVLPD, MEM, XMM, 8, DST_ONLY, SSE, low_quad),
	ROW(MOVHPS, XMM, MEM, 8, 0, SSE, to_high),
	ROW(MOVHPS, MEM, XMM, 8, DST_ONLY, SSE, from_high),
	ROW(MOVHPD, XMM, MEM, 8, 0, SSE, to_high),
	ROW(MOVHPD, MEM, XMM, 8, DST_ONLY, SSE, from_high),
	ROW(MOVHLPS, XMM, XMM, 0, 0, SSE, from_high),
	ROW(MOVLHPS, XMM, XMM, 0, 0, SSE, to_high),
	ROW(MOVNTQ, MEM, MM, 8, DST_ONLY, MMX, low_quad),
	ROW(MOVQ, MM, MM_OR_MEM, 8, DST_ONLY, MMX, low_quad),
	ROW(MOVQ, MM, GPR, 0, DST_ONLY, MMX, low_quad),
	ROW(MOVQ, GM, MM, 8, DST_ONLY, MMX, low_quad),
	ROW(MOVD, MM, GM, 4, DST_ONLY, MMX, dword_to_mm),
	ROW(MOVD, GM, MM, 4, DST_ONLY, MMX, dword_to_mm),
	ROW(MOVQ2DQ, XMM, MM, 0, DST_ONLY, MMX, quad_zero),
	ROW(MOVDQ2Q, MM, XMM, 0, DST_ONLY, MMX, low_quad),
	ROW(MOVMSKPS, GPR, XMM, 0, DST_ONLY, SSE, movmskps),
	ROW(MOVMSKPD, GPR, XMM, 0, DST_ONLY, SSE, movmskpd),
	ROW(PMOVMSKB, GPR, XMM, 0, DST_ONLY, SSE, pmovmskb),
	ROW(PMOVMSKB, GPR, MM, 0, DST_ONLY, MMX, mm_pmovmskb),
	ROW(PTEST, XMM, XM, 16, X86_SIMD_ALIGNED | X86_SIMD_NO_DST | X86_SIMD_WRITES_FLAGS, SSE,
	    ptest),
};

const struct x86_simd_table x86_simd_move = { rows, ARRAY_SIZE(rows) };
