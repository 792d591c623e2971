/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/insn/form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "x86/decode.h"

/*
 * A key, from the top:  mnemonic 12 | address size 2 | prefix 2 | width 2 | - | operands 4 x 8,
 * the first one highest.  An operand is its kind (high nibble) and size code.
 */
enum kind { NONE, GPR, MEM, IMM, REL, PTR, MM, XMM, ST0, STI, SREG, CR, DR, ONE, CL, OTHER };

static const uint16_t sizes[] = { 0, 8, 16, 32, 64, 128, 80, 48, 256, 512, 112, 224, 752, 864,
				  4096 };

static unsigned size_code(unsigned bits)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		if (sizes[i] == bits)
			return i;
	return 15;
}

static unsigned register_kind(const ZydisDecodedOperand *o)
{
	switch (ZydisRegisterGetClass(o->reg.value)) {
	case ZYDIS_REGCLASS_GPR8: case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32: case ZYDIS_REGCLASS_GPR64:
		if (o->reg.value == ZYDIS_REGISTER_CL &&
		    o->visibility == ZYDIS_OPERAND_VISIBILITY_IMPLICIT)
			return CL;
		return GPR;
	case ZYDIS_REGCLASS_MMX:
		return MM;
	case ZYDIS_REGCLASS_XMM: case ZYDIS_REGCLASS_YMM:
		return XMM;
	case ZYDIS_REGCLASS_X87:
		return o->visibility == ZYDIS_OPERAND_VISIBILITY_IMPLICIT ? ST0 : STI;
	case ZYDIS_REGCLASS_SEGMENT:
		return SREG;
	case ZYDIS_REGCLASS_CONTROL:
		return CR;
	case ZYDIS_REGCLASS_DEBUG:
		return DR;
	default:
		return OTHER;
	}
}

static unsigned operand_code(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o,
			     unsigned *nr_imm)
{
	unsigned nr;

	switch (o->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return register_kind(o) << 4 | size_code(o->size);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return MEM << 4 | size_code(o->mem.type == ZYDIS_MEMOP_TYPE_AGEN ? 0 : o->size);
	case ZYDIS_OPERAND_TYPE_POINTER:
		return PTR << 4 | size_code(o->size);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		nr = (*nr_imm)++;
		if (o->visibility == ZYDIS_OPERAND_VISIBILITY_IMPLICIT || nr > 1)
			return ONE << 4;
		return (o->imm.is_relative ? REL : IMM) << 4 | size_code(in->raw.imm[nr].size);
	default:
		return OTHER << 4;
	}
}

/* Where no visible operand shows it. */
static bool width_counts(const ZydisDecodedInstruction *in)
{
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_RET: case ZYDIS_CATEGORY_CALL: case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_COND_BR: case ZYDIS_CATEGORY_PUSH: case ZYDIS_CATEGORY_POP:
	case ZYDIS_CATEGORY_SYSRET:
		return true;
	default:
		return in->mnemonic == ZYDIS_MNEMONIC_ENTER || in->mnemonic == ZYDIS_MNEMONIC_LEAVE;
	}
}

static bool address_counts(const ZydisDecodedInstruction *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_LOOP: case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE:
		return true;
	default:
		return in->meta.category == ZYDIS_CATEGORY_STRINGOP ||
		       in->meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
	}
}

static uint64_t width_code(unsigned bits)
{
	return bits == 64 ? 3 : bits == 32 ? 2 : 1;
}

