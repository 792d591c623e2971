/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_forms.c - the opcode maps of KVM's emulator, a letter for each opcode.
 *
 *	.  not taken			Y  taken
 *	L  taken, LOCK allowed with a memory destination
 *	X  taken, but #UD in 64-bit mode
 *	U  #UD				E  taken, after #UD too
 *	M  taken with memory		F  taken with memory, #UD with a register
 *	D  decoded but not carried out: fails, #UD with LOCK
 *	V  taken with memory outside 64-bit mode (else VEX)
 *	6  taken in 64-bit mode
 *	a to o: by the reg field, in groups[]
 *
 * LOCK on what does not allow it is #UD, if the opcode decodes at all.
 */
#include "kvm/vcpu/emu_forms.h"

#include "base/macros.h"
#include "x86/decode.h"

static const char one_byte[] =
	"LLYYYYXXLLYYYYX."	/* 00 */
	"LLYYYYXXLLYYYYXX"	/* 10 */
	"LLYYYY..LLYYYY.X"	/* 20 */
	"LLYYYY..YYYYYY.."	/* 30 */
	"YYYYYYYYYYYYYYYY"	/* 40 */
	"YYYYYYYYYYYYYYYY"	/* 50 */
	"XX.6....YYYYYYYY"	/* 60 */
	"YYYYYYYYYYYYYYYY"	/* 70 */
	"aabaYYLLYYYYYMYc"	/* 80 */
	"YYYYYYYYYYX.YYYY"	/* 90 */
	"YYYYYYYYYYYYYYYY"	/* a0 */
	"YYYYYYYYYYYYYYYY"	/* b0 */
	"YYYYVVddYYYYYYXY"	/* c0 */
	"YYYYXXXY.e.f.e.."	/* d0 */
	"YYYYYYYYYYXYYYYY"	/* e0 */
	".D..YYhhYYYYYYij";	/* f0 */

static const char two_byte[] =
	"kl...EY.YY...Y.."	/* 00 */
	"YY......YD..DDDY"	/* 10 */
	"YYYY....YY.M...."	/* 20 */
	"YYYYEE.........."	/* 30 */
	"YYYYYYYYYYYYYYYY"	/* 40 */
	"................"	/* 50 */
	"...............Y"	/* 60 */
	"...............Y"	/* 70 */
	"YYYYYYYYYYYYYYYY"	/* 80 */
	"YYYYYYYYYYYYYYYY"	/* 90 */
	"YYYYYY..YYELYYmY"	/* a0 */
	"LLFLFFYY..nLYYYY"	/* b0 */
	"LL.M...oYYYYYYYY"	/* c0 */
	"................"	/* d0 */
	".......Y........"	/* e0 */
	"................";	/* f0 */

static const struct {
	char memory[9], reg[9];
} groups[] = {
	['a' - 'a'] = { "LLLLLLLY", "YYYYYYYY" },	/* 80, 81, 83 */
	['b' - 'a'] = { "LLLLLLLY", "YYYYYYYY" },	/* 82: as they, X in 64-bit mode */
	['c' - 'a'] = { "Y.......", "Y......." },	/* 8f */
	['d' - 'a'] = { "YUUUUUUU", "YUUUUUUU" },	/* c6, c7 */
	['e' - 'a'] = { ".......Y", "........" },	/* d9, dd: FNSTCW, FNSTSW */
	['f' - 'a'] = { "........", "....3..." },	/* db: FNINIT */
	['h' - 'a'] = { "YYLLYYYY", "YYYYYYYY" },	/* f6, f7 */
	['i' - 'a'] = { "LL......", "YY......" },	/* fe */
	['j' - 'a'] = { "LLYYYYYU", "YYYUYUYU" },	/* ff */
	['k' - 'a'] = { "YYYY....", "YYYY...." },	/* 0f 00 */
	['l' - 'a'] = { "YYYYY.YY", "0123Y.Y7" },	/* 0f 01, by r/m with a register */
	['m' - 'a'] = { "YY.....Y", "........" },	/* 0f ae */
	['n' - 'a'] = { "....YLLL", "....YYYY" },	/* 0f ba */
	['o' - 'a'] = { ".L......", ".......E" },	/* 0f c7 */
};

/* A group's digit: by the r/m field. */
static const char by_rm[][9] = {
	['0'] = ".E......", ['1'] = "DD......", ['2'] = ".Y......", ['3'] = "DEDDDDDD",
	['7'] = ".D......",
};

#define P_NONE	BIT(0)
#define P_66	BIT(1)
#define P_F2	BIT(2)
#define P_F3	BIT(3)

/* Opcodes that a prefix selects: which are taken.  /reg 8: all. */
static const struct {
	uint8_t	map, first, last, reg, allowed;
} by_prefix[] = {
	{ 2, 0x10, 0x11, 8, P_NONE | P_66 },
	{ 2, 0x28, 0x29, 8, P_NONE | P_66 },
	{ 2, 0x2b, 0x2b, 8, P_NONE | P_66 },
	{ 2, 0x6f, 0x6f, 8, P_NONE | P_66 | P_F3 },
	{ 2, 0x7f, 0x7f, 8, P_NONE | P_66 | P_F3 },
	{ 2, 0xae, 0xae, 7, P_NONE | P_66 },
	{ 2, 0xc7, 0xc7, 7, P_F3 },
	{ 2, 0xe7, 0xe7, 8, P_66 },
	{ 3, 0xf0, 0xf1, 8, P_NONE | P_66 },
};

