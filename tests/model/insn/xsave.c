/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/insn/xsave.h"

#include <cpuid.h>
#include <string.h>

#include "base/bits.h"
#include "base/macros.h"
#include "model/insn/compare.h"

#define X87		BIT(0)
#define SSE		BIT(1)
#define AVX		BIT(2)
#define KNOWN		(X87 | SSE | AVX)

#define AT_XSTATE_BV	512
#define AT_XCOMP_BV	520
#define AT_YMM		576

static uint64_t rnd(uint64_t n)
{
	return random_u64() % n;
}

uint64_t xsave_host_xcr0(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return 0;
	__asm__("xgetbv" : "=a" (a), "=d" (d) : "c" (0));
	return (uint64_t)d << 32 | a;
}

static uint64_t only_here(void)
{
	return xsave_host_xcr0() & ~KNOWN;
}

static bool has_xgetbv_1(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(0xd, 1, &a, &b, &c, &d) && (a & BIT(2));
}

static bool is_restore(const struct insn *i)
{
	return i->in.mnemonic == ZYDIS_MNEMONIC_XRSTOR || i->in.mnemonic == ZYDIS_MNEMONIC_XRSTOR64;
}

static bool is_opt(const struct insn *i)
{
	return i->in.mnemonic == ZYDIS_MNEMONIC_XSAVEOPT ||
	       i->in.mnemonic == ZYDIS_MNEMONIC_XSAVEOPT64;
}

bool xsave_is_area(const struct insn *i)
{
	return is_restore(i) || is_opt(i) || i->in.mnemonic == ZYDIS_MNEMONIC_XSAVE ||
	       i->in.mnemonic == ZYDIS_MNEMONIC_XSAVE64;
}

/* --- states and areas ---------------------------------------------------------------------- */

static void make_initial(struct world *w, uint64_t components)
{
	if (components & X87) {
		memset(w->fx, 0, 24);
		memset(w->fx + 32, 0, 128);
		w->fx[0] = 0x7f;
		w->fx[1] = 0x03;
	}
	if (components & SSE)
		memset(w->fx + 160, 0, 256);
	if (components & AVX)
		memset(w->ymm, 0, sizeof(w->ymm));
}

/* The last instruction's place, as 64-bit XRSTOR takes it. */
static void random_pointers(uint8_t *fx)
{
	uint64_t v[2] = { random_u64() >> 17, random_u64() >> 17 };

	fx[6] = (uint8_t)random_u64();
	fx[7] = (uint8_t)rnd(8);
	memcpy(fx + 8, v, sizeof(v));
}

void xsave_registers(const struct insn *i, struct world *w)
{
	if (i->in.mnemonic == ZYDIS_MNEMONIC_XGETBV)
		w->r[X86_RCX] = rnd(8) ? rnd(has_xgetbv_1() ? 2 : 1) | random_u64() << 32 :
			       rnd(100);
	else if (!xsave_is_area(i))
		return;
	w->in_use = rnd(8);
	make_initial(w, ~w->in_use);
	if (!rnd(4))
		make_initial(w, rnd(8));
	if (i->in.mnemonic == ZYDIS_MNEMONIC_XGETBV)
		return;
	w->r[X86_RAX] = random_u64() & ~only_here();
	w->r[X86_RDX] = random_u64() & ~(only_here() >> 32);
}

void xsave_random_area(uint8_t *area)
{
	uint64_t bv = rnd(8), high = ~(xsave_host_xcr0() | KNOWN) & random_u64(), comp = 0;
	uint8_t ymm[256];

	random_fx(area, ymm);
	random_pointers(area);
	memset(area + AT_XSTATE_BV, 0, 64);
	memcpy(area + AT_YMM, ymm, sizeof(ymm));
	switch (rnd(32)) {
	case 0:
		bv |= high;
		break;
	case 1:
		bv |= BIT(63);
		break;
	case 2:		/* the compacted format, with what is nowhere enabled */
		comp = high | BIT(63) | BIT(62);
		break;
	case 3:
		comp = random_u64() >> (1 + rnd(63));
		break;
	case 4:
		area[AT_XCOMP_BV + 8 + rnd(8)] = 1;
		break;
	case 5: case 6:	/* reserved, and not looked at */
		area[AT_XCOMP_BV + 16 + rnd(40)] = (uint8_t)random_u64();
		break;
	default:
		break;
	}
	memcpy(area + AT_XSTATE_BV, &bv, 8);
	memcpy(area + AT_XCOMP_BV, &comp, 8);
}

