/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/insn/generate.h"

#include <string.h>

#include "base/macros.h"
#include "model/insn/xsave.h"

static uint64_t rnd(uint64_t n)
{
	return random_u64() % n;
}

/* --- instructions ---------------------------------------------------------------------- */

static unsigned put_prefixes(const struct form_pattern *p, uint8_t *b, bool sized)
{
	static const uint8_t segments[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
	unsigned n = 0;

	if (p->prefixes & FORM_LOCK)
		b[n++] = 0xf0;
	if (!rnd(8))
		b[n++] = segments[rnd(ARRAY_SIZE(segments))];
	if (p->prefixes & FORM_67 || (sized && !rnd(12)))
		b[n++] = 0x67;
	if (p->map >= FORM_VEX_0F)
		return n;
	if (p->prefixes & FORM_66)
		b[n++] = 0x66;
	if (p->prefixes & FORM_F2)
		b[n++] = 0xf2;
	if (p->prefixes & FORM_F3)
		b[n++] = 0xf3;
	return n;
}

static unsigned put_vex(const struct form_pattern *p, enum x86_mode mode, uint8_t *b)
{
	unsigned pp = form_vex_pp(p);
	uint8_t inverse = mode == X86_MODE_64 ? (uint8_t)(rnd(8) << 5) : 0xe0;

	b[0] = 0xc4;
	b[1] = (uint8_t)(inverse | (p->map - FORM_VEX_0F + 1));
	/* vvvv: any register; the few that have none there want ones */
	b[2] = (uint8_t)((p->prefixes & FORM_REXW ? 0x80 : 0) | (p->prefixes & FORM_VEXL ? 4 : 0) |
			 (rnd(2) || p->map != FORM_VEX_0F38 ? 0x78 : rnd(16) << 3) | pp);
	b[3] = p->opcode;
	return 4;
}

static unsigned put_opcode(const struct form_pattern *p, enum x86_mode mode, uint8_t *b)
{
	unsigned n = 0;

	if (p->map >= FORM_VEX_0F)
		return put_vex(p, mode, b);
	if (mode == X86_MODE_64 && (p->prefixes & FORM_REXW || rnd(2)))
		b[n++] = (uint8_t)(0x40 | (p->prefixes & FORM_REXW ? 8 : 0) | rnd(8));
	return n + form_put_opcode(p, b + n);
}

/* One of those under which the form was found. */
static uint8_t pick_modrm(const struct form_pattern *p)
{
	unsigned tries, reg, rm;

	for (tries = 0; tries < 200; tries++) {
		reg = (unsigned)rnd(8);
		rm = (unsigned)rnd(8);
		if (p->mem_reg >> reg & 1)
			return (uint8_t)(rnd(3) << 6 | reg << 3 | rm);
		if (p->reg_modrm[reg] >> rm & 1)
			return (uint8_t)(0xc0 | reg << 3 | rm);
	}
	return 0xc0;
}

static void random_tail(uint8_t *b, unsigned n)
{
	static const uint8_t edges[] = { 0, 1, 2, 7, 8, 0xf, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80,
					 0xff };
	uint64_t v = random_u64();
	unsigned i;

	for (i = 0; i < n; i++)
		b[i] = (uint8_t)random_u64();
	if (v & 1)
		b[0] = edges[(v >> 8) % ARRAY_SIZE(edges)];
	if (v & 2)
		memset(b + 1, v & 4 ? 0xff : 0, 3);
}

bool generate_insn(const struct form *f, struct insn *i)
{
	const struct form_pattern *p = &f->pattern[rnd(f->nr_patterns)];
	bool sized = !(f->key >> 50 & 3);
	unsigned n;

	i->mode = f->mode;
	n = put_prefixes(p, i->bytes, sized);
	n += put_opcode(p, f->mode, i->bytes + n);
	if (p->has_modrm)
		i->bytes[n++] = pick_modrm(p);
	random_tail(i->bytes + n, 15 - n);
	if (!form_decode(f->mode, i->bytes, 15, &i->in, i->o) || form_key(&i->in, i->o) != f->key)
		return false;
	i->len = i->in.length;
	return true;
}

/* --- where memory operands go ------------------------------------------------------------ */

struct aim {
	struct insn	*i;
	struct world	*w;
	uint64_t	 target;	/* linear */
	unsigned	 size;
};

static uint64_t pick_target(const struct insn *i, unsigned size)
{
	size = size ? size : 1;
	switch (rnd(20)) {
	case 0: case 1: case 2: case 3: case 4:
		return WORLD_RW + rnd(WORLD_RW_END - WORLD_RW - 64) / 64 * 64;
	case 5: case 6: case 7: case 8:
		return WORLD_RW + rnd(WORLD_RW_END - WORLD_RW - 64);
	case 9: case 10:
		return WORLD_RW + 0x1000 - rnd(size + 1);
	case 11: case 12:
		return WORLD_RW_END - rnd(size + 1);
	case 13:
		return WORLD_RW_END + rnd(0x1000);
	case 14:
		return WORLD_RO + rnd(0x1000 - 64) / (1 + 15 * rnd(2)) * 1;
	case 15:
		return WORLD_RW2 - rnd(size + 1);
	case 16:
		return WORLD_RW - rnd(size + 1);
	case 17:
		return WORLD_RW2 + rnd(0x1000 - 64) / 16 * 16;
	case 18:
		if (i->mode == X86_MODE_64)
			return rnd(3) ? 1ull << 47 | random_u64() >> 16 | WORLD_RW :
			       (1ull << 47) - rnd(size + 1);
		return WORLD_RW + rnd(64);
	default:
		return WORLD_BASE + rnd(WORLD_SIZE);
	}
}

static uint64_t segment_base(const struct world *w, unsigned seg, enum x86_mode mode)
{
	uint16_t sel = w->sel[seg];

	if (mode == X86_MODE_64)
		return seg == X86_FS ? w->fs_base : seg == X86_GS ? w->gs_base : 0;
	if ((sel & 4) && sel >> 3 < SEG_NR)
		return world_ldt[sel >> 3].base;
	return 0;
}

static unsigned gpr_of(ZydisRegister r)
{
	return (unsigned)ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(
		ZYDIS_MACHINE_MODE_LONG_64, r));
}

