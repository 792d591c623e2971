/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * shapes_simd.c - instructions on vector and x87 registers: the moves that
 * have handlers of their own, then the rows of src/x86/simd/.
 */
#include "x86/decode_priv.h"
#include "x86/simd.h"

static unsigned kind_of(const struct x86_decoding *d, unsigned i)
{
	if (x86_is_mem(d, i))
		return X86_SIMD_MEM;
	if (!x86_is_reg(d, i))
		return X86_SIMD_NONE;
	switch (ZydisRegisterGetClass(d->o[i].reg.value)) {
	case ZYDIS_REGCLASS_XMM:
		return X86_SIMD_XMM;
	case ZYDIS_REGCLASS_MMX:
		return X86_SIMD_MM;
	case ZYDIS_REGCLASS_GPR8:
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return X86_SIMD_GPR;
	default:
		return X86_SIMD_NONE;
	}
}

/* Moves of whole registers: {mnemonic, first operand, second operand, handler}. */
static const struct { uint16_t mnemonic; uint8_t dst, src; uint16_t id; } moves[] = {
#define MOVE128(m, rm, mr)						\
	{ ZYDIS_MNEMONIC_##m, X86_SIMD_XMM, X86_SIMD_XMM, X86_H_mov128_rr },	\
	{ ZYDIS_MNEMONIC_##m, X86_SIMD_XMM, X86_SIMD_MEM, X86_H_##rm },	\
	{ ZYDIS_MNEMONIC_##m, X86_SIMD_MEM, X86_SIMD_XMM, X86_H_##mr },
	MOVE128(MOVAPS, movaps_rm, movaps_mr) MOVE128(MOVAPD, movaps_rm, movaps_mr)
	MOVE128(MOVDQA, movaps_rm, movaps_mr) MOVE128(MOVUPS, movups_rm, movups_mr)
	MOVE128(MOVUPD, movups_rm, movups_mr) MOVE128(MOVDQU, movups_rm, movups_mr)
	{ ZYDIS_MNEMONIC_LDDQU, X86_SIMD_XMM, X86_SIMD_MEM, X86_H_movups_rm },
	{ ZYDIS_MNEMONIC_MOVNTDQA, X86_SIMD_XMM, X86_SIMD_MEM, X86_H_movaps_rm },
	{ ZYDIS_MNEMONIC_MOVNTDQ, X86_SIMD_MEM, X86_SIMD_XMM, X86_H_movaps_mr },
	{ ZYDIS_MNEMONIC_MOVNTPS, X86_SIMD_MEM, X86_SIMD_XMM, X86_H_movaps_mr },
	{ ZYDIS_MNEMONIC_MOVNTPD, X86_SIMD_MEM, X86_SIMD_XMM, X86_H_movaps_mr },
	{ ZYDIS_MNEMONIC_MOVQ, X86_SIMD_XMM, X86_SIMD_XMM, X86_H_movq_rr },
	{ ZYDIS_MNEMONIC_MOVQ, X86_SIMD_XMM, X86_SIMD_MEM, X86_H_movq_rm },
	{ ZYDIS_MNEMONIC_MOVQ, X86_SIMD_MEM, X86_SIMD_XMM, X86_H_movq_mr },
	{ ZYDIS_MNEMONIC_MOVQ, X86_SIMD_XMM, X86_SIMD_GPR, X86_H_movq_xr },
	{ ZYDIS_MNEMONIC_MOVQ, X86_SIMD_GPR, X86_SIMD_XMM, X86_H_movq_rx },
	{ ZYDIS_MNEMONIC_MOVD, X86_SIMD_XMM, X86_SIMD_MEM, X86_H_movd_rm },
	{ ZYDIS_MNEMONIC_MOVD, X86_SIMD_MEM, X86_SIMD_XMM, X86_H_movd_mr },
	{ ZYDIS_MNEMONIC_MOVD, X86_SIMD_XMM, X86_SIMD_GPR, X86_H_movd_xr },
	{ ZYDIS_MNEMONIC_MOVD, X86_SIMD_GPR, X86_SIMD_XMM, X86_H_movd_rx },
	{ ZYDIS_MNEMONIC_PXOR, X86_SIMD_XMM, X86_SIMD_XMM, X86_H_pxor_rr },
	{ ZYDIS_MNEMONIC_XORPS, X86_SIMD_XMM, X86_SIMD_XMM, X86_H_pxor_rr },
	{ ZYDIS_MNEMONIC_XORPD, X86_SIMD_XMM, X86_SIMD_XMM, X86_H_pxor_rr },
};

static bool find_move(struct x86_decoding *d, unsigned dst, unsigned src)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i].mnemonic == d->in->mnemonic && moves[i].dst == dst &&
		    moves[i].src == src) {
			d->op->id = moves[i].id;
			return true;
		}
	return false;
}

