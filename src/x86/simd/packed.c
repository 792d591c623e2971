/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * packed.c - integer arithmetic on packed elements, bitwise logic, shifts,
 * packs, unpacks, widening moves: each is one instruction of two operands.
 * SDM vol. 2, chapter 4.
 */
#include "x86/simd/vec_priv.h"

/* On XMM and on MMX registers */
#define PACKED_BOTH(X)							\
	X(PADDB) X(PADDW) X(PADDD) X(PADDQ)				\
	X(PADDSB) X(PADDSW) X(PADDUSB) X(PADDUSW)			\
	X(PSUBB) X(PSUBW) X(PSUBD) X(PSUBQ)				\
	X(PSUBSB) X(PSUBSW) X(PSUBUSB) X(PSUBUSW)			\
	X(PMULLW) X(PMULHW) X(PMULHUW) X(PMULUDQ) X(PMADDWD)		\
	X(PSADBW) X(PAVGB) X(PAVGW)					\
	X(PMINUB) X(PMINSW) X(PMAXUB) X(PMAXSW)				\
	X(PAND) X(PANDN) X(POR) X(PXOR)					\
	X(PCMPEQB) X(PCMPEQW) X(PCMPEQD) X(PCMPGTB) X(PCMPGTW) X(PCMPGTD)	\
	X(PACKSSWB) X(PACKSSDW) X(PACKUSWB)				\
	X(PUNPCKHBW) X(PUNPCKHWD) X(PUNPCKHDQ)				\
	X(PSHUFB) X(PHADDW) X(PHADDD) X(PHADDSW) X(PHSUBW) X(PHSUBD) X(PHSUBSW)	\
	X(PMADDUBSW) X(PMULHRSW) X(PSIGNB) X(PSIGNW) X(PSIGND)

/* MMX reads four bytes of memory, SSE sixteen or the half that it uses. */
#define PACKED_UNPACK_LOW(X) X(PUNPCKLBW) X(PUNPCKLWD) X(PUNPCKLDQ)

/* Also by an immediate count */
#define PACKED_SHIFT(X)							\
	X(PSLLW) X(PSLLD) X(PSLLQ) X(PSRLW) X(PSRLD) X(PSRLQ) X(PSRAW) X(PSRAD)

#define PACKED_XMM(X)							\
	X(PCMPEQQ) X(PCMPGTQ)						\
	X(PMINSB) X(PMINUW) X(PMINSD) X(PMINUD) X(PMAXSB) X(PMAXUW) X(PMAXSD) X(PMAXUD)	\
	X(PMULLD) X(PMULDQ) X(PACKUSDW) X(PUNPCKHQDQ)	\
	X(ANDPS) X(ANDPD) X(ANDNPS) X(ANDNPD) X(ORPS) X(ORPD) X(XORPS) X(XORPD)	\
	X(UNPCKHPS) X(UNPCKHPD)

/* As PACKED_UNPACK_LOW */
#define PACKED_XMM_LOW(X) X(PUNPCKLQDQ) X(UNPCKLPS) X(UNPCKLPD)

#define PACKED_UNARY_BOTH(X) X(PABSB) X(PABSW) X(PABSD)
#define PACKED_UNARY_XMM(X)  X(PHMINPOSUW) X(MOVSHDUP) X(MOVSLDUP)

/* Widening: the memory operand is what is widened, and need not be aligned. */
#define PACKED_WIDEN(X)							\
	X(PMOVSXBW, 8) X(PMOVSXBD, 4) X(PMOVSXBQ, 2) X(PMOVSXWD, 8) X(PMOVSXWQ, 4)	\
	X(PMOVSXDQ, 8) X(PMOVZXBW, 8) X(PMOVZXBD, 4) X(PMOVZXBQ, 2) X(PMOVZXWD, 8)	\
	X(PMOVZXWQ, 4) X(PMOVZXDQ, 8) X(MOVDDUP, 8)

#define XMM_FN(m)	SIMD_BINARY(xmm_##m, #m)
#define XMM_FN1(m)	SIMD_UNARY(xmm_##m, #m)
#define XMM_FN1_N(m, n)	SIMD_UNARY(xmm_##m, #m)
#define MMX_FN(m)	SIMD_MMX(mm_##m, #m)

/* The count is the source's low quadword, or the immediate. */
#define SHIFT_FN(m)							\
SIMD_FN(xmm_##m##_imm)							\
{									\
	union x86_vec count = { .q = { s->imm } };			\
									\
	return xmm_##m(dst, &count, s);					\
}									\
SIMD_FN(mm_##m##_imm)							\
{									\
	union x86_vec count = { .q = { s->imm } };			\
									\
	return mm_##m(dst, &count, s);					\
}

PACKED_BOTH(XMM_FN)
PACKED_BOTH(MMX_FN)
PACKED_UNPACK_LOW(XMM_FN)
PACKED_UNPACK_LOW(MMX_FN)
PACKED_SHIFT(XMM_FN)
PACKED_SHIFT(MMX_FN)
PACKED_SHIFT(SHIFT_FN)
PACKED_XMM(XMM_FN)
PACKED_XMM_LOW(XMM_FN)
PACKED_UNARY_BOTH(XMM_FN1)
PACKED_UNARY_BOTH(MMX_FN)
PACKED_UNARY_XMM(XMM_FN1)
PACKED_WIDEN(XMM_FN1_N)

#define ROW_UNPACK_LOW(m)						\
	ROW_XMM_LOW(m) ROW(m, MM, MM_OR_MEM, 4, 0, MMX, mm_##m),
#define ROW_SHIFT_IMM(m)						\
	ROW(m, XMM, NONE, 0, 0, SSE, xmm_##m##_imm),			\
	ROW(m, MM, NONE, 0, 0, MMX, mm_##m##_imm),
#define ROW_WIDEN(m, size) \
	ROW(m, XMM, XM, size, X86_SIMD_DST_ONLY, SSE, xmm_##m),

static const struct x86_simd_row rows[] = {
	PACKED_BOTH(ROW_XMM)
	PACKED_BOTH(ROW_MMX)
	PACKED_UNPACK_LOW(ROW_UNPACK_LOW)
	PACKED_SHIFT(ROW_XMM_LOW)
	PACKED_SHIFT(ROW_MMX)
	PACKED_SHIFT(ROW_SHIFT_IMM)
	PACKED_XMM(ROW_XMM)
	PACKED_XMM_LOW(ROW_XMM_LOW)
	PACKED_UNARY_BOTH(ROW_XMM_UNARY)
	PACKED_UNARY_BOTH(ROW_MMX_UNARY)
	PACKED_UNARY_XMM(ROW_XMM_UNARY)
	PACKED_WIDEN(ROW_WIDEN)
};

const struct x86_simd_table x86_simd_packed = { rows, ARRAY_SIZE(rows) };
