/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * string.c - PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM: text in registers.
 * Bit 7 of the immediate means nothing.  SDM vol. 2, 4.1.
 */
#include "x86/simd/vec_priv.h"

/* As the instruction left them; AF and PF are cleared by it. */
struct text_flags {
	bool o, s, z, c;
};

static void give_flags(struct x86_simd *s, const struct text_flags *f)
{
	s->eflags &= ~(uint32_t)X86_FLAGS_STATUS;
	s->eflags |= (f->o ? (uint32_t)X86_FLAGS_OF : 0) | (f->s ? (uint32_t)X86_FLAGS_SF : 0) |
		     (f->z ? (uint32_t)X86_FLAGS_ZF : 0) | (f->c ? (uint32_t)X86_FLAGS_CF : 0);
}

/*
 * A length counts by its magnitude, and not beyond the register: so 64-bit
 * ones can be given to the 32-bit form.
 */
static int32_t text_length(uint64_t reg, uint8_t gpr_size)
{
	int64_t v = gpr_size == 8 ? (int64_t)reg : (int32_t)reg;

	return v > 16 ? 16 : v < -16 ? -16 : (int32_t)v;
}

#define FLAGS_OUT "=@cco"(f.o), "=@ccs"(f.s), "=@ccz"(f.z), "=@ccc"(f.c)
#define CASE_pcmpestri(n)						\
	case n:								\
		__asm__("pcmpestri %7, %6, %5" : "=c"(r), FLAGS_OUT	\
			: "x"(a), "x"(b), "i"(n), "a"(la), "d"(lb));	\
		break;
#define CASE_pcmpistri(n)						\
	case n:								\
		__asm__("pcmpistri %7, %6, %5" : "=c"(r), FLAGS_OUT	\
			: "x"(a), "x"(b), "i"(n));			\
		break;
#define CASE_pcmpestrm(n)						\
	case n:								\
		__asm__("pcmpestrm %7, %6, %5" : "=Yz"(r), FLAGS_OUT	\
			: "x"(a), "x"(b), "i"(n), "a"(la), "d"(lb));	\
		break;
#define CASE_pcmpistrm(n)						\
	case n:								\
		__asm__("pcmpistrm %7, %6, %5" : "=Yz"(r), FLAGS_OUT	\
			: "x"(a), "x"(b), "i"(n));			\
		break;

#define TEXT_LENGTHS							\
	int32_t la = text_length(s->rax, s->gpr_size);			\
	int32_t lb = text_length(s->rdx, s->gpr_size);

#define TEXT_INDEX(name, lengths)					\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src);			\
	struct text_flags f = { 0 };					\
	uint32_t r = 0;							\
	lengths								\
									\
	switch (s->imm & 127) {						\
	IMM_128(CASE_##name, 0)						\
	}								\
	s->rcx = r;							\
	give_flags(s, &f);						\
	return 0;							\
}

#define TEXT_MASK(name, lengths)					\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src);			\
	__m128i r = a;							\
	struct text_flags f = { 0 };					\
	lengths								\
									\
	switch (s->imm & 127) {						\
	IMM_128(CASE_##name, 0)						\
	}								\
	_mm_storeu_si128((__m128i_u *)s->fpu->xmm[0], r);		\
	give_flags(s, &f);						\
	return 0;							\
}

TEXT_INDEX(pcmpestri, TEXT_LENGTHS)
TEXT_INDEX(pcmpistri, )
TEXT_MASK(pcmpestrm, TEXT_LENGTHS)
TEXT_MASK(pcmpistrm, )

#define FLAGS (X86_SIMD_NO_DST | X86_SIMD_WRITES_FLAGS)

static const struct x86_simd_row rows[] = {
	ROW(PCMPESTRI, XMM, XM, 16, FLAGS | X86_SIMD_READS_GPRS | X86_SIMD_WRITES_RCX, SSE,
	    pcmpestri),
	ROW(PCMPISTRI, XMM, XM, 16, FLAGS | X86_SIMD_WRITES_RCX, SSE, pcmpistri),
	ROW(PCMPESTRM, XMM, XM, 16, FLAGS | X86_SIMD_READS_GPRS, SSE, pcmpestrm),
	ROW(PCMPISTRM, XMM, XM, 16, FLAGS, SSE, pcmpistrm),
};

const struct x86_simd_table x86_simd_string = { rows, ARRAY_SIZE(rows) };