struct prefixes {
	bool	lock, osize, rex_w;
	uint8_t	rep;		/* the last of F2 and F3 */
};

static bool is_segment_prefix(uint8_t b)
{
	return (b & 0xe7) == 0x26 || b == 0x64 || b == 0x65;
}

/* How many; a legacy prefix after REX makes REX void. */
static unsigned take_prefixes(enum x86_mode mode, const uint8_t *b, unsigned nr, struct prefixes *p)
{
	unsigned n;

	*p = (struct prefixes){ 0 };
	for (n = 0; n < nr; n++) {
		if (mode == X86_MODE_64 && (b[n] & 0xf0) == 0x40) {
			p->rex_w = b[n] & 8;
			continue;
		}
		if (b[n] == 0x66)
			p->osize = true;
		else if (b[n] == 0xf0)
			p->lock = true;
		else if (b[n] == 0xf2 || b[n] == 0xf3)
			p->rep = b[n];
		else if (b[n] != 0x67 && !is_segment_prefix(b[n]))
			break;
		p->rex_w = false;
	}
	return n;
}

static bool is_register(const struct emu_form *f)
{
	return f->modrm >= 0xc0;
}

static char letter_of(enum x86_mode mode, const struct emu_form *f)
{
	unsigned reg = f->modrm >> 3 & 7;
	char c = f->map == 1 ? one_byte[f->opcode] : f->map == 2 ? two_byte[f->opcode] :
		 (f->opcode & 0xfe) == 0xf0 && !is_register(f) ? 'E' : '.';

	if (c == 'b' && mode == X86_MODE_64)
		return 'U';
	if (c < 'a')
		return c;
	c = is_register(f) ? groups[c - 'a'].reg[reg] : groups[c - 'a'].memory[reg];
	if (f->map == 1 && c == '3')
		return (f->modrm & 7) == 3 ? 'Y' : '.';
	return c >= '0' && c <= '7' ? by_rm[(unsigned char)c][f->modrm & 7] : c;
}

static bool prefix_selects(const struct emu_form *f, const struct prefixes *p)
{
	uint8_t got = p->osize ? P_66 : !p->rep ? P_NONE : p->rep == 0xf2 ? P_F2 : P_F3;

	for (unsigned i = 0; i < ARRAY_SIZE(by_prefix); i++) {
		if (by_prefix[i].map != f->map || f->opcode < by_prefix[i].first ||
		    f->opcode > by_prefix[i].last ||
		    (by_prefix[i].reg != 8 && by_prefix[i].reg != (f->modrm >> 3 & 7)))
			continue;
		return (by_prefix[i].allowed & got) && !(p->osize && p->rep);
	}
	return true;
}

static enum emu_verdict judge(enum x86_mode mode, struct emu_form *f, const struct prefixes *p)
{
	char c = prefix_selects(f, p) ? letter_of(mode, f) : '.';
	bool wide = mode == X86_MODE_64;

	if (c == '.' || (c == '6' && !wide) || (c == 'M' && is_register(f)) ||
	    (c == 'V' && (wide || is_register(f))))
		return EMU_FAILS;
	f->on_ud = c == 'E';
	if (p->lock && (c != 'L' || is_register(f)))
		return EMU_RAISES_UD;
	if (c == 'U' || (c == 'X' && wide) || (c == 'F' && is_register(f)))
		return EMU_RAISES_UD;
	/* CMPXCHG16B */
	if (f->map == 2 && f->opcode == 0xc7 && !is_register(f) && p->rex_w)
		return EMU_FAILS;
	return c == 'D' ? EMU_FAILS : EMU_TAKES;
}

enum emu_verdict emu_form_of(enum x86_mode mode, const uint8_t *bytes, unsigned nr,
			     struct emu_form *f)
{
	struct prefixes p;
	unsigned n = take_prefixes(mode, bytes, nr, &p);

	*f = (struct emu_form){ .map = 1 };
	if (n >= nr)
		return EMU_FAILS;
	if (bytes[n] == 0x0f && ++n < nr) {
		f->map = 2;
		if (bytes[n] == 0x38 && ++n < nr)
			f->map = 3;
	}
	if (n >= nr)
		return EMU_FAILS;
	f->opcode = bytes[n++];
	f->modrm = n < nr ? bytes[n] : 0;
	return judge(mode, f, &p);
}

bool emu_form_needs_memory(const struct emu_form *f)
{
	unsigned reg = f->modrm >> 3 & 7;

	return f->map == 2 && !is_register(f) &&
	       ((f->opcode == 0x01 && reg <= 3) || (f->opcode == 0xae && reg <= 1));
}

bool emu_form_has_two_operands(const struct emu_form *f)
{
	unsigned reg = f->modrm >> 3 & 7;

	return f->map == 1 && ((f->opcode >= 0xa4 && f->opcode <= 0xa7) || f->opcode == 0x8f ||
			       (f->opcode == 0xff && (reg == 2 || reg == 3 || reg == 6)));
}