/* op->imm bits 15:8 are the kinds of the operands, for exec/simd.inc. */
bool x86_shape_simd(struct x86_decoding *d)
{
	unsigned dst = kind_of(d, 0), src = kind_of(d, 1);
	int row;

	if (d->in->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return false;
	if (find_move(d, dst, src))
		return true;
	row = x86_simd_find((uint16_t)d->in->mnemonic, (uint8_t)dst, (uint8_t)src);
	if (row < 0)
		return false;
	/* The GPR's own size, or what REX.W asks of a memory operand. */
	d->op->width = dst == X86_SIMD_GPR ? x86_width_of(&d->o[0]) == 3 ? 3 : 2 :
		       src == X86_SIMD_GPR ? x86_width_of(&d->o[1]) == 3 ? 3 : 2 :
		       d->in->operand_width == 64 ? 3 : 2;
	d->op->imm = (int32_t)((uint8_t)d->op->imm | dst << 8 | src << 16);
	d->op->aux = (uint16_t)row;
	d->op->id = X86_H_simd;
	return true;
}

static bool is_st(const struct x86_decoding *d, unsigned i)
{
	return x86_is_reg(d, i) &&
	       ZydisRegisterGetClass(d->o[i].reg.value) == ZYDIS_REGCLASS_X87;
}

/* dst: the register that is not ST(0) */
bool x86_shape_x87(struct x86_decoding *d)
{
	unsigned form = 0, size = 0, i;
	int row;

	if (d->in->meta.category != ZYDIS_CATEGORY_X87_ALU &&
	    d->in->meta.category != ZYDIS_CATEGORY_FCMOV)
		return false;
	for (i = 0; i < d->nr_visible; i++)
		if (x86_is_mem(d, i))
			size = d->o[i].size / 8u;
	d->op->imm = 0;
	if (is_st(d, 0) && is_st(d, 1)) {
		bool st0_first = d->o[0].reg.value == ZYDIS_REGISTER_ST0;

		form = st0_first ? X86_X87_DST_ST0 : X86_X87_DST_STI;
		if (!st0_first || d->o[1].reg.value == ZYDIS_REGISTER_ST0)
			d->op->imm = d->op->dst;
		else
			d->op->imm = d->op->src;
		/* FADD ST(0),ST(0): D8 and DC differ only in name */
		if (st0_first && d->in->opcode != 0xd8 && d->in->opcode != 0xda &&
		    d->in->opcode != 0xdb && d->in->opcode != 0xd9 && d->in->opcode != 0xdf)
			form = X86_X87_DST_STI;
	} else if (is_st(d, 0)) {
		d->op->imm = d->op->dst;
	}
	row = x86_x87_find((uint16_t)d->in->mnemonic, (uint16_t)size, (uint8_t)form);
	if (row < 0)
		return false;
	d->op->src = (uint8_t)(x86_is_reg(d, 0) && !is_st(d, 0));	/* FNSTSW AX */
	d->op->aux = (uint16_t)row;
	d->op->id = X86_H_x87;
	return true;
}

static bool choose(struct x86_decoding *d, unsigned index)
{
	d->op->id = (uint16_t)(d->first + index);
	return true;
}

/* XSAVE and XRSTOR: aux bit 0 REX.W, bit 1 the OPT form */
bool x86_shape_xstate(struct x86_decoding *d)
{
	switch (d->in->mnemonic) {
	case ZYDIS_MNEMONIC_XSAVE64: case ZYDIS_MNEMONIC_XRSTOR64:
	case ZYDIS_MNEMONIC_FXSAVE64: case ZYDIS_MNEMONIC_FXRSTOR64:
		d->op->aux = 1;
		break;
	case ZYDIS_MNEMONIC_XSAVEOPT:
		d->op->aux = 2;
		break;
	case ZYDIS_MNEMONIC_XSAVEOPT64:
		d->op->aux = 3;
		break;
	default:
		d->op->aux = 0;
	}
	return choose(d, 0);
}

/* Moves of a whole YMM or XMM register: aux bit 0 256 bits, bit 1 aligned */
bool x86_shape_vmov(struct x86_decoding *d)
{
	unsigned m = d->in->mnemonic;

	if (d->in->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
		return false;
	d->op->aux = (uint16_t)(d->in->avx.vector_length == 256 ? 1 : 0);
	if (m == ZYDIS_MNEMONIC_VMOVDQA || m == ZYDIS_MNEMONIC_VMOVAPS || m == ZYDIS_MNEMONIC_VMOVAPD)
		d->op->aux |= 2;
	return choose(d, x86_is_mem(d, 0) ? 2 : x86_is_mem(d, 1) ? 1 : 0);
}

/* MASKMOVDQU: memory is [rDI] of the source segment. */
bool x86_shape_maskmov(struct x86_decoding *d)
{
	unsigned i;

	d->op->base = X86_RDI * 8;
	for (i = 0; i < d->in->operand_count; i++)
		if (d->o[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			d->op->seg = x86_seg_of(d->o[i].mem.segment);
	return choose(d, 0);
}
