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
/*
 * @i is a repeated CMPS or SCAS whose fault left the status flags as they were
 * before it: SDM vol. 2B REP says so, APM vol. 3 nothing, and AMD's processors do it
 * for some alignments and show the last comparison's for others.
 */
bool undefined_faulting_compare(const struct insn *i, const struct world *before,
				const struct world *real);
/* The first operand's new value is undefined too. */
bool undefined_result(const struct insn *i, const struct world *before);
