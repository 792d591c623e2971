/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * decode_priv.h - between the decoder's engine, its shapes and its table.
 */
#pragma once
#include <Zydis/Zydis.h>

#include "x86/decode.h"

/* One instruction on its way; @op already has its registers, memory and immediate. */
struct x86_decoding {
	const ZydisDecodedInstruction *in;
	const ZydisDecodedOperand *o;
	struct x86_op	*op;
	enum x86_mode	 mode;
	unsigned	 nr_visible;
	uint16_t	 first;		/* the table's handler */
};

/* How operands choose among a family's handlers: false when there is no such form. */
typedef bool (*x86_shape_fn)(struct x86_decoding *d);

struct x86_form {
	x86_shape_fn	shape;		/* NULL: not an instruction of ours */
	uint16_t	first;
};

/* By ZydisMnemonic; NULL shape beyond. */
const struct x86_form *x86_form_of(unsigned mnemonic);

static inline bool x86_is_reg(const struct x86_decoding *d, unsigned i)
{
	return i < d->nr_visible && d->o[i].type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static inline bool x86_is_mem(const struct x86_decoding *d, unsigned i)
{
	return i < d->nr_visible && d->o[i].type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static inline bool x86_is_imm(const struct x86_decoding *d, unsigned i)
{
	return i < d->nr_visible && d->o[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

/* Offset into x86_exec.r (general registers, RIP, none), else the register's number. */
uint8_t x86_reg_off(ZydisRegister r);

/* enum x86_seg of a memory operand's segment; DS when there is none. */
uint8_t x86_seg_of(ZydisRegister r);

/* log2 of an operand's size in bytes: 8 bits 0 ... 64 bits 3. */
static inline unsigned x86_width_of(const ZydisDecodedOperand *o)
{
	return o->size >= 64 ? 3 : o->size == 32 ? 2 : o->size == 16 ? 1 : 0;
}

bool x86_shape_simd(struct x86_decoding *d);
bool x86_shape_x87(struct x86_decoding *d);
bool x86_shape_xstate(struct x86_decoding *d);
bool x86_shape_vmov(struct x86_decoding *d);
bool x86_shape_maskmov(struct x86_decoding *d);
