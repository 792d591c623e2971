/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * area.c - the images of FXSAVE, FXRSTOR, XSAVE and XRSTOR (standard format).
 * SDM vol. 1, 10.5 and 13.4 to 13.8.
 *
 *      0 ..  31  x87 words, MXCSR and its mask        X87 (MXCSR: SSE, AVX)
 *     32 .. 159  ST(0)-ST(7)                          X87
 *    160 .. 415  XMM0-XMM15                           SSE
 *    512 .. 575  header: XSTATE_BV, XCOMP_BV          XSAVE only
 *    576 .. 831  upper halves of YMM0-YMM15           AVX
 */
#include <string.h>

#include "base/bytes.h"
#include "base/bits.h"
#include "x86/simd/x87_priv.h"

#define XSTATE_X87	BIT(0)
#define XSTATE_SSE	BIT(1)
#define XSTATE_AVX	BIT(2)

#define AT_FIP		8
#define AT_FDP		16
#define AT_MXCSR	24
#define AT_MXCSR_MASK	28
#define AT_ST		32
#define AT_XMM		160
#define AT_XSTATE_BV	512
#define AT_XCOMP_BV	520
#define AT_YMM_HI	576

static_assert(X86_XSAVE_MAX == AT_YMM_HI + sizeof(((struct x86_fpu *)0)->ymm_hi), "AVX is last");

size_t x86_xsave_size(uint64_t components)
{
	return AT_YMM_HI + (components & XSTATE_AVX ? sizeof(((struct x86_fpu *)0)->ymm_hi) : 0);
}

static void put_x87(const struct x86_fpu *fpu, uint8_t *image, bool rex_w)
{
	uint64_t fip = rex_w ? fpu->fip : (uint32_t)fpu->fip;
	uint64_t fdp = rex_w ? fpu->fdp : (uint32_t)fpu->fdp;
	uint16_t words[4] = { fpu->fcw, fpu->fsw, fpu->ftw, fpu->fop & 0x7ff };

	memcpy(image, words, sizeof(words));
	memcpy(image + AT_FIP, &fip, 8);
	memcpy(image + AT_FDP, &fdp, 8);
	memcpy(image + AT_ST, fpu->st, sizeof(fpu->st));
}

static void get_x87(struct x86_fpu *fpu, const uint8_t *image, bool rex_w)
{
	uint16_t words[4];
	unsigned i;

	memcpy(words, image, sizeof(words));
	x87_set_words(fpu, words[0], words[1]);
	fpu->ftw = (uint8_t)words[2];
	fpu->fop = words[3] & 0x7ff;
	memcpy(&fpu->fip, image + AT_FIP, 8);
	memcpy(&fpu->fdp, image + AT_FDP, 8);
	if (!rex_w) {
		fpu->fip = (uint32_t)fpu->fip;
		fpu->fdp = (uint32_t)fpu->fdp;
	}
	memcpy(fpu->st, image + AT_ST, sizeof(fpu->st));
	for (i = 0; i < 8; i++)
		memset(fpu->st[i] + 10, 0, 6);
}

static void put_mxcsr(const struct x86_fpu *fpu, uint8_t *image, uint32_t mask)
{
	uint32_t v[2] = { fpu->mxcsr, mask };

	memcpy(image + AT_MXCSR, v, sizeof(v));
}

static uint32_t mxcsr_in(const uint8_t *image)
{
	uint32_t v;

	memcpy(&v, image + AT_MXCSR, 4);
	return v;
}

static uint64_t quad_in(const uint8_t *image, unsigned at)
{
	uint64_t v;

	memcpy(&v, image + at, 8);
	return v;
}

void x86_fxsave(const struct x86_fpu *fpu, uint8_t *image, const struct x86_image *how)
{
	put_x87(fpu, image, how->rex_w);
	put_mxcsr(fpu, image, how->mxcsr_mask);
	memcpy(image + AT_XMM, fpu->xmm, how->nr_xmm * sizeof(fpu->xmm[0]));
}

