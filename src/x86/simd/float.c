/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * float.c - arithmetic on single and double floating-point numbers.
 * SDM vol. 1 chapter 11 (exceptions: 11.5), vol. 2.
 */
#include "x86/simd/vec_priv.h"

#define FP_BINARY(name, insn)						\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src), r;		\
	int vector = FP_RUN(s, 0, r = a;				\
			    __asm__ volatile(insn " %1, %0" : "+x"(r) : "x"(b)));	\
									\
	if (likely(!vector))						\
		vec_store(dst, r);					\
	return vector;							\
}

/* The four kinds of operand: packed or scalar, single or double */
#define FP_FOUR(X, m)	X(m##PS) X(m##PD) X(m##SS) X(m##SD)
#define FP_TWO(X, m)	X(m##PS) X(m##PD)
#define FP_ARITH(X)							\
	FP_FOUR(X, ADD) FP_FOUR(X, SUB) FP_FOUR(X, MUL) FP_FOUR(X, DIV)	\
	FP_FOUR(X, MIN) FP_FOUR(X, MAX) FP_FOUR(X, SQRT)		\
	FP_TWO(X, HADD) FP_TWO(X, HSUB) FP_TWO(X, ADDSUB)		\
	X(RCPPS) X(RCPSS) X(RSQRTPS) X(RSQRTSS)
#define FP_FN(m) FP_BINARY(fp_##m, #m)

FP_ARITH(FP_FN)

/* CMPccPS and kin: eight predicates; the other bits are ignored */
#define COMPARE(name)							\
static __m128i name##_by(__m128i a, __m128i b, unsigned imm)		\
{									\
	switch (imm & 7) {						\
	IMM_8(COMPARE_##name, 0)					\
	}								\
	return a;							\
}									\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src), r;		\
	int vector = FP_RUN(s, 0, r = name##_by(a, b, s->imm));		\
									\
	if (likely(!vector))						\
		vec_store(dst, r);					\
	return vector;							\
}
#define COMPARE_CASE(insn, n)						\
	case n:								\
		__asm__ volatile(insn " %2, %1, %0" : "+x"(a) : "x"(b), "i"(n));	\
		break;
#define COMPARE_cmpps(n) COMPARE_CASE("cmpps", n)
#define COMPARE_cmppd(n) COMPARE_CASE("cmppd", n)
#define COMPARE_cmpss(n) COMPARE_CASE("cmpss", n)
#define COMPARE_cmpsd(n) COMPARE_CASE("cmpsd", n)

COMPARE(cmpps)
COMPARE(cmppd)
COMPARE(cmpss)
COMPARE(cmpsd)

/* Answers in ZF, PF, CF; the other status flags are cleared. */
#define ORDERED(name)							\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src);			\
	bool z, p, c;							\
	int vector = FP_RUN(s, 0, __asm__ volatile(#name " %4, %3"	\
			    : "=@ccz"(z), "=@ccp"(p), "=@ccc"(c) : "x"(a), "x"(b)));	\
									\
	if (likely(!vector)) {						\
		s->eflags &= ~(uint32_t)X86_FLAGS_STATUS;		\
		s->eflags |= (z ? (uint32_t)X86_FLAGS_ZF : 0) |		\
			     (p ? (uint32_t)X86_FLAGS_PF : 0) |		\
			     (c ? (uint32_t)X86_FLAGS_CF : 0);		\
	}								\
	return vector;							\
}

ORDERED(comiss)
ORDERED(comisd)
ORDERED(ucomiss)
ORDERED(ucomisd)

/*
 * The immediate's rounding control is put into MXCSR, and the precision
 * exception hidden afterwards, so that one form of the instruction is enough.
 */