uint64_t form_key(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o)
{
	uint64_t key = (uint64_t)in->mnemonic << 52;
	unsigned i, nr_imm = 0;

	if (address_counts(in))
		key |= width_code(in->address_width) << 50;
	if (in->attributes & ZYDIS_ATTRIB_HAS_LOCK)
		key |= 1ull << 48;
	else if (in->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
		key |= 2ull << 48;
	else if (in->attributes & ZYDIS_ATTRIB_HAS_REPNE)
		key |= 3ull << 48;
	if (width_counts(in))
		key |= width_code(in->operand_width) << 46;
	for (i = 0; i < in->operand_count_visible && i < 4; i++)
		key |= (uint64_t)operand_code(in, &o[i], &nr_imm) << (24 - 8 * i);
	return key;
}

ZydisMnemonic form_mnemonic(uint64_t key)
{
	return (ZydisMnemonic)(key >> 52);
}

static size_t operand_name(unsigned code, char *buf, size_t size)
{
	static const char *const kinds[] = {
		[GPR] = "r", [MEM] = "m", [IMM] = "i", [REL] = "rel", [PTR] = "ptr", [MM] = "mm",
		[XMM] = "xmm", [ST0] = "st0", [STI] = "sti", [SREG] = "sreg", [CR] = "cr",
		[DR] = "dr", [ONE] = "1", [CL] = "cl", [OTHER] = "?",
	};
	unsigned kind = code >> 4;

	if (kind == XMM && sizes[code & 15] == 256)
		return (size_t)snprintf(buf, size, "ymm");
	if (kind != GPR && kind != MEM && kind != IMM && kind != REL && kind != PTR)
		return (size_t)snprintf(buf, size, "%s", kinds[kind]);
	if ((code & 15) == 15)
		return (size_t)snprintf(buf, size, "%s?", kinds[kind]);
	return (size_t)snprintf(buf, size, "%s%u", kinds[kind], sizes[code & 15]);
}

void form_name(uint64_t key, char *buf, size_t size)
{
	static const char *const prefixes[] = { "", "lock ", "rep ", "repne " };
	size_t n;
	int shift;

	n = (size_t)snprintf(buf, size, "%s%s", prefixes[key >> 48 & 3],
			     ZydisMnemonicGetString(form_mnemonic(key)));
	if (key >> 46 & 3)
		n += (size_t)snprintf(buf + n, size - n, ".%u", 8u << (key >> 46 & 3));
	if (key >> 50 & 3)
		n += (size_t)snprintf(buf + n, size - n, " a%u", 8u << (key >> 50 & 3));
	for (shift = 24; shift >= 0 && key >> shift & 0xff; shift -= 8) {
		n += (size_t)snprintf(buf + n, size - n, shift == 24 ? " " : ", ");
		n += operand_name(key >> shift & 0xff, buf + n, size - n);
	}
}

bool form_decode(enum x86_mode mode, const uint8_t *bytes, size_t n,
		 ZydisDecodedInstruction *in, ZydisDecodedOperand *o)
{
	static const struct { ZydisMachineMode machine; ZydisStackWidth stack; } as[] = {
		[X86_MODE_16] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		[X86_MODE_32] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		[X86_MODE_64] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	};
	static ZydisDecoder z[3];

	if (!z[mode].machine_mode && !z[mode].stack_width)
		ZydisDecoderInit(&z[mode], as[mode].machine, as[mode].stack);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&z[mode], bytes, n, in, o));
}

/* --- finding all of them --------------------------------------------------------------- */

#define SLOTS	32768u

struct search {
	enum x86_mode	mode;
	struct form_list list;
	size_t		room;
	uint32_t	slot[SLOTS];	/* key -> number + 1 */
	uint64_t	rejected[SLOTS];
};

static size_t hash(uint64_t key)
{
	return key * 0x9e3779b97f4a7c15ull >> 49;
}

static struct form *find_or_add(struct search *s, uint64_t key)
{
	size_t h;
	struct form *f;

	for (h = hash(key); s->slot[h]; h = (h + 1) % SLOTS)
		if (s->list.form[s->slot[h] - 1].key == key)
			return &s->list.form[s->slot[h] - 1];
	if (s->list.nr == s->room) {
		s->room = s->room ? 2 * s->room : 1024;
		s->list.form = realloc(s->list.form, s->room * sizeof(*f));
		if (!s->list.form)
			abort();
	}
	f = &s->list.form[s->list.nr++];
	*f = (struct form){ .key = key, .mode = s->mode };
	s->slot[h] = (uint32_t)s->list.nr;
	return f;
}

static struct form_pattern *pattern_of(struct form *f, const struct form_pattern *like)
{
	unsigned i;

	for (i = 0; i < f->nr_patterns; i++)
		if (f->pattern[i].prefixes == like->prefixes && f->pattern[i].map == like->map &&
		    f->pattern[i].opcode == like->opcode)
			return &f->pattern[i];
	if (f->nr_patterns == FORM_PATTERNS)
		return NULL;
	f->pattern[f->nr_patterns] = *like;
	return &f->pattern[f->nr_patterns++];
}

unsigned form_vex_pp(const struct form_pattern *p)
{
	return p->prefixes & FORM_66 ? 1 : p->prefixes & FORM_F3 ? 2 : p->prefixes & FORM_F2 ? 3 : 0;
}

static unsigned put_vex(const struct form_pattern *p, uint8_t *b)
{
	unsigned pp = form_vex_pp(p);

	b[0] = 0xc4;
	b[1] = (uint8_t)(0xe0 | (p->map - FORM_VEX_0F + 1));
	b[2] = (uint8_t)((p->prefixes & FORM_REXW ? 0x80 : 0) | 0x78 |
			 (p->prefixes & FORM_VEXL ? 4 : 0) | pp);
	b[3] = p->opcode;
	return 4;
}

unsigned form_put_opcode(const struct form_pattern *p, uint8_t *b)
{
	unsigned n = 0;

	if (p->map != FORM_1BYTE)
		b[n++] = 0x0f;
	if (p->map == FORM_0F38)
		b[n++] = 0x38;
	if (p->map == FORM_0F3A)
		b[n++] = 0x3a;
	b[n++] = p->opcode;
	return n;
}

