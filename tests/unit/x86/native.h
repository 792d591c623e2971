/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * native.h - one user-mode instruction on this machine's own processor.
 *
 * Registers, status flags and a window of memory at a fixed low address are
 * put in place, the instruction runs, and all are taken back.  One thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define NATIVE_SIZE	0x4000u		/* bytes of memory at native_memory() */

struct native {
	uint64_t r[16];
	uint64_t flags;
};

/* 0, or -1 when there is no such memory to be had. */
int native_init(void);
uint8_t *native_memory(void);		/* readable and writable, below 2 GiB */

/* The signal that it raised, 0 for none; then @n is as it was. */
int native_run(struct native *n, const uint8_t *insn, unsigned len);
