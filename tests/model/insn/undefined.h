/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * undefined.h - what the manuals leave undefined: no answer of either side is
 * wrong there.
 */
#pragma once
#include <stdint.h>

#include "model/insn/generate.h"

/* Status flags that @i, started in @before, leaves undefined. */
uint64_t undefined_flags(const struct insn *i, const struct world *before);
/*
 * Both sides fault, and which of the faults that the instruction would meet comes
 * first is the processor's choice (SDM vol. 3 6.9, table 6-2, note 1).
 */
bool undefined_fault(const struct insn *i, const struct world *before, const struct world *real,
		     const struct world *model);
/* The first operand's new value is undefined too. */
bool undefined_result(const struct insn *i, const struct world *before);