static uint64_t to_width(uint64_t v, unsigned bits)
{
	return bits == 64 ? v : v & ((1ull << bits) - 1);
}

/* The displacement itself where there is no register to set. */
static void patch_displacement(struct aim *a, uint64_t v)
{
	struct insn *i = a->i;

	if (i->in.raw.disp.size) {
		memcpy(i->bytes + i->in.raw.disp.offset, &v, i->in.raw.disp.size / 8);
		form_decode(i->mode, i->bytes, 15, &i->in, i->o);
	}
}

static void aim_operand(struct aim *a, unsigned nr)
{
	const ZydisDecodedOperandMem *m = &a->i->o[nr].mem;
	unsigned bits = a->i->in.address_width, base, index;
	unsigned seg = m->segment == ZYDIS_REGISTER_NONE ? X86_DS : m->segment - ZYDIS_REGISTER_ES;
	uint64_t ea = a->target - segment_base(a->w, seg, a->i->mode);
	uint64_t rest = m->disp.has_displacement ? (uint64_t)m->disp.value : 0;

	if (m->base == ZYDIS_REGISTER_RIP || m->base == ZYDIS_REGISTER_EIP) {
		patch_displacement(a, ea - a->w->rip - a->i->len);
		return;
	}
	if (m->base == ZYDIS_REGISTER_NONE && m->index == ZYDIS_REGISTER_NONE) {
		patch_displacement(a, ea);
		return;
	}
	if (m->index != ZYDIS_REGISTER_NONE) {
		index = gpr_of(m->index);
		if (m->base == ZYDIS_REGISTER_NONE) {
			a->w->r[index] = (ea - rest) / m->scale;
			return;
		}
		rest += to_width(a->w->r[index], bits) * m->scale;
		if (gpr_of(m->base) == index) {
			a->w->r[index] = (ea - (rest - to_width(a->w->r[index], bits) * m->scale)) /
					 (m->scale + 1u);
			return;
		}
	}
	base = gpr_of(m->base);
	/* What lies above the address size must not matter. */
	a->w->r[base] = to_width(ea - rest, bits) |
			(bits == 64 ? 0 : random_u64() & ~((1ull << bits) - 1));
}

