/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * table.c - this instantiation's handler for each number.
 */
#include "hw/cpu/cpu_priv.h"
#include "x86/handlers.h"

#define DECLARE(n) int cpu_op_##n(struct x86_exec *x, const struct x86_op *op);
X86_HANDLERS(DECLARE)

const struct x86_handlers cpu_handlers = {
	.fn = {
#define ROW(n) [X86_H_##n] = cpu_op_##n,
		X86_HANDLERS(ROW)
	},
};
