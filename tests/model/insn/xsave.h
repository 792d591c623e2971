/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * xsave.h - states and areas for XSAVE, XSAVEOPT, XRSTOR and XGETBV, and what
 * the manuals leave open of their results (SDM vol. 1, chapter 13).
 *
 * Compared are x87, SSE and AVX: EDX:EAX never names what only this machine
 * has.  Each component is used, in its initial state, or loaded with the values of
 * its initial state, of which a processor may take either view.  XSAVEOPT's
 * other optimisation, of what was not modified, cannot apply: the last XRSTOR was
 * the kernel's, at CPL 0 and of another area (XRSTOR_INFO, SDM vol. 1 13.6).
 */
#pragma once
#include "model/insn/generate.h"

#define XSAVE_SIZE	832		/* standard format up to AVX */

bool xsave_is_area(const struct insn *i);
/* Components in use, and EDX:EAX or ECX. */
void xsave_registers(const struct insn *i, struct world *w);
/* XSAVE_SIZE bytes that XRSTOR may find; some of them it does not take. */
void xsave_random_area(uint8_t *area);
/* False: what only this machine's processor has would have a part in it. */
bool xsave_is_comparable(const struct insn *i, const struct world *before);
/* Makes equal what the manuals leave open. */
void xsave_take_out(const struct insn *i, const struct world *before, struct world *real,
		    struct world *model);
/* XCR0 of this machine; 0: it has none. */
uint64_t xsave_host_xcr0(void);
