/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * x87_env.c - the x87 environment in its four layouts, FNSAVE and FRSTOR, FNINIT.
 * The code and data segments are not kept: they read as zero, as on processors
 * that have deprecated them.  SDM vol. 1, 8.1.10, figures 8-9 to 8-12.
 */
#include <string.h>

#include "base/bits.h"
#include "base/macros.h"
#include "x86/simd/x87_priv.h"

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned top_of(const struct x86_fpu *fpu)
{
	return (unsigned)FIELD_GET(X87_FSW_TOP, fpu->fsw);
}

void x87_set_words(struct x86_fpu *fpu, uint16_t fcw, uint16_t fsw)
{
	fpu->fcw = (uint16_t)((fcw & 0x1f3f) | 0x40);
	fpu->fsw = (uint16_t)(fsw & ~(X87_FSW_ES | X87_FSW_B));
	if (fsw & ~fcw & X87_FSW_EXCEPTIONS)
		fpu->fsw |= X87_FSW_ES | X87_FSW_B;
}

/* TOP has changed from @top to what fsw says; the numbers stay where they are. */
static void turn_stack(struct x86_fpu *fpu, unsigned top)
{
	uint8_t old[8][16];
	unsigned i;

	memcpy(old, fpu->st, sizeof(old));
	for (i = 0; i < 8; i++)
		memcpy(fpu->st[i], old[(i + top_of(fpu) - top) & 7], 16);
}

void x86_fninit(struct x86_fpu *fpu)
{
	unsigned top = top_of(fpu);

	fpu->fcw = X87_FCW_INIT;
	fpu->fsw = 0;
	fpu->ftw = 0;
	fpu->fop = 0;
	fpu->fip = 0;
	fpu->fdp = 0;
	turn_stack(fpu, top);
}

static unsigned tag_of(const uint8_t *st)
{
	uint64_t mantissa;
	uint16_t exponent;

	memcpy(&mantissa, st, 8);
	memcpy(&exponent, st + 8, 2);
	exponent &= 0x7fff;
	if (!exponent && !mantissa)
		return TAG_ZERO;
	return exponent && exponent != 0x7fff && mantissa >> 63 ? TAG_VALID : TAG_SPECIAL;
}

/* Two bits a register, in physical order */
static uint16_t full_tags(const struct x86_fpu *fpu)
{
	unsigned i, tags = 0;

	for (i = 0; i < 8; i++)
		tags |= (fpu->ftw >> i & 1 ? tag_of(fpu->st[(i - top_of(fpu)) & 7]) :
					     (unsigned)TAG_EMPTY) << 2 * i;
	return (uint16_t)tags;
}

static uint8_t abridged_tags(uint16_t tags)
{
	unsigned i, ftw = 0;

	for (i = 0; i < 8; i++)
		ftw |= (unsigned)((tags >> 2 * i & 3) != TAG_EMPTY) << i;
	return (uint8_t)ftw;
}

/* Seven fields of 16 or 32 bits; the unused upper halves read as ones. */
static size_t put_env(uint8_t *mem, const struct x86_x87 *x)
{
	const struct x86_fpu *f = x->fpu;
	uint32_t ip = (uint32_t)f->fip, dp = (uint32_t)f->fdp, op = f->fop & 0x7ff;
	uint32_t e[7] = { 0xffff0000u | f->fcw, 0xffff0000u | f->fsw, 0xffff0000u | full_tags(f),
			  ip, 0, dp, 0xffff0000u };
	uint16_t narrow[7];
	unsigned i;

	if (x->real) {
		e[3] = 0xffff0000u | (ip & 0xffff);
		e[4] = (ip >> 16 & (x->width == 2 ? 0xf : 0xffff)) << 12 | op;
		e[5] = 0xffff0000u | (dp & 0xffff);
		e[6] = (dp >> 16 & (x->width == 2 ? 0xf : 0xffff)) << 12;
	} else if (x->width != 2) {
		e[4] = op << 16;
	}
	if (x->width != 2) {
		memcpy(mem, e, sizeof(e));
		return sizeof(e);
	}
	for (i = 0; i < 7; i++)
		narrow[i] = (uint16_t)e[i];
	memcpy(mem, narrow, sizeof(narrow));
	return sizeof(narrow);
}

static size_t get_env(const uint8_t *mem, struct x86_x87 *x)
{
	struct x86_fpu *f = x->fpu;
	unsigned top = top_of(f), i;
	uint32_t e[7] = { 0 };
	uint16_t narrow[7];

	if (x->width == 2) {
		memcpy(narrow, mem, sizeof(narrow));
		for (i = 0; i < 7; i++)
			e[i] = narrow[i];
	} else {
		memcpy(e, mem, sizeof(e));
	}
	x87_set_words(f, (uint16_t)e[0], (uint16_t)e[1]);
	f->ftw = abridged_tags((uint16_t)e[2]);
	turn_stack(f, top);
	f->fip = e[3];
	f->fdp = e[5];
	f->fop = (uint16_t)(x->width == 2 ? 0 : e[4] >> 16 & 0x7ff);
	if (x->real) {
		f->fip = (e[3] & 0xffff) | (uint64_t)(e[4] >> 12 & 0xffff) << 16;
		f->fdp = (e[5] & 0xffff) | (uint64_t)(e[6] >> 12 & 0xffff) << 16;
		f->fop = (uint16_t)(e[4] & 0x7ff);
	}
	return x->width == 2 ? sizeof(narrow) : sizeof(e);
}

int x87_fnstenv(uint8_t *mem, struct x86_x87 *x)
{
	put_env(mem, x);
	x87_set_words(x->fpu, x->fpu->fcw | X87_FSW_EXCEPTIONS, x->fpu->fsw);	/* all masked */
	return 0;
}

int x87_fldenv(uint8_t *mem, struct x86_x87 *x)
{
	get_env(mem, x);
	return 0;
}

int x87_fnsave(uint8_t *mem, struct x86_x87 *x)
{
	unsigned i;

	mem += put_env(mem, x);
	for (i = 0; i < 8; i++)
		memcpy(mem + i * 10, x->fpu->st[i], 10);
	x86_fninit(x->fpu);
	return 0;
}

int x87_frstor(uint8_t *mem, struct x86_x87 *x)
{
	unsigned i;

	mem += get_env(mem, x);
	for (i = 0; i < 8; i++) {
		memcpy(x->fpu->st[i], mem + i * 10, 10);
		memset(x->fpu->st[i] + 10, 0, 6);
	}
	return 0;
}
