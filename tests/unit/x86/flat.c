/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "x86/flat.h"

#include "x86/decode.h"

#define DECLARE(n) int flat_op_##n(struct x86_exec *x, const struct x86_op *op);
X86_HANDLERS(DECLARE)

const struct x86_handlers flat_handlers = {
	.fn = {
#define ROW(n) [X86_H_##n] = flat_op_##n,
		X86_HANDLERS(ROW)
	},
};

int flat_one(struct flat *f, const uint8_t *bytes, unsigned n, uint64_t rip)
{
	struct x86_op ops[2];
	enum x86_mode mode;
	unsigned len;
	int r;

	f->state.rip = rip;
	x86_exec_enter(&f->x, &f->state);
	mode = x86_mode_of(&f->state);
	if (!x86_decode_block(mode, bytes, n, 1, &flat_handlers, ops, &len))
		return -1;
	f->id = ops[0].id;
	f->x.r[X86_OFF_BASE / 8] = rip;
	do {
		f->x.rip = rip;
		r = ops[0].fn(&f->x, ops);
	} while (r == X86_DONE && f->x.rip == rip && !x86_ends_block(&ops[0]));
	if (r == X86_STOP)
		f->x.rip = rip;
	x86_exec_leave(&f->x);
	return r;
}