static uint64_t mask_of(const struct world *w)
{
	return (uint64_t)(uint32_t)w->r[X86_RDX] << 32 | (uint32_t)w->r[X86_RAX];
}

bool xsave_is_comparable(const struct insn *i, const struct world *before)
{
	uint64_t at, header[2];

	if (!xsave_is_area(i))
		return true;
	if (mask_of(before) & only_here())
		return false;
	at = linear_of(i, before) - WORLD_BASE;
	if (!is_restore(i) || at > WORLD_SIZE - XSAVE_SIZE)
		return true;
	memcpy(header, native_memory() + at + AT_XSTATE_BV, 16);
	if (header[1] & BIT(63))
		return header[1] & ~BIT(63) & ~xsave_host_xcr0();
	return !(header[0] & only_here());
}

/* --- what is open -------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

static bool has_initial_mxcsr(const struct world *w)
{
	static const uint8_t mxcsr[4] = { 0x80, 0x1f };

	return !memcmp(w->fx + 24, mxcsr, 4);
}

/*
 * @used: components that the processor has in use.  Loaded, but with the values of the
 * initial state: XINUSE is 0 or 1 (SDM vol. 1 13.6).  Not loaded: a switch to another
 * thread or machine in between may have loaded them all the same, SSE also because
 * XSAVES takes another MXCSR for a use of it (13.11); that is rare, or else counts.
 */
static uint64_t either_way(const struct world *w, uint64_t used)
{
	static unsigned long seen, odd;
	struct world initial = *w;
	uint64_t v = 0, by_others = has_initial_mxcsr(w) ? 0 : SSE;

	make_initial(&initial, KNOWN);
	if (!memcmp(w->fx, initial.fx, 24) && is_zero(w->fx + 32, 128))
		v |= X87;
	if (is_zero(w->fx + 160, 256))
		v |= SSE;
	if (is_zero(w->ymm, 256))
		v |= AVX;
	seen++;
	if ((v & used & ~w->in_use & ~by_others) && ++odd <= 3 + seen / 1000)
		return v;
	return v & (w->in_use | by_others);
}

static void take_out_area(const struct insn *i, const struct world *before)
{
	uint64_t at = linear_of(i, before) - WORLD_BASE, either, bv[2];

	if (at > WORLD_SIZE - XSAVE_SIZE)
		return;
	memcpy(&bv[0], native_memory() + at + AT_XSTATE_BV, 8);
	memcpy(&bv[1], model_memory() + at + AT_XSTATE_BV, 8);
	either = mask_of(before) & either_way(before, bv[0] & mask_of(before));
	bv[1] = (bv[1] & ~either) | (bv[0] & either);
	memcpy(model_memory() + at + AT_XSTATE_BV, &bv[1], 8);
	if (!is_opt(i))
		return;
	if (either & X87) {
		forget_memory(i, before, 0, 24);
		forget_memory(i, before, 32, 128);
	}
	if (either & SSE)
		forget_memory(i, before, 160, 256);
	if (either & AVX)
		forget_memory(i, before, AT_YMM, 256);
}

void xsave_take_out(const struct insn *i, const struct world *before, struct world *real,
		    struct world *model)
{
	uint64_t other;

	if (i->in.mnemonic == ZYDIS_MNEMONIC_XGETBV) {
		if (real->rip == before->rip)
			return;
		other = KNOWN & ~(before->r[X86_RCX] & 1 ? either_way(before, real->r[X86_RAX]) : 0);
		/* MXCSR is one value with one initial state. */
		other |= has_initial_mxcsr(before) ? 0 : SSE;
		real->r[X86_RAX] &= other;
		model->r[X86_RAX] &= other;
		real->r[X86_RDX] &= ~(only_here() >> 32);
	} else if (xsave_is_area(i) && !is_restore(i) && real->rip != before->rip) {
		take_out_area(i, before);
	}
}
