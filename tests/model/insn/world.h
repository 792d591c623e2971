/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * world.h - the little piece of address space and the registers that an
 * instruction finds, the same on this machine's processor and on the model.
 *
 * Linear addresses 100000h to 10ffffh, of which these pages exist:
 *
 *   101000 102000  readable and writable
 *   104000         readable only
 *   105000         readable and writable
 *   108000         code, nothing after it
 *   10a000 10b000  code
 *
 * and LDT segments that cover all of it or end inside.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "x86/state.h"

#define WORLD_BASE	0x100000u
#define WORLD_SIZE	0x10000u
#define WORLD_RW	0x101000u
#define WORLD_RW_END	0x103000u
#define WORLD_RO	0x104000u
#define WORLD_RW2	0x105000u
#define WORLD_RW2_END	0x106000u
#define WORLD_CODE	0x108000u
#define WORLD_CODE2	0x10a000u
#define WORLD_CODE2_END	0x10c000u

enum world_page { WORLD_NONE, WORLD_READ, WORLD_WRITE, WORLD_EXEC };
enum world_page world_page(uint32_t linear);

/* LDT selectors */
#define WORLD_LDT(n)	((n) * 8 + 7)
enum { SEG_CODE16, SEG_DATA16, SEG_CODE32, SEG_DATA32, SEG_SHORT, SEG_DOWN, SEG_READ, SEG_EXEC_ONLY,
       SEG_ABSENT, SEG_NR };

struct world_segment {			/* of the LDT, as modify_ldt takes it */
	uint32_t base, limit;
	bool	 big, read_exec_only, absent;
	uint8_t	 contents;		/* 0 data, 1 expand-down data, 2 code */
};
extern const struct world_segment world_ldt[SEG_NR];

/* Flat segments that Linux gives to programs. */
#define WORLD_CS32	0x23
#define WORLD_DS	0x2b
#define WORLD_CS64	0x33

struct world {
	uint64_t	r[16], rip, flags;
	uint16_t	sel[6];		/* enum x86_seg */
	uint64_t	fs_base, gs_base;
	uint8_t		fx[512];	/* FXSAVE64's layout */
	uint8_t		ymm[256];	/* upper halves; zeros where this machine has none */
	uint64_t	in_use;		/* of x87, SSE and AVX; the others are not loaded but initial */
	/* after a run */
	int		vector;		/* -1: something else, see @what */
	uint64_t	error, cr2;
	uint64_t	what;
};

/* How it is to be stopped: after one instruction by TF, or by the INT3 behind it. */
#define WORLD_STEPS(w)	((w)->flags & X86_FLAGS_TF)

/* This machine's own processor.  False: it cannot be done here. */
bool native_init(void);
void native_run(struct world *w);
uint8_t *native_memory(void);		/* WORLD_SIZE bytes, all writable */

/* The model, of this machine's vendor. */
void model_init(void);
void model_run(struct world *w);
uint8_t *model_memory(void);
void model_fini(void);
