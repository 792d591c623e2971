/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * convert.c - conversions among integers, single and double, in XMM, MMX and
 * general registers.  What does not fit becomes the integer indefinite value.
 * SDM vol. 1, 11.4.1.6 and table 4-4; vol. 2.
 */
#include "x86/simd/vec_priv.h"

/* XMM to XMM; "+x": scalar forms keep the rest of the destination */
#define CVT(name)							\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src), r;		\
	int vector = FP_RUN(s, 0, r = a;				\
			    __asm__ volatile(#name " %1, %0" : "+x"(r) : "x"(b)));	\
									\
	if (likely(!vector))						\
		vec_store(dst, r);					\
	return vector;							\
}

CVT(cvtps2pd)
CVT(cvtpd2ps)
CVT(cvtss2sd)
CVT(cvtsd2ss)
CVT(cvtdq2ps)
CVT(cvtdq2pd)
CVT(cvtps2dq)
CVT(cvttps2dq)
CVT(cvtpd2dq)
CVT(cvttpd2dq)

#define CVT_FROM_GPR(name)						\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), r;					\
	uint64_t v = src->q[0];						\
	int vector;							\
									\
	if (s->gpr_size == 8)						\
		vector = FP_RUN(s, 0, r = a;				\
				__asm__ volatile(#name "q %1, %0" : "+x"(r) : "r"(v)));	\
	else								\
		vector = FP_RUN(s, 0, r = a;				\
				__asm__ volatile(#name "l %k1, %0" : "+x"(r) : "r"(v)));	\
	if (likely(!vector))						\
		vec_store(dst, r);					\
	return vector;							\
}

CVT_FROM_GPR(cvtsi2ss)
CVT_FROM_GPR(cvtsi2sd)

#define CVT_TO_GPR(name)						\
SIMD_FN(name)								\
{									\
	__m128i b = vec_load(src);					\
	uint64_t r;							\
	int vector;							\
									\
	if (s->gpr_size == 8)						\
		vector = FP_RUN(s, 0, __asm__ volatile(#name " %1, %0" : "=r"(r) : "x"(b)));	\
	else								\
		vector = FP_RUN(s, 0, __asm__ volatile(#name " %1, %k0" : "=r"(r) : "x"(b)));	\
	if (likely(!vector))						\
		dst->q[0] = r;						\
	return vector;							\
}

CVT_TO_GPR(cvtss2si)
CVT_TO_GPR(cvttss2si)
CVT_TO_GPR(cvtsd2si)
CVT_TO_GPR(cvttsd2si)

#define CVT_FROM_MM(name)						\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), r;					\
	uint64_t v = src->q[0];						\
	int vector = FP_RUN(s, 0, r = a;				\
		__asm__ volatile("movq %1, %%mm0; " #name " %%mm0, %0; emms"	\
				 : "+x"(r) : "m"(v) : "mm0"));		\
									\
	if (likely(!vector))						\
		vec_store(dst, r);					\
	return vector;							\
}

CVT_FROM_MM(cvtpi2ps)
CVT_FROM_MM(cvtpi2pd)

#define CVT_TO_MM(name)							\
SIMD_FN(name)								\
{									\
	__m128i b = vec_load(src);					\
	uint64_t r;							\
	int vector = FP_RUN(s, 0,					\
		__asm__ volatile(#name " %1, %%mm0; movq %%mm0, %0; emms"	\
				 : "=m"(r) : "x"(b) : "mm0"));		\
									\
	if (likely(!vector))						\
		dst->q[0] = r;						\
	return vector;							\
}

CVT_TO_MM(cvtps2pi)
CVT_TO_MM(cvttps2pi)
CVT_TO_MM(cvtpd2pi)
CVT_TO_MM(cvttpd2pi)

#define DST_ONLY X86_SIMD_DST_ONLY
#define ALIGNED	 X86_SIMD_ALIGNED

static const struct x86_simd_row rows[] = {
	ROW(CVTSI2SD, XMM, GM, 0, 0, SSE, cvtsi2sd),
	ROW(CVTSI2SS, XMM, GM, 0, 0, SSE, cvtsi2ss),
	ROW(CVTTSD2SI, GPR, XM, 8, DST_ONLY, SSE, cvttsd2si),
	ROW(CVTTSS2SI, GPR, XM, 4, DST_ONLY, SSE, cvttss2si),
	ROW(CVTSD2SI, GPR, XM, 8, DST_ONLY, SSE, cvtsd2si),
	ROW(CVTSS2SI, GPR, XM, 4, DST_ONLY, SSE, cvtss2si),
	ROW(CVTSS2SD, XMM, XM, 4, 0, SSE, cvtss2sd),
	ROW(CVTSD2SS, XMM, XM, 8, 0, SSE, cvtsd2ss),
	ROW(CVTPS2PD, XMM, XM, 8, DST_ONLY, SSE, cvtps2pd),
	ROW(CVTPD2PS, XMM, XM, 16, ALIGNED | DST_ONLY, SSE, cvtpd2ps),
	ROW(CVTDQ2PS, XMM, XM, 16, ALIGNED | DST_ONLY, SSE, cvtdq2ps),
	ROW(CVTDQ2PD, XMM, XM, 8, DST_ONLY, SSE, cvtdq2pd),
	ROW(CVTPS2DQ, XMM, XM, 16, ALIGNED | DST_ONLY, SSE, cvtps2dq),
	ROW(CVTTPS2DQ, XMM, XM, 16, ALIGNED | DST_ONLY, SSE, cvttps2dq),
	ROW(CVTPD2DQ, XMM, XM, 16, ALIGNED | DST_ONLY, SSE, cvtpd2dq),
	ROW(CVTTPD2DQ, XMM, XM, 16, ALIGNED | DST_ONLY, SSE, cvttpd2dq),
	ROW(CVTPI2PS, XMM, MM_OR_MEM, 8, 0, MMX, cvtpi2ps),
	ROW(CVTPI2PD, XMM, MM, 0, DST_ONLY, MMX, cvtpi2pd),
	ROW(CVTPI2PD, XMM, MEM, 8, DST_ONLY, SSE, cvtpi2pd),	/* leaves x87 alone */
	ROW(CVTPS2PI, MM, XM, 8, DST_ONLY, MMX, cvtps2pi),
	ROW(CVTTPS2PI, MM, XM, 8, DST_ONLY, MMX, cvttps2pi),
	ROW(CVTPD2PI, MM, XM, 16, ALIGNED | DST_ONLY, MMX, cvtpd2pi),
	ROW(CVTTPD2PI, MM, XM, 16, ALIGNED | DST_ONLY, MMX, cvttpd2pi),
};

const struct x86_simd_table x86_simd_convert = { rows, ARRAY_SIZE(rows) };