/* Up to the opcode, in the plainest way. */
static unsigned put_opcode(const struct form_pattern *p, uint8_t *b)
{
	unsigned n = 0;

	if (p->prefixes & FORM_67)
		b[n++] = 0x67;
	if (p->map >= FORM_VEX_0F)
		return n + put_vex(p, b + n);
	if (p->prefixes & FORM_66)
		b[n++] = 0x66;
	if (p->prefixes & FORM_LOCK)
		b[n++] = 0xf0;
	if (p->prefixes & FORM_F2)
		b[n++] = 0xf2;
	if (p->prefixes & FORM_F3)
		b[n++] = 0xf3;
	if (p->prefixes & FORM_REXW)
		b[n++] = 0x48;
	return n + form_put_opcode(p, b + n);
}

/* With 67 only what counts in it has forms of its own. */
static bool is_wanted(const struct form_pattern *p, const ZydisDecodedInstruction *in)
{
	return !(p->prefixes & FORM_67) || address_counts(in);
}

static bool is_ours(enum x86_mode mode, const uint8_t *b)
{
	static const struct x86_handlers none;
	struct x86_op op;

	return x86_decode(mode, b, 15, 0, 1, &none, &op) == X86_DECODED;
}

/* One encoding.  True: the opcode has a ModRM byte. */
static bool look_at(struct search *s, struct form_pattern *like, const uint8_t *b, int modrm)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	struct form_pattern *p;
	struct form *f;
	uint64_t key;
	size_t h;

	if (!form_decode(s->mode, b, 15, &in, o))
		return true;		/* perhaps with another one */
	if (!is_wanted(like, &in))
		return true;
	like->has_modrm = in.attributes & ZYDIS_ATTRIB_HAS_MODRM;
	key = form_key(&in, o);
	h = hash(key);
	if (s->rejected[h] == key && !s->slot[h])
		return like->has_modrm;
	if (!is_ours(s->mode, b)) {
		s->rejected[h] = key;
		return like->has_modrm;
	}
	f = find_or_add(s, key);
	f->privileged = in.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED;
	p = pattern_of(f, like);
	if (p && like->has_modrm) {
		if (modrm >= 0xc0)
			p->reg_modrm[modrm >> 3 & 7] |= (uint8_t)(1 << (modrm & 7));
		else
			p->mem_reg |= (uint8_t)(1 << (modrm >> 3));
	}
	return like->has_modrm;
}

static void look_at_opcode(struct search *s, struct form_pattern *like)
{
	uint8_t b[32] = { 0 };
	unsigned n = put_opcode(like, b), m;

	for (m = 0; m < 0x100; m++) {
		if (m < 0xc0 && (m & 0xc7))
			continue;
		b[n] = (uint8_t)m;
		if (!look_at(s, like, b, (int)m))
			return;
	}
}

/* These are prefixes, or lead to other maps. */
static bool is_opcode(enum x86_mode mode, unsigned map, unsigned opcode)
{
	static const uint8_t not[] = { 0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0,
				       0xf2, 0xf3 };

	if (map == FORM_0F)
		return opcode != 0x38 && opcode != 0x3a;
	if (map != FORM_1BYTE)
		return true;
	return !memchr(not, (int)opcode, sizeof(not)) &&
	       !(mode == X86_MODE_64 && (opcode & 0xf0) == 0x40);
}

static int by_key(const void *a, const void *b)
{
	uint64_t x = ((const struct form *)a)->key, y = ((const struct form *)b)->key;

	return x < y ? -1 : x > y;
}

struct form_list form_list_of(enum x86_mode mode)
{
	static const uint8_t prefixes[] = {
		0, FORM_66, FORM_F2, FORM_F3, FORM_LOCK, FORM_66 | FORM_LOCK, FORM_66 | FORM_F2,
		FORM_66 | FORM_F3, FORM_67, FORM_67 | FORM_66, FORM_67 | FORM_F2, FORM_67 | FORM_F3,
		FORM_67 | FORM_66 | FORM_F2, FORM_67 | FORM_66 | FORM_F3,
	};
	struct search *s = calloc(1, sizeof(*s));
	unsigned i, w, map, opcode;
	struct form_list l;

	if (!s)
		abort();
	s->mode = mode;
	for (i = 0; i < ARRAY_SIZE(prefixes); i++)
		for (w = 0; w < 4; w++)
			for (map = 0; map < FORM_NR_MAPS; map++)
				for (opcode = 0; opcode < 256; opcode++) {
					struct form_pattern p = {
						.prefixes = (uint8_t)(prefixes[i] |
								      (w & 1 ? FORM_REXW : 0) |
								      (w & 2 ? FORM_VEXL : 0)),
						.map = (uint8_t)map, .opcode = (uint8_t)opcode,
					};

					if (map < FORM_VEX_0F && (w > 1 || (w && mode != X86_MODE_64)))
						continue;
					if (is_opcode(mode, map, opcode))
						look_at_opcode(s, &p);
				}
	qsort(s->list.form, s->list.nr, sizeof(*s->list.form), by_key);
	l = s->list;
	free(s);
	return l;
}

void form_list_free(struct form_list *l)
{
	free(l->form);
}

const struct form *form_find(const struct form_list *l, uint64_t key)
{
	const struct form k = { .key = key };

	return bsearch(&k, l->form, l->nr, sizeof(k), by_key);
}
