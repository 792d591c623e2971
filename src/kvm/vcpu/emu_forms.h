/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * emu_forms.h - which instructions KVM's emulator of 6.12 takes, by their bytes
 * alone (docs/facts/emulator-forms.tsv has the same, row by row).
 *
 * Pure functions: any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "x86/exec.h"

enum emu_verdict {
	EMU_FAILS,		/* an emulation failure */
	EMU_TAKES,
	EMU_RAISES_UD,		/* decoded, and then an invalid opcode */
};

struct emu_form {
	uint8_t		map;		/* 1, 2 (0F), 3 (0F 38) */
	uint8_t		opcode;
	uint8_t		modrm;		/* the byte after the opcode, 0 beyond the end */
	bool		on_ud;		/* also emulated when the processor said #UD */
};

/*
 * The verdict on the @nr bytes at @bytes (all of the instruction, or as many
 * as there are: bytes beyond @nr count as zero).  *@f is filled in always.
 */
enum emu_verdict emu_form_of(enum x86_mode mode, const uint8_t *bytes, unsigned nr,
			     struct emu_form *f);

/* Descriptor tables and FXSAVE: their operand is never MMIO, the guest tries again. */
bool emu_form_needs_memory(const struct emu_form *f);

/* PUSH m, POP m, CALL m, MOVS, CMPS: an exit's address may be either operand's. */
bool emu_form_has_two_operands(const struct emu_form *f);
