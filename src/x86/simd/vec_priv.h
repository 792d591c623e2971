/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vec_priv.h - how a row's function is made of one host instruction.
 *
 * Mnemonics are written as the manuals (and Zydis) print them: assemblers take
 * either case.  Assembly, not intrinsics: no row asks the compiler for more
 * than the base instruction set, whatever this processor can do.
 */
#pragma once
#include <emmintrin.h>
#include <string.h>
#include <Zydis/Zydis.h>

#include "base/macros.h"
#include "x86/simd.h"

#define SIMD_FN(name) \
	static int name(union x86_vec *dst, const union x86_vec *src, struct x86_simd *s)

/* Guest operands come from anywhere: no alignment is assumed. */
static inline __m128i vec_load(const union x86_vec *v)
{
	return _mm_loadu_si128((const __m128i_u *)v);
}

static inline void vec_store(union x86_vec *v, __m128i x)
{
	_mm_storeu_si128((__m128i_u *)v, x);
}

/* The operand that some instructions do not name: "Yz" is XMM0's constraint. */
static inline __m128i vec_xmm0(const struct x86_simd *s)
{
	return _mm_loadu_si128((const __m128i_u *)s->fpu->xmm[0]);
}

/* name(dst, src): @insn src, dst.  Nothing can go wrong. */
#define SIMD_BINARY(name, insn)						\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src);			\
									\
	(void)s;							\
	__asm__(insn " %1, %0" : "+x"(a) : "x"(b));			\
	vec_store(dst, a);						\
	return 0;							\
}

#define SIMD_UNARY(name, insn)						\
SIMD_FN(name)								\
{									\
	__m128i a;							\
									\
	(void)s;							\
	__asm__(insn " %1, %0" : "=x"(a) : "x"(vec_load(src)));		\
	vec_store(dst, a);						\
	return 0;							\
}

/* The same on MMX registers, which the host's compiler never uses itself. */
#define SIMD_MMX(name, insn)						\
SIMD_FN(name)								\
{									\
	uint64_t r;							\
									\
	(void)s;							\
	__asm__("movq %1, %%mm0; movq %2, %%mm1;"			\
		insn " %%mm1, %%mm0;"					\
		"movq %%mm0, %0; emms"					\
		: "=m"(r) : "m"(dst->q[0]), "m"(src->q[0])		\
		: "mm0", "mm1");					\
	dst->q[0] = r;							\
	return 0;							\
}

/* Rows, by what the operands are */
#define ROW(m, d, s, size, f, st, fn_) \
	{ ZYDIS_MNEMONIC_##m, X86_SIMD_##d, X86_SIMD_##s, size, f, X86_SET_##st, fn_ }
#define ROW_XMM(m)	  ROW(m, XMM, XM, 16, X86_SIMD_ALIGNED, SSE, xmm_##m),
#define ROW_XMM_LOW(m)	  ROW(m, XMM, XM, 16, X86_SIMD_ALIGNED | X86_SIMD_LOW_HALF_AMD, SSE, xmm_##m),
#define ROW_XMM_UNARY(m)  ROW(m, XMM, XM, 16, X86_SIMD_ALIGNED | X86_SIMD_DST_ONLY, SSE, xmm_##m),
#define ROW_MMX(m)	  ROW(m, MM, MM_OR_MEM, 8, 0, MMX, mm_##m),
#define ROW_MMX_UNARY(m)  ROW(m, MM, MM_OR_MEM, 8, X86_SIMD_DST_ONLY, MMX, mm_##m),
#define X86_SIMD_MM_OR_MEM (X86_SIMD_MM | X86_SIMD_MEM)

#define X86_MXCSR_FLAGS	0x3fu
#define X86_MXCSR_IE	0x01u
#define X86_MXCSR_DE	0x02u
#define X86_MXCSR_ZE	0x04u
#define X86_MXCSR_OE	0x08u
#define X86_MXCSR_UE	0x10u
#define X86_MXCSR_PE	0x20u
#define X86_MXCSR_MASKS	0x1f80u
#define X86_MXCSR_UM	0x800u
#define X86_MXCSR_RC	0x6000u
#define X86_MXCSR_FTZ	0x8000u

/*
 * A floating-point instruction on behalf of the guest: under the guest's
 * rounding, DAZ and FTZ, with everything masked so that the host is never
 * signalled; what an unmasked exception would have done is worked out after.
 *
 * Unmasked underflow is the hard one: it is raised by a tiny result even when
 * that is exact, which no masked flag tells.  FTZ tells (and means nothing to
 * a guest that has underflow unmasked): so such an instruction runs with FTZ.
 * The processor does not call the tiny result inexact as well; that another
 * element of a packed one is, or that an unmasked overflow is exact, is lost.
 */
struct simd_fp {
	uint32_t	host;
	bool		probe;			/* FTZ is ours, not the guest's */
};

static inline uint32_t mxcsr_get(void)
{
	uint32_t v;

	__asm__ volatile("stmxcsr %0" : "=m"(v));
	return v;
}

static inline void mxcsr_set(uint32_t v)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(v));
}

