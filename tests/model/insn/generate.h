/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * generate.h - random instructions of a form, and states that make them
 * do something: memory operands inside pages, over their ends, and where
 * nothing is.
 */
#pragma once
#include "model/insn/form.h"
#include "model/insn/world.h"

struct insn {
	enum x86_mode	mode;
	uint8_t		bytes[16];	/* one INT3 behind the last */
	unsigned	len;
	ZydisDecodedInstruction in;
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
};

extern uint64_t random_seed;		/* not zero */
uint64_t random_u64(void);

/* False: this time it did not come out as one. */
bool generate_insn(const struct form *f, struct insn *i);
/* Registers, and memory of both sides; writes the code. */
void generate_world(struct insn *i, struct world *w);
/* Selectors that this program may load, most of them good; none of 64-bit code if so said. */
extern bool random_without_cs64;
uint16_t random_selector(void);
/* The x87 and vector registers; 512 bytes as FXSAVE64 has them, 256 of YMM0-15's upper halves. */
void random_fx(uint8_t *fx, uint8_t *ymm);
/* Bytes that mean something to whoever loads them. */
void random_data(uint8_t *p, unsigned n);