int x86_fxrstor(struct x86_fpu *fpu, const uint8_t *image, const struct x86_image *how)
{
	if (mxcsr_in(image) & ~how->mxcsr_mask)
		return X86_GP;
	get_x87(fpu, image, how->rex_w);
	fpu->mxcsr = mxcsr_in(image);
	memcpy(fpu->xmm, image + AT_XMM, how->nr_xmm * sizeof(fpu->xmm[0]));
	return 0;
}

uint64_t x86_xinuse(const struct x86_fpu *fpu)
{
	uint64_t bv = 0;

	if (fpu->fcw != X87_FCW_INIT || fpu->fsw || fpu->ftw || fpu->fop || fpu->fip ||
	    fpu->fdp || !bytes_are_zero(fpu->st, sizeof(fpu->st)))
		bv |= XSTATE_X87;
	if (!bytes_are_zero(fpu->xmm, sizeof(fpu->xmm)))
		bv |= XSTATE_SSE;
	if (!bytes_are_zero(fpu->ymm_hi, sizeof(fpu->ymm_hi)))
		bv |= XSTATE_AVX;
	return bv;
}

/* XSAVEOPT leaves out what is in its initial state (it may; so may we). */
void x86_xsave(const struct x86_fpu *fpu, uint8_t *image, uint64_t rfbm, bool opt,
	       const struct x86_image *how)
{
	unsigned nr = how->nr_xmm;
	uint64_t used = x86_xinuse(fpu), write = opt ? rfbm & used : rfbm;
	uint64_t bv = (quad_in(image, AT_XSTATE_BV) & ~rfbm) | (used & rfbm);

	if (write & XSTATE_X87)
		put_x87(fpu, image, how->rex_w);
	if (rfbm & (XSTATE_SSE | XSTATE_AVX))
		put_mxcsr(fpu, image, how->mxcsr_mask);
	if (write & XSTATE_SSE)
		memcpy(image + AT_XMM, fpu->xmm, nr * sizeof(fpu->xmm[0]));
	if (write & XSTATE_AVX)
		memcpy(image + AT_YMM_HI, fpu->ymm_hi, nr * sizeof(fpu->ymm_hi[0]));
	memcpy(image + AT_XSTATE_BV, &bv, 8);
}

int x86_xrstor(struct x86_fpu *fpu, const uint8_t *image, uint64_t rfbm, uint64_t xcr0,
	       const struct x86_image *how)
{
	unsigned nr = how->nr_xmm;
	uint64_t bv = quad_in(image, AT_XSTATE_BV);
	bool with_mxcsr = rfbm & (XSTATE_SSE | XSTATE_AVX);

	/* The compacted format is a feature of its own, which this is not. */
	if ((bv & ~xcr0) || !bytes_are_zero(image + AT_XCOMP_BV, 16))
		return X86_GP;
	if (with_mxcsr && (mxcsr_in(image) & ~how->mxcsr_mask))
		return X86_GP;
	if (rfbm & bv & XSTATE_X87) {
		get_x87(fpu, image, how->rex_w);
	} else if (rfbm & XSTATE_X87) {
		x86_fninit(fpu);
		memset(fpu->st, 0, sizeof(fpu->st));
	}
	if (with_mxcsr)
		fpu->mxcsr = mxcsr_in(image);
	if (rfbm & bv & XSTATE_SSE)
		memcpy(fpu->xmm, image + AT_XMM, nr * sizeof(fpu->xmm[0]));
	else if (rfbm & XSTATE_SSE)
		memset(fpu->xmm, 0, nr * sizeof(fpu->xmm[0]));
	if (rfbm & bv & XSTATE_AVX)
		memcpy(fpu->ymm_hi, image + AT_YMM_HI, nr * sizeof(fpu->ymm_hi[0]));
	else if (rfbm & XSTATE_AVX)
		memset(fpu->ymm_hi, 0, nr * sizeof(fpu->ymm_hi[0]));
	return 0;
}
