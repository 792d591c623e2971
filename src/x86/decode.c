/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * decode.c - Zydis finds out what the bytes mean; this puts it into ops.
 */
#include "x86/decode.h"

#include <string.h>

#include "x86/decode_priv.h"
#include "x86/simd.h"

uint8_t x86_reg_off(ZydisRegister r)
{
	unsigned n;

	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_GPR8:
		n = r - ZYDIS_REGISTER_AL;
		if (n >= 4 && n < 8)		/* AH CH DH BH */
			return (uint8_t)((n - 4) * 8 + 1);
		return (uint8_t)((n < 4 ? n : n - 4) * 8);
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return (uint8_t)(ZydisRegisterGetId(r) * 8);
	case ZYDIS_REGCLASS_IP:
		return X86_OFF_BASE;
	case ZYDIS_REGCLASS_INVALID:
		return X86_OFF_ZERO;
	default:
		return (uint8_t)ZydisRegisterGetId(r);
	}
}

uint8_t x86_seg_of(ZydisRegister r)
{
	return r == ZYDIS_REGISTER_NONE ? X86_DS : (uint8_t)(r - ZYDIS_REGISTER_ES);
}

static unsigned scale_shift(unsigned scale)
{
	return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

static void fill_mem(struct x86_decoding *d, const ZydisDecodedOperand *o, bool first)
{
	struct x86_op *op = d->op;
	int64_t disp = o->mem.disp.has_displacement ? o->mem.disp.value : 0;

	op->flags |= X86_OP_MEM | (first ? X86_OP_MEM_DST : 0);
	op->base = x86_reg_off(o->mem.base);
	/* With REX.B, Zydis 4.0 gives a base register where "no base" is encoded. */
	if (d->in->address_width != 16 && d->in->raw.modrm.mod == 0 &&
	    d->in->raw.modrm.rm == 4 && d->in->raw.sib.base == 5 &&
	    (d->in->attributes & ZYDIS_ATTRIB_HAS_SIB)) {
		op->base = X86_OFF_ZERO;
		disp = d->in->raw.disp.value;
	}
	op->index = x86_reg_off(o->mem.index);
	op->scale = (uint8_t)scale_shift(o->mem.scale);
	op->seg = x86_seg_of(o->mem.segment);
	/* 3E before an indirect branch is still DS outside 64-bit mode. */
	if (d->in->attributes & ZYDIS_ATTRIB_HAS_NOTRACK)
		op->seg = X86_DS;
	if (op->base == X86_OFF_BASE) {
		disp += op->off + op->len;
		if (disp > INT32_MAX) {
			op->index = X86_OFF_2G;
			op->scale = 0;
			disp -= 1ll << 31;
		}
	}
	op->disp = (int32_t)disp;
}

/* A far pointer goes to imm (offset) and aux (selector). */
static void fill_operand(struct x86_decoding *d, unsigned i)
{
	const ZydisDecodedOperand *o = &d->o[i];
	struct x86_op *op = d->op;

	switch (o->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		if (i == 0)
			op->dst = x86_reg_off(o->reg.value);
		else if (i == 1)
			op->src = x86_reg_off(o->reg.value);
		else if (i == 2)
			op->aux = x86_reg_off(o->reg.value);
		break;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		fill_mem(d, o, i == 0);
		break;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		op->imm = (int32_t)o->imm.value.s;
		break;
	case ZYDIS_OPERAND_TYPE_POINTER:
		op->imm = (int32_t)o->ptr.offset;
		op->aux = o->ptr.segment;
		break;
	default:
		break;
	}
}

/* VMGEXIT is VMMCALL with F2 or F3 before it, RMPQUERY is RDPRU: to Zydis prefixes without meaning. */
static uint8_t amd_prefix(const ZydisDecodedInstruction *in)
{
	for (unsigned i = 0; i < in->raw.prefix_count; i++) {
		if (in->raw.prefixes[i].value == 0xf3)
			return X86_OP_REPE;
		if (in->raw.prefixes[i].value == 0xf2)
			return X86_OP_REPNE;
	}
	return 0;
}

static uint8_t mode_flags(enum x86_mode mode, const ZydisDecodedInstruction *in)
{
	uint8_t f = mode == X86_MODE_64 ? 0 : X86_OP_LEGACY;

	if (in->address_width == 16)
		f |= X86_OP_A16;
	else if (in->address_width == 32)
		f |= X86_OP_A32;
	if (in->attributes & ZYDIS_ATTRIB_HAS_LOCK)
		f |= X86_OP_LOCK;
	if (in->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
		f |= X86_OP_REPE;
	if (in->attributes & ZYDIS_ATTRIB_HAS_REPNE)
		f |= X86_OP_REPNE;
	if (in->mnemonic == ZYDIS_MNEMONIC_VMMCALL || in->mnemonic == ZYDIS_MNEMONIC_RDPRU)
		f |= amd_prefix(in);
	return f;
}

static void set_id(struct x86_op *op, const struct x86_handlers *h, unsigned id)
{
	op->id = (uint16_t)id;
	op->fn = h->fn[id];
}

/* Knights Corner had LZCNT and others with VEX, of the same names. */
static bool is_encoded_well(const ZydisDecodedInstruction *in)
{
	return in->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
	       in->meta.isa_ext == ZYDIS_ISA_EXT_BMI1 || in->meta.isa_ext == ZYDIS_ISA_EXT_BMI2 ||
	       in->meta.isa_ext == ZYDIS_ISA_EXT_AVX;
}

static bool shape(struct x86_decoding *d)
{
	const struct x86_form *f = x86_form_of(d->in->mnemonic);
	unsigned i;

	if (!is_encoded_well(d->in))
		return false;
	d->nr_visible = d->in->operand_count_visible;
	d->first = f->first;
	d->op->width = (uint8_t)(d->in->operand_width == 64 ? 3 : d->in->operand_width == 32 ? 2 :
				 d->in->operand_width == 16 ? 1 : 0);
	for (i = 0; i < d->nr_visible; i++)
		fill_operand(d, i);
	return f->shape ? f->shape(d) : x86_shape_simd(d) || x86_shape_x87(d);
}

static void decoder_for(ZydisDecoder *z, enum x86_mode mode)
{
	static const struct { ZydisMachineMode machine; ZydisStackWidth stack; } as[] = {
		[X86_MODE_16] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		[X86_MODE_32] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		[X86_MODE_64] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	};

	ZydisDecoderInit(z, as[mode].machine, as[mode].stack);
}

static enum x86_decoded decode_with(const ZydisDecoder *z, enum x86_mode mode,
				    const uint8_t *bytes, size_t size, unsigned off, unsigned nr,
				    const struct x86_handlers *h, struct x86_op *op)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	struct x86_decoding d = { .in = &in, .o = o, .op = op, .mode = mode };
	ZyanStatus st;

	memset(op, 0, sizeof(*op));
	op->off = (uint16_t)off;
	op->nr = (uint8_t)nr;
	op->base = op->index = X86_OFF_ZERO;
	st = ZydisDecoderDecodeFull(z, bytes, MIN(size, (size_t)X86_MAX_INSN), &in, o);
	if (st == ZYDIS_STATUS_NO_MORE_DATA && size < X86_MAX_INSN)
		return X86_TRUNCATED;
	if (ZYAN_FAILED(st)) {
		op->flags = mode == X86_MODE_64 ? 0 : X86_OP_LEGACY;
		op->len = 1;
		/* Too long is a general-protection fault, all else an invalid opcode. */
		op->imm = st == ZYDIS_STATUS_NO_MORE_DATA ||
			  st == ZYDIS_STATUS_INSTRUCTION_TOO_LONG;
		set_id(op, h, X86_H_undecoded);
		return X86_INVALID;
	}
	op->len = in.length;
	op->flags = mode_flags(mode, &in);
	if (!shape(&d)) {
		op->flags = mode == X86_MODE_64 ? 0 : X86_OP_LEGACY;
		op->imm = 0;
		set_id(op, h, X86_H_undecoded);
		return X86_INVALID;
	}
	set_id(op, h, op->id);
	return X86_DECODED;
}

enum x86_decoded x86_decode(enum x86_mode mode, const uint8_t *bytes, size_t size, unsigned off,
			    unsigned nr, const struct x86_handlers *h, struct x86_op *op)
{
	ZydisDecoder z;

	decoder_for(&z, mode);
	return decode_with(&z, mode, bytes, size, off, nr, h, op);
}

void x86_decode_end(enum x86_mode mode, unsigned off, unsigned nr, const struct x86_handlers *h,
		    struct x86_op *op)
{
	memset(op, 0, sizeof(*op));
	op->off = (uint16_t)off;
	op->nr = (uint8_t)nr;
	op->flags = mode == X86_MODE_64 ? 0 : X86_OP_LEGACY;
	set_id(op, h, X86_H_end);
}

unsigned x86_decode_block(enum x86_mode mode, const uint8_t *bytes, size_t size, unsigned max,
			  const struct x86_handlers *h, struct x86_op *ops, unsigned *len)
{
	unsigned n = 0, off = 0;
	ZydisDecoder z;

	decoder_for(&z, mode);
	while (n < max && off < size) {
		if (decode_with(&z, mode, bytes + off, size - off, off, n + 1, h, &ops[n]) ==
		    X86_TRUNCATED)
			break;
		off += ops[n].len;
		n++;
		if (x86_ends_block(&ops[n - 1]))
			break;
	}
	if (n)
		x86_decode_end(mode, off, n + 1, h, &ops[n]);
	*len = off;
	return n;
}

uint64_t x86_undefined_flags(enum x86_mode mode, const uint8_t *bytes, size_t size)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	ZydisDecoder z;

	decoder_for(&z, mode);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&z, bytes, MIN(size, (size_t)X86_MAX_INSN), &in, o)))
		return 0;
	return in.cpu_flags ? in.cpu_flags->undefined : 0;
}
