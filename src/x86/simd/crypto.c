/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * crypto.c - AES, carry-less multiplication, SHA.
 *
 * These are not in every x86-64-v2 processor: without them here crypto_soft.c
 * does the same.
 */
#include <cpuid.h>

#include "x86/simd/crypto_soft.h"
#include "x86/simd/vec_priv.h"

#define CPUID1_ECX_PCLMULQDQ	(1u << 1)
#define CPUID1_ECX_AES		(1u << 25)
#define CPUID7_EBX_SHA		(1u << 29)

#define CRYPTO_FN(name, has, stmt, ...)					\
SIMD_FN(name)								\
{									\
	__m128i a = vec_load(dst), b = vec_load(src);			\
									\
	(void)s;							\
	if (!has()) {							\
		soft_##name(dst, src __VA_ARGS__);			\
		return 0;						\
	}								\
	stmt;								\
	vec_store(dst, a);						\
	return 0;							\
}

/* A bit of CPUID; -1: not asked yet.  Threads that race find the same. */
#define HOST_HAS(name, leaf, reg, bit)					\
static bool name(void)							\
{									\
	static int known = -1;						\
	int v = __atomic_load_n(&known, __ATOMIC_RELAXED);		\
	unsigned eax, ebx = 0, ecx = 0, edx;				\
									\
	if (likely(v >= 0))						\
		return v;						\
	v = __get_cpuid_count(leaf, 0, &eax, &ebx, &ecx, &edx) && (reg & (bit));	\
	__atomic_store_n(&known, v, __ATOMIC_RELAXED);			\
	return v;							\
}

HOST_HAS(host_has_aes, 1, ecx, CPUID1_ECX_AES)
HOST_HAS(host_has_pclmulqdq, 1, ecx, CPUID1_ECX_PCLMULQDQ)
HOST_HAS(host_has_sha, 7, ebx, CPUID7_EBX_SHA)

#define ASM_BINARY(insn) __asm__(insn " %1, %0" : "+x"(a) : "x"(b))

CRYPTO_FN(aesenc, host_has_aes, ASM_BINARY("aesenc"), )
CRYPTO_FN(aesenclast, host_has_aes, ASM_BINARY("aesenclast"), )
CRYPTO_FN(aesdec, host_has_aes, ASM_BINARY("aesdec"), )
CRYPTO_FN(aesdeclast, host_has_aes, ASM_BINARY("aesdeclast"), )
CRYPTO_FN(aesimc, host_has_aes, ASM_BINARY("aesimc"), )

/* The round constant is only added at the end, to the two rotated words. */
CRYPTO_FN(aeskeygenassist, host_has_aes, ({
	__asm__("aeskeygenassist $0, %1, %0" : "=x"(a) : "x"(b));
	a = _mm_xor_si128(a, _mm_set_epi32(s->imm, 0, s->imm, 0));
}), , s->imm)

/* imm[0] and imm[4] choose the quadwords: the chosen ones are put first. */
CRYPTO_FN(pclmulqdq, host_has_pclmulqdq, ({
	if (s->imm & 1)
		a = _mm_srli_si128(a, 8);
	if (s->imm & 16)
		b = _mm_srli_si128(b, 8);
	__asm__("pclmulqdq $0, %1, %0" : "+x"(a) : "x"(b));
}), , s->imm)

#define ASM_SHA_ROUNDS(n)						\
	case n:								\
		__asm__("sha1rnds4 %2, %1, %0" : "+x"(a) : "x"(b), "i"(n));	\
		break;

CRYPTO_FN(sha1rnds4, host_has_sha, switch (s->imm & 3) { IMM_4(ASM_SHA_ROUNDS, 0) }, , s->imm)
CRYPTO_FN(sha1nexte, host_has_sha, ASM_BINARY("sha1nexte"), )
CRYPTO_FN(sha1msg1, host_has_sha, ASM_BINARY("sha1msg1"), )
CRYPTO_FN(sha1msg2, host_has_sha, ASM_BINARY("sha1msg2"), )
CRYPTO_FN(sha256msg1, host_has_sha, ASM_BINARY("sha256msg1"), )
CRYPTO_FN(sha256msg2, host_has_sha, ASM_BINARY("sha256msg2"), )

SIMD_FN(sha256rnds2)		/* the two round keys come from XMM0 */
{
	__m128i a = vec_load(dst), b = vec_load(src), keys = vec_xmm0(s);

	if (!host_has_sha()) {
		soft_sha256rnds2(dst, src, (const union x86_vec *)(const void *)s->fpu->xmm[0]);
		return 0;
	}
	__asm__("sha256rnds2 %%xmm0, %1, %0" : "+x"(a) : "x"(b), "Yz"(keys));
	vec_store(dst, a);
	return 0;
}

#define ROW_16(m, f, fn_) ROW(m, XMM, XM, 16, X86_SIMD_ALIGNED | (f), SSE, fn_)
#define ROW_SHA(m, fn_)	ROW(m, XMM, XM, 16, X86_SIMD_ALIGNED_INTEL, SSE, fn_)

static const struct x86_simd_row rows[] = {
	ROW_16(AESENC, 0, aesenc), ROW_16(AESENCLAST, 0, aesenclast),
	ROW_16(AESDEC, 0, aesdec), ROW_16(AESDECLAST, 0, aesdeclast),
	ROW_16(AESIMC, X86_SIMD_DST_ONLY, aesimc),
	ROW_16(AESKEYGENASSIST, X86_SIMD_DST_ONLY, aeskeygenassist),
	ROW_16(PCLMULQDQ, 0, pclmulqdq),
	ROW_SHA(SHA1RNDS4, sha1rnds4), ROW_SHA(SHA1NEXTE, sha1nexte),
	ROW_SHA(SHA1MSG1, sha1msg1), ROW_SHA(SHA1MSG2, sha1msg2),
	ROW_SHA(SHA256RNDS2, sha256rnds2),
	ROW_SHA(SHA256MSG1, sha256msg1), ROW_SHA(SHA256MSG2, sha256msg2),
};

const struct x86_simd_table x86_simd_crypto = { rows, ARRAY_SIZE(rows) };
