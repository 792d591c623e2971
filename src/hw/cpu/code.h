/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * code.h - decoded blocks, and how a processor finds them.
 *
 * A block is known by the host address of its first byte and the mode; it is
 * entered only after its bytes have been compared with what memory holds now,
 * so nobody who writes code (this guest, another vCPU, the VMM, KVM) has to
 * tell.  A store into the page that is being executed compares again at once.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "x86/decode.h"

struct cpu;

#define CODE_ARENA	(4u << 20)
#define CODE_SLOTS_LOG2	14
#define CODE_SLOTS	(1u << CODE_SLOTS_LOG2)

struct block {
	const uint8_t	*host;		/* NULL: dead */
	uint16_t	 len;		/* in bytes */
	uint16_t	 first;		/* of them in the first page */
	uint8_t		 mode;		/* enum x86_mode | CODE_SINGLE */
	uint8_t		 nr;
	struct x86_op	*ops;		/* nr + 1 */
	uint8_t		 bytes[];
};

#define CODE_SINGLE	0x10		/* mode: one instruction and no more */

struct code {
	uint64_t	 page;		/* host page being executed: stores to it are checked */
	struct block	*current;
	uint8_t		*arena;		/* filled from the bottom, emptied at once when full */
	uint32_t	 used;
	struct block	**slots;
};

/* The arena and the table; false when out of memory. */
MUST_CHECK bool code_init_locked(struct cpu *cpu);

/* The block at x->rip, of one instruction if @single.  NULL: stopped (x->why). */
struct block *code_fetch(struct cpu *cpu, bool single);

/* Op @op of the current block has stored to its page: leave the block if it has changed. */
void code_stored(struct cpu *cpu, const struct x86_op *op);