static inline void fp_enter(struct simd_fp *e, const struct x86_simd *s)
{
	uint32_t guest = s->fpu->mxcsr;
	uint32_t run = (guest & 0xe040) | X86_MXCSR_MASKS;

	e->host = mxcsr_get();
	e->probe = !(guest & X86_MXCSR_UM);
	if (e->probe)
		run |= X86_MXCSR_FTZ;
	/* Flags that the host has set already tell nothing, unless the guest has them too. */
	if ((e->host & ~X86_MXCSR_FLAGS) != run || (e->host & X86_MXCSR_FLAGS & ~guest) ||
	    (guest & X86_MXCSR_MASKS) != X86_MXCSR_MASKS)
		mxcsr_set(run);
}

/* Answers 0 or the vector to raise.  Flags in @hide are not reported. */
static inline int fp_leave(struct simd_fp *e, struct x86_simd *s, uint32_t hide)
{
	uint32_t after = mxcsr_get(), flags, unmasked;

	if (after != e->host)
		mxcsr_set(e->host);
	flags = after & X86_MXCSR_FLAGS & ~hide;
	if (unlikely(e->probe) && (flags & (X86_MXCSR_OE | X86_MXCSR_UE)) == X86_MXCSR_UE)
		flags &= ~X86_MXCSR_PE;
	unmasked = flags & ~(s->fpu->mxcsr >> 7);
	/* An exception of the operands comes before there is a result to be inexact. */
	if (unmasked & (X86_MXCSR_IE | X86_MXCSR_DE | X86_MXCSR_ZE))
		flags &= X86_MXCSR_IE | X86_MXCSR_DE | X86_MXCSR_ZE;
	s->fpu->mxcsr |= flags;
	if (likely(!unmasked))
		return 0;
	return s->unmasked_xm ? X86_XM : X86_UD;
}

/* Runs @stmt, which changes no operand, and answers as fp_leave. */
#define FP_RUN(s, hide, stmt) ({					\
	struct simd_fp fp_;						\
									\
	fp_enter(&fp_, s);						\
	stmt;								\
	fp_leave(&fp_, s, hide); })

/* One statement for each value of a few immediate bits: an operand of the host's code. */
#define IMM_2(X, n)	X(n) X((n) + 1)
#define IMM_4(X, n)	IMM_2(X, n) IMM_2(X, (n) + 2)
#define IMM_8(X, n)	IMM_4(X, n) IMM_4(X, (n) + 4)
#define IMM_16(X, n)	IMM_8(X, n) IMM_8(X, (n) + 8)
#define IMM_32(X, n)	IMM_16(X, n) IMM_16(X, (n) + 16)
#define IMM_64(X, n)	IMM_32(X, n) IMM_32(X, (n) + 32)
#define IMM_128(X, n)	IMM_64(X, n) IMM_64(X, (n) + 64)
