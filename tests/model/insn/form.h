/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * form.h - instruction forms: mnemonic x operand kinds x widths x prefix, one
 * set a mode, as the decoder's tables (src/x86/forms.def and the rows of
 * src/x86/simd/) accept them.
 *
 * A form is a 64-bit key.  Address size counts where it says which registers
 * are used (strings, LOOP); segment overrides, REX bits and ignored prefixes
 * do not.  Single-threaded.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <Zydis/Zydis.h>

#include "x86/exec.h"

#define FORM_NAME_MAX	96
#define FORM_PATTERNS	16

/* Prefixes of a pattern */
#define FORM_66		0x01
#define FORM_F2		0x02
#define FORM_F3		0x04
#define FORM_LOCK	0x08
#define FORM_67		0x10
#define FORM_REXW	0x20
#define FORM_VEXL	0x40

enum form_map { FORM_1BYTE, FORM_0F, FORM_0F38, FORM_0F3A, FORM_VEX_0F, FORM_VEX_0F38, FORM_VEX_0F3A,
		FORM_NR_MAPS };

/* One opcode under which the form is found. */
struct form_pattern {
	uint8_t		prefixes;	/* FORM_*; of VEX: FORM_REXW is W, 66 F3 F2 are pp */
	uint8_t		map;		/* enum form_map */
	uint8_t		opcode;
	bool		has_modrm;
	uint8_t		reg_modrm[8];	/* bit set of reg << 3 | rm with mod 3 */
	uint8_t		mem_reg;	/* bit set of reg with a memory operand */
};

struct form {
	uint64_t	key;
	enum x86_mode	mode;
	bool		privileged;	/* for the decoder */
	unsigned	nr_patterns;
	struct form_pattern pattern[FORM_PATTERNS];
};

struct form_list {
	struct form	*form;		/* sorted by key */
	size_t		 nr;
};

uint64_t form_key(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o);
/* "lock add m32, r32" */
void form_name(uint64_t key, char *buf, size_t size);
ZydisMnemonic form_mnemonic(uint64_t key);

/* False: no instruction at all. */
bool form_decode(enum x86_mode mode, const uint8_t *bytes, size_t n,
		 ZydisDecodedInstruction *in, ZydisDecodedOperand *o);

/* The opcode with its map's escape bytes (3 at most), not of VEX; how many. */
unsigned form_put_opcode(const struct form_pattern *p, uint8_t *b);
/* pp of a VEX prefix. */
unsigned form_vex_pp(const struct form_pattern *p);

/* All forms of @mode that x86_decode() takes; form_list_free() gives them back. */
struct form_list form_list_of(enum x86_mode mode);
void form_list_free(struct form_list *l);
/* NULL: not in the list. */
const struct form *form_find(const struct form_list *l, uint64_t key);
