/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * insn.h - the few instructions that a #VC handler has to take apart.
 */
#pragma once
#include "guest.h"

struct guest_insn {
	uint16_t	opcode;		/* 0x0fNN: two bytes; 0x0f01: see modrm */
	uint8_t		length;		/* in bytes */
	uint8_t		size;		/* of its operand, in bytes: 1, 2, 4, 8 */
	uint8_t		modrm, rex;
	bool		rep;		/* F2 or F3 */
	uint64_t	address;	/* of its memory operand */
	uint64_t	imm;		/* sign-extended */
};

/* What stands at frame->rip, in 64-bit mode; false: none of those few. */
bool guest_insn_decode(struct guest_insn *insn, const struct guest_frame *frame);
/* Register @n (0: RAX ... 15: R15) of the frame. */
uint64_t *guest_insn_register(struct guest_frame *frame, unsigned n);
/* The register that the ModRM byte names, as @size bytes wide; high bytes (AH) too. */
uint64_t guest_insn_get(const struct guest_insn *insn, struct guest_frame *frame, unsigned size);
void guest_insn_set(const struct guest_insn *insn, struct guest_frame *frame, unsigned size,
		    uint64_t value);
