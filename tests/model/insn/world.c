/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/insn/world.h"

enum world_page world_page(uint32_t linear)
{
	static const uint8_t pages[WORLD_SIZE / 4096] = {
		[1] = WORLD_WRITE, [2] = WORLD_WRITE, [4] = WORLD_READ, [5] = WORLD_WRITE,
		[8] = WORLD_EXEC, [0xa] = WORLD_EXEC, [0xb] = WORLD_EXEC,
	};

	return (enum world_page)pages[(linear - WORLD_BASE) / 4096];
}

const struct world_segment world_ldt[SEG_NR] = {
	[SEG_CODE16] = { WORLD_BASE, 0xffff, false, false, false, 2 },
	[SEG_DATA16] = { WORLD_BASE, 0xffff, false, false, false, 0 },
	[SEG_CODE32] = { WORLD_BASE, 0xffff, true, false, false, 2 },
	[SEG_DATA32] = { WORLD_BASE, 0xffff, true, false, false, 0 },
	/* ends in the middle of the second page */
	[SEG_SHORT] = { WORLD_RW, 0x17fe, true, false, false, 0 },
	/* valid from 2000h to ffffh, which is the second page and up */
	[SEG_DOWN] = { WORLD_BASE, 0x1fff, false, false, false, 1 },
	[SEG_READ] = { WORLD_BASE, 0xffff, true, true, false, 0 },
	[SEG_EXEC_ONLY] = { WORLD_BASE, 0xffff, true, true, false, 2 },
	[SEG_ABSENT] = { WORLD_BASE, 0xffff, true, false, true, 0 },
};