/* Strings, XLAT, MASKMOVDQU and the stack use registers that are not spelled out. */
static void aim_register(struct aim *a, unsigned reg, unsigned seg)
{
	a->w->r[reg] = to_width(a->target - segment_base(a->w, seg, a->i->mode),
				a->i->mode == X86_MODE_64 ? 64 : 32);
}

/* --- the state ----------------------------------------------------------------------------- */

static uint64_t random_value(void)
{
	static const uint64_t edges[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ~0ull };
	uint64_t v = random_u64();

	switch (v & 7) {
	case 0: case 1:
		return edges[(v >> 8) % ARRAY_SIZE(edges)];
	case 2:
		return v >> 8 & 0xff;
	case 3:
		return random_u64() >> (v >> 8 & 63);
	default:
		return random_u64();
	}
}

static uint16_t pick(const uint8_t *from, unsigned n)
{
	uint8_t s = from[rnd(n)];

	return s == 0xff ? WORLD_DS : s == 0xfe ? 0 : (uint16_t)WORLD_LDT(s);
}

static void random_segments(const struct insn *i, struct world *w)
{
	static const uint8_t data[] = { 0xff, 0xff, 0xff, SEG_DATA16, SEG_DATA32, SEG_DATA32,
		SEG_DATA16, 0xff, SEG_DATA32, SEG_SHORT, SEG_DOWN, SEG_READ, 0xfe };
	static const uint8_t low[] = { SEG_DATA16, SEG_DATA16, SEG_DATA16, SEG_DATA32, SEG_DATA32,
		SEG_DATA32, SEG_SHORT, SEG_DOWN, 0xff };
	static const uint8_t stack[] = { 0xff, 0xff, 0xff, SEG_DATA32, SEG_DATA32, SEG_DATA16,
		SEG_SHORT, SEG_DOWN };
	bool a16 = i->in.address_width == 16;
	unsigned s;

	memset(w->sel, 0, sizeof(w->sel));
	w->fs_base = w->gs_base = 0;
	if (i->mode == X86_MODE_64) {
		w->sel[X86_CS] = WORLD_CS64;
		w->sel[X86_SS] = WORLD_DS;
		w->fs_base = WORLD_RW + rnd(0x1000);
		w->gs_base = rnd(2) ? WORLD_RW + rnd(0x1000) : random_u64() >> 17;
		return;
	}
	for (s = X86_ES; s <= X86_GS; s++)
		w->sel[s] = a16 && rnd(8) ? pick(low, sizeof(low)) : pick(data, sizeof(data));
	w->sel[X86_SS] = a16 || i->mode == X86_MODE_16 ? pick(low, sizeof(low))
						       : pick(stack, sizeof(stack));
	w->sel[X86_CS] = i->mode == X86_MODE_16 ? WORLD_LDT(SEG_CODE16) :
			 rnd(3) ? WORLD_CS32 : WORLD_LDT(SEG_CODE32);
}

/* Mostly anywhere in the code pages; sometimes over their ends. */
static uint32_t pick_code(const struct insn *i)
{
	switch (rnd(16)) {
	case 0:
		return WORLD_CODE2 + 0x1000 - (uint32_t)rnd(i->len + 1);
	case 1:		/* cut off */
		return WORLD_CODE + 0x1000 - (uint32_t)rnd(i->len + 1);
	default:
		return WORLD_CODE + (uint32_t)rnd(0xf00);
	}
}

/* The same bytes on both sides. */
static void poke(uint64_t linear, const uint8_t *p, unsigned n)
{
	uint64_t at = linear - WORLD_BASE;

	if (at >= WORLD_SIZE)
		return;
	n = MIN(n, (unsigned)(WORLD_SIZE - at));
	memcpy(native_memory() + at, p, n);
	memcpy(model_memory() + at, p, n);
}

static bool loads_mxcsr(const struct insn *i)
{
	return i->in.mnemonic == ZYDIS_MNEMONIC_LDMXCSR || i->in.mnemonic == ZYDIS_MNEMONIC_FXRSTOR ||
	       i->in.mnemonic == ZYDIS_MNEMONIC_FXRSTOR64 ||
	       i->in.mnemonic == ZYDIS_MNEMONIC_XRSTOR || i->in.mnemonic == ZYDIS_MNEMONIC_XRSTOR64;
}

