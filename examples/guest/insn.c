/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "insn.h"

#define REX_W	8
#define REX_R	4
#define REX_X	2
#define REX_B	1

enum immediate { NONE, IMM8, IMM_Z, MOFFS };

struct form {
	uint16_t	opcode;
	bool		modrm, byte;	/* byte: operand of one byte */
	enum immediate	imm;
};

static const struct form forms[] = {
	{ 0x63, true }, { 0x88, true, true }, { 0x89, true }, { 0x8a, true, true }, { 0x8b, true },
	{ 0xc6, true, true, IMM8 }, { 0xc7, true, false, IMM_Z },
	{ 0xa0, false, true, MOFFS }, { 0xa1, false, false, MOFFS },
	{ 0xa2, false, true, MOFFS }, { 0xa3, false, false, MOFFS },
	{ 0xa4, false, true }, { 0xa5 },
	{ 0xe4, false, true, IMM8 }, { 0xe5, false, false, IMM8 },
	{ 0xe6, false, true, IMM8 }, { 0xe7, false, false, IMM8 },
	{ 0xec, false, true }, { 0xed }, { 0xee, false, true }, { 0xef },
	{ 0x6c, false, true }, { 0x6d }, { 0x6e, false, true }, { 0x6f },
	{ 0x0f01, true }, { 0x0f09 }, { 0x0f30 }, { 0x0f31 }, { 0x0f32 }, { 0x0f33 }, { 0x0fa2 },
	{ 0x0fb6, true }, { 0x0fb7, true }, { 0x0fbe, true }, { 0x0fbf, true },
};

/* Where the decoding stands. */
struct cursor {
	const uint8_t	*at;
	bool		 operand16, address32, other_segment;
};

static uint64_t take(struct cursor *c, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, c->at, size);
	c->at += size;
	return value;
}

static uint64_t sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

static void take_prefixes(struct cursor *c, struct guest_insn *insn)
{
	for (;; c->at++) {
		switch (*c->at) {
		case 0x66: c->operand16 = true; break;
		case 0x67: c->address32 = true; break;
		case 0x64: case 0x65: c->other_segment = true; break;
		case 0x26: case 0x2e: case 0x36: case 0x3e: break;	/* nothing in 64-bit mode */
		case 0xf2: case 0xf3: insn->rep = true; break;
		default:
			if ((*c->at & 0xf0) == 0x40)
				insn->rex = *c->at++;
			return;
		}
	}
}

uint64_t *guest_insn_register(struct guest_frame *f, unsigned n)
{
	uint64_t *const registers[16] = {
		&f->rax, &f->rcx, &f->rdx, &f->rbx, &f->rsp, &f->rbp, &f->rsi, &f->rdi,
		&f->r8, &f->r9, &f->r10, &f->r11, &f->r12, &f->r13, &f->r14, &f->r15,
	};

	return registers[n & 15];
}

static uint64_t value_of(const struct guest_frame *frame, unsigned n)
{
	return *guest_insn_register((struct guest_frame *)frame, n);
}

/* A SIB byte's base and index; base 101 without displacement is none. */
static uint64_t take_sib(struct cursor *c, const struct guest_insn *insn,
			 const struct guest_frame *f)
{
	uint8_t sib = (uint8_t)take(c, 1);
	unsigned index = (sib >> 3 & 7) | (insn->rex & REX_X ? 8 : 0);
	unsigned base = (sib & 7) | (insn->rex & REX_B ? 8 : 0);
	uint64_t address = index == 4 ? 0 : value_of(f, index) << (sib >> 6);

	if ((sib & 7) == 5 && insn->modrm >> 6 == 0)
		return address + sign_extend(take(c, 4), 4);
	return address + value_of(f, base);
}

/* RIP-relative: the caller adds the address of the next instruction. */
static uint64_t take_address(struct cursor *c, const struct guest_insn *insn,
			     const struct guest_frame *f, bool *relative)
{
	unsigned mod = insn->modrm >> 6, rm = insn->modrm & 7;
	uint64_t address;

	*relative = !mod && rm == 5;
	if (mod == 3)
		return 0;
	if (*relative)
		return sign_extend(take(c, 4), 4);
	if (rm == 4)
		address = take_sib(c, insn, f);
	else
		address = value_of(f, rm | (insn->rex & REX_B ? 8 : 0));
	if (mod == 1)
		address += sign_extend(take(c, 1), 1);
	else if (mod == 2)
		address += sign_extend(take(c, 4), 4);
	return address;
}

static const struct form *take_opcode(struct cursor *c, struct guest_insn *insn)
{
	insn->opcode = (uint16_t)take(c, 1);
	if (insn->opcode == 0x0f)
		insn->opcode = (uint16_t)(0x0f00 | take(c, 1));
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (forms[i].opcode == insn->opcode)
			return &forms[i];
	}
	return NULL;
}

bool guest_insn_decode(struct guest_insn *insn, const struct guest_frame *f)
{
	struct cursor c = { .at = (const uint8_t *)f->rip };
	const struct form *form;
	bool relative = false;

	*insn = (struct guest_insn){ 0 };
	take_prefixes(&c, insn);
	form = take_opcode(&c, insn);
	if (!form || c.other_segment)
		return false;
	insn->size = form->byte ? 1 : insn->rex & REX_W ? 8 : c.operand16 ? 2 : 4;
	if (form->modrm) {
		insn->modrm = (uint8_t)take(&c, 1);
		insn->address = take_address(&c, insn, f, &relative);
	}
	if (form->imm == IMM8)
		insn->imm = sign_extend(take(&c, 1), 1);
	else if (form->imm == IMM_Z)
		insn->imm = sign_extend(take(&c, insn->size == 2 ? 2 : 4), insn->size == 2 ? 2 : 4);
	else if (form->imm == MOFFS)
		insn->address = take(&c, c.address32 ? 4 : 8);
	insn->length = (uint8_t)((uintptr_t)c.at - f->rip);
	if (relative)
		insn->address += f->rip + insn->length;
	if (c.address32)
		insn->address &= 0xffffffff;
	return true;
}

/* Without REX the byte registers 4 to 7 are AH, CH, DH and BH. */
static bool is_high_byte(const struct guest_insn *insn, unsigned size)
{
	return size == 1 && !insn->rex && (insn->modrm >> 3 & 7) >= 4;
}

static uint64_t *named(const struct guest_insn *insn, struct guest_frame *frame, unsigned size)
{
	unsigned n = (insn->modrm >> 3 & 7) | (insn->rex & REX_R ? 8 : 0);

	return guest_insn_register(frame, is_high_byte(insn, size) ? n - 4 : n);
}

uint64_t guest_insn_get(const struct guest_insn *insn, struct guest_frame *frame, unsigned size)
{
	uint64_t value = *named(insn, frame, size);

	if (is_high_byte(insn, size))
		value >>= 8;
	return size == 8 ? value : value & ((1ull << 8 * size) - 1);
}

void guest_insn_set(const struct guest_insn *insn, struct guest_frame *frame, unsigned size,
		    uint64_t value)
{
	uint64_t *to = named(insn, frame, size);

	if (is_high_byte(insn, size))
		*to = (*to & ~0xff00ull) | (value & 0xff) << 8;
	else if (size < 4)
		memcpy(to, &value, size);
	else
		*to = size == 4 ? (uint32_t)value : value;
}
