/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * decode.h - from bytes to ops.
 *
 * Pure functions of their arguments: any thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "x86/exec.h"
#include "x86/handlers.h"

#define X86_MAX_INSN	15
#define X86_BLOCK_MAX	64	/* instructions in a block */

enum x86_decoded {
	X86_DECODED,
	X86_TRUNCATED,		/* all bytes given belong to it and more are needed */
	X86_INVALID,		/* no such instruction, or too long: #UD or #GP */
};

/*
 * Decodes the instruction at @bytes (@size of them may be looked at) into @op
 * as the one at offset @off of its block, the @nr-th.  @size of 15 is always
 * enough.  For X86_INVALID @op is filled in and raises the exception.
 */
enum x86_decoded x86_decode(enum x86_mode mode, const uint8_t *bytes, size_t size, unsigned off,
			    unsigned nr, const struct x86_handlers *h, struct x86_op *op);

/* Fills in the op that ends a block at offset @off when no branch does. */
void x86_decode_end(enum x86_mode mode, unsigned off, unsigned nr, const struct x86_handlers *h,
		    struct x86_op *op);

/* True when nothing after @op may be in its block. */
bool x86_ends_block(const struct x86_op *op);

/*
 * Decodes a block: up to @max instructions (at most X86_BLOCK_MAX) from the
 * @size bytes at @bytes into @ops, which has room for @max + 1.  Stops before
 * an instruction that is cut off by the end of the bytes.  The number of
 * instructions; *@len is their bytes.  0: the first one is cut off.
 */
unsigned x86_decode_block(enum x86_mode mode, const uint8_t *bytes, size_t size, unsigned max,
			  const struct x86_handlers *h, struct x86_op *ops, unsigned *len);

/* Status flags that the manuals leave undefined after the instruction at @bytes; X86_FLAGS_*. */
uint64_t x86_undefined_flags(enum x86_mode mode, const uint8_t *bytes, size_t size);