static void poke_data(const struct aim *a)
{
	unsigned n = MIN(a->size ? a->size : 16, (unsigned)XSAVE_SIZE);
	uint8_t data[XSAVE_SIZE];

	if (a->target - WORLD_BASE >= WORLD_SIZE)
		return;
	if (n == XSAVE_SIZE)
		xsave_random_area(data);
	else
		random_data(data, n);
	if (loads_mxcsr(a->i)) {	/* MM, or any other bit beyond the 16 that all have */
		uint16_t high = (uint16_t)(rnd(2) ? 0 : rnd(2) ? 2 : 1 << rnd(16));

		memcpy(data + (n > 4 ? 26 : 2), &high, 2);
	}
	poke(a->target, data, n);
}

static bool is_bit_string(const struct insn *i)
{
	return i->in.mnemonic >= ZYDIS_MNEMONIC_BT && i->in.mnemonic <= ZYDIS_MNEMONIC_BTS &&
	       i->o[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       i->o[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static void aim_new(struct aim *a, unsigned size)
{
	a->size = size;
	a->target = pick_target(a->i, size);
	if (size == XSAVE_SIZE && rnd(16))
		a->target &= ~63ull;
	if (rnd(4) || loads_mxcsr(a->i) || random_without_cs64)
		poke_data(a);
}

static unsigned source_segment(const struct insn *i)
{
	unsigned n;

	for (n = 0; n < i->in.operand_count; n++) {
		const ZydisDecodedOperand *o = &i->o[n];

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.segment != ZYDIS_REGISTER_NONE &&
		    gpr_of(o->mem.base) != X86_RDI)
			return (unsigned)(o->mem.segment - ZYDIS_REGISTER_ES);
	}
	return X86_DS;
}

static void aim_hidden(struct aim *a)
{
	bool string = a->i->in.meta.category == ZYDIS_CATEGORY_STRINGOP ||
		      a->i->in.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;

	if (string) {
		a->w->r[X86_RCX] = rnd(8) ? rnd(20) : random_u64() & 0xffff0000ffff0000;
		aim_new(a, 32);
		aim_register(a, X86_RSI, source_segment(a->i));
		aim_new(a, 32);
		aim_register(a, X86_RDI, X86_ES);
	} else if (a->i->in.mnemonic == ZYDIS_MNEMONIC_XLAT) {
		aim_new(a, 200);
		aim_register(a, X86_RBX, source_segment(a->i));
	} else if (a->i->in.mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU ||
		   a->i->in.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ) {
		aim_new(a, 16);
		aim_register(a, X86_RDI, source_segment(a->i));
	}
}

/* The stack first: an operand may then use RSP for something else. */
static void aim_all(struct aim *a)
{
	unsigned n;

	aim_new(a, 48);
	aim_register(a, X86_RSP, X86_SS);
	if (a->i->in.mnemonic == ZYDIS_MNEMONIC_LEAVE || a->i->in.mnemonic == ZYDIS_MNEMONIC_ENTER) {
		aim_new(a, 48);
		aim_register(a, X86_RBP, X86_SS);
	}
	aim_hidden(a);
	if (is_bit_string(a->i))
		a->w->r[gpr_of(a->i->o[1].reg.value)] = rnd(0x8000) - 0x4000;
	for (n = 0; n < a->i->in.operand_count_visible; n++)
		if (a->i->o[n].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    a->i->o[n].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
			aim_new(a, xsave_is_area(a->i) ? XSAVE_SIZE : a->i->o[n].size / 8u);
			aim_operand(a, n);
		}
}

static bool uses_vectors(const struct insn *i)
{
	switch (i->in.meta.isa_ext) {
	case ZYDIS_ISA_EXT_MMX: case ZYDIS_ISA_EXT_SSE: case ZYDIS_ISA_EXT_SSE2:
	case ZYDIS_ISA_EXT_SSE3: case ZYDIS_ISA_EXT_SSSE3: case ZYDIS_ISA_EXT_SSE4:
	case ZYDIS_ISA_EXT_AES: case ZYDIS_ISA_EXT_SHA: case ZYDIS_ISA_EXT_PCLMULQDQ:
	case ZYDIS_ISA_EXT_X87: case ZYDIS_ISA_EXT_XSAVE: case ZYDIS_ISA_EXT_XSAVEOPT: case ZYDIS_ISA_EXT_AVX:
		return true;
	default:
		return i->in.meta.category == ZYDIS_CATEGORY_X87_ALU;
	}
}

/* A far pointer in the instruction: a selector that often means something. */
static void patch_pointer(struct insn *i)
{
	uint32_t offset = 0x8000 + (uint32_t)rnd(0x1000);
	unsigned size = i->in.operand_width == 16 ? 2 : 4, at;
	uint16_t sel = random_selector();

	if (i->o[0].type != ZYDIS_OPERAND_TYPE_POINTER)
		return;
	at = i->len - size - 2;
	memcpy(i->bytes + at, &offset, size);
	memcpy(i->bytes + at + size, &sel, 2);
	form_decode(i->mode, i->bytes, 15, &i->in, i->o);
}

static bool is_branch(const struct insn *i)
{
	switch (i->in.meta.category) {
	case ZYDIS_CATEGORY_CALL: case ZYDIS_CATEGORY_RET: case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_COND_BR:
		return true;
	default:
		return i->in.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE;
	}
}

/* Registers that are read as selectors or branch targets. */
static void special_registers(struct insn *i, struct world *w)
{
	unsigned n;

	for (n = 0; n < i->in.operand_count_visible; n++) {
		if (i->o[n].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    ZydisRegisterGetClass(i->o[n].reg.value) > ZYDIS_REGCLASS_GPR64 ||
		    ZydisRegisterGetClass(i->o[n].reg.value) < ZYDIS_REGCLASS_GPR8)
			continue;
		if (is_branch(i) && rnd(4))
			w->r[gpr_of(i->o[n].reg.value)] = 0x8000 + rnd(0x1000) +
				(w->sel[X86_CS] & 4 ? 0 : WORLD_BASE);
		else if (i->in.meta.category == ZYDIS_CATEGORY_SYSTEM ||
			 i->in.meta.category == ZYDIS_CATEGORY_DATAXFER)
			if (rnd(3))
				w->r[gpr_of(i->o[n].reg.value)] = random_selector() |
								  (random_u64() & ~0xffffull);
	}
}

void generate_world(struct insn *i, struct world *w)
{
	static const uint8_t int3 = 0xcc;
	uint32_t code = pick_code(i), n = i->len, k;
	struct aim a = { .i = i, .w = w };

	/*
	 * CALL from 16- and 32-bit code into 64-bit code pushes with the new mode's
	 * stack on AMD's, where the upper half of RSP is anything.
	 */
	random_without_cs64 = i->mode != X86_MODE_64 && i->in.mnemonic == ZYDIS_MNEMONIC_CALL;
	for (k = 0; k < 16; k++)
		w->r[k] = random_value();
	random_segments(i, w);
	w->rip = code - (w->sel[X86_CS] & 4 ? WORLD_BASE : 0);
	w->flags = X86_FLAGS_FIXED | X86_FLAGS_IF | (random_u64() & X86_FLAGS_STATUS) |
		   (rnd(4) ? 0 : X86_FLAGS_DF) | (rnd(16) ? 0 : X86_FLAGS_AC);
	if (is_branch(i))
		w->flags |= X86_FLAGS_TF;
	if (uses_vectors(i))
		random_fx(w->fx, w->ymm);
	special_registers(i, w);
	xsave_registers(i, w);
	patch_pointer(i);
	aim_all(&a);
	for (k = 0; k < 16 && i->mode != X86_MODE_64; k++)
		w->r[k] = k < 8 ? (uint32_t)w->r[k] : 0;
	/* Without the byte behind it, the instruction runs into what is not there. */
	if (code < WORLD_CODE + 0x1000)
		n = MIN(n, WORLD_CODE + 0x1000 - code);
	poke(code, i->bytes, n);
	if (n == i->len && code + n != WORLD_CODE + 0x1000)
		poke(code + n, &int3, 1);
}
