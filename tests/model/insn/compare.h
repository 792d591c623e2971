/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * compare.h - what must be the same after an instruction.
 */
#pragma once
#include "model/insn/generate.h"

void compare_init(void);		/* fills both memories with the same bytes */
void default_fx(uint8_t *fx);
/*
 * False: they differ, in registers, memory or fault.  First takes out of both what
 * the manuals leave open and docs/caveats.md names (see compare.c).
 */
bool compare_worlds(const struct insn *i, const struct world *before, struct world *real,
		    struct world *model);
void compare_report(const struct insn *i, const struct world *before, const struct world *real,
		    const struct world *model);
/* Of the first operand, which is memory. */
uint64_t linear_of(const struct insn *i, const struct world *w);
/* What the instruction stored at its memory operand: bytes that do not count. */
void forget_memory(const struct insn *i, const struct world *before, unsigned offset,
		   unsigned size);
/* Makes the memories equal again. */
void repair_worlds(void);