#define ROUND(name)							\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src), r;		\
	uint32_t guest = s->fpu->mxcsr;					\
	int vector;							\
									\
	if (!(s->imm & 4))						\
		s->fpu->mxcsr = (guest & ~X86_MXCSR_RC) | (s->imm & 3u) << 13;	\
	vector = FP_RUN(s, s->imm & 8 ? X86_MXCSR_PE : 0, r = a;	\
			__asm__ volatile(#name " $4, %1, %0" : "+x"(r) : "x"(b)));	\
	s->fpu->mxcsr = (s->fpu->mxcsr & ~X86_MXCSR_RC) | (guest & X86_MXCSR_RC);	\
	if (likely(!vector))						\
		vec_store(dst, r);					\
	return vector;							\
}

ROUND(roundps)
ROUND(roundpd)
ROUND(roundss)
ROUND(roundsd)

/*
 * Which unmasked exception a dot product of @a and @b raises: products are
 * made first, then sums of two, and the first step with one ends it.
 */
static int dot_raises(__m128i a, __m128i b, bool is_double, struct x86_simd *s)
{
	__m128i p = a, q;
	int vector;

	if (is_double) {
		vector = FP_RUN(s, 0, __asm__ volatile("mulpd %1, %0" : "+x"(p) : "x"(b)));
		q = _mm_srli_si128(p, 8);
		return vector ? vector :
		       FP_RUN(s, 0, __asm__ volatile("addsd %1, %0" : "+x"(p) : "x"(q)));
	}
	vector = FP_RUN(s, 0, __asm__ volatile("mulps %1, %0" : "+x"(p) : "x"(b)));
	if (vector)
		return vector;
	q = _mm_srli_epi64(p, 32);
	p = _mm_srli_epi64(_mm_slli_epi64(p, 32), 32);
	vector = FP_RUN(s, 0, __asm__ volatile("addps %1, %0" : "+x"(p) : "x"(q)));
	q = _mm_srli_si128(p, 8);
	return vector ? vector :
	       FP_RUN(s, 0, __asm__ volatile("addss %1, %0" : "+x"(p) : "x"(q)));
}

/*
 * imm[7:4] says which products count: the others are zero, so their factors
 * are made zero.  imm[3:0] says which elements get the sum.
 */
#define DOT(name, insn, elem, nr)					\
SIMD_FN(name)								\
{									\
	union x86_vec a = *dst, b = *src, r;				\
	__m128i sum;							\
	unsigned i;							\
	int vector = 0;							\
									\
	for (i = 0; i < nr; i++)					\
		if (!(s->imm >> (4 + i) & 1))				\
			a.elem[i] = b.elem[i] = 0;			\
	sum = vec_load(&a);						\
	if (unlikely((s->fpu->mxcsr & X86_MXCSR_MASKS) != X86_MXCSR_MASKS))	\
		vector = dot_raises(sum, vec_load(&b), nr == 2, s);	\
	if (vector)							\
		return vector;						\
	vector = FP_RUN(s, 0, __asm__ volatile(insn " $0xff, %1, %0"	\
					       : "+x"(sum) : "x"(vec_load(&b))));	\
	if (vector)							\
		return vector;						\
	vec_store(&r, sum);						\
	for (i = 0; i < nr; i++)					\
		dst->elem[i] = s->imm >> i & 1 ? r.elem[i] : 0;		\
	return 0;							\
}

DOT(dpps, "dpps", d, 4)
DOT(dppd, "dppd", q, 2)

#define PACKED(m, fn_)	ROW(m, XMM, XM, 16, X86_SIMD_ALIGNED, SSE, fn_)
#define SINGLE(m, fn_)	ROW(m, XMM, XM, 4, 0, SSE, fn_)
#define DOUBLE(m, fn_)	ROW(m, XMM, XM, 8, 0, SSE, fn_)
#define FP_ROWS(m)	PACKED(m##PS, fp_##m##PS), PACKED(m##PD, fp_##m##PD), \
			SINGLE(m##SS, fp_##m##SS), DOUBLE(m##SD, fp_##m##SD),
#define FP_ROWS_PACKED(m) PACKED(m##PS, fp_##m##PS), PACKED(m##PD, fp_##m##PD),
#define FP_ROW_ORDERED(m, size, fn_) \
	ROW(m, XMM, XM, size, X86_SIMD_NO_DST | X86_SIMD_WRITES_FLAGS, SSE, fn_)

static const struct x86_simd_row rows[] = {
	FP_ROWS(ADD) FP_ROWS(SUB) FP_ROWS(MUL) FP_ROWS(DIV)
	FP_ROWS(MIN) FP_ROWS(MAX) FP_ROWS(SQRT)
	FP_ROWS_PACKED(HADD) FP_ROWS_PACKED(HSUB) FP_ROWS_PACKED(ADDSUB)
	PACKED(RCPPS, fp_RCPPS), SINGLE(RCPSS, fp_RCPSS),
	PACKED(RSQRTPS, fp_RSQRTPS), SINGLE(RSQRTSS, fp_RSQRTSS),
	PACKED(CMPPS, cmpps), PACKED(CMPPD, cmppd), SINGLE(CMPSS, cmpss), DOUBLE(CMPSD, cmpsd),
	FP_ROW_ORDERED(COMISS, 4, comiss), FP_ROW_ORDERED(COMISD, 8, comisd),
	FP_ROW_ORDERED(UCOMISS, 4, ucomiss), FP_ROW_ORDERED(UCOMISD, 8, ucomisd),
	PACKED(ROUNDPS, roundps), PACKED(ROUNDPD, roundpd),
	SINGLE(ROUNDSS, roundss), DOUBLE(ROUNDSD, roundsd),
	PACKED(DPPS, dpps), PACKED(DPPD, dppd),
};

const struct x86_simd_table x86_simd_float = { rows, ARRAY_SIZE(rows) };
