/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rows.c - all rows, and which of them an instruction is.
 */
#include "base/macros.h"
#include "x86/simd.h"
#include "x86/simd/rows_priv.h"

const struct x86_simd_table *const x86_simd_tables[] = {
	/* the usual ones first */
	&x86_simd_move, &x86_simd_packed, &x86_simd_float, &x86_simd_convert,
	&x86_simd_shuffle, &x86_simd_string, &x86_simd_crypto,
};
const size_t x86_nr_simd_tables = ARRAY_SIZE(x86_simd_tables);

static bool fits(uint8_t accepted, uint8_t kind)
{
	return kind ? accepted & kind : !accepted;
}

int x86_simd_find(uint16_t mnemonic, uint8_t dst_kind, uint8_t src_kind)
{
	const struct x86_simd_row *r;
	unsigned nr;

	for (nr = 0; (r = x86_simd_row(nr)); nr++)
		if (r->mnemonic == mnemonic && fits(r->dst, dst_kind) && fits(r->src, src_kind))
			return (int)nr;
	return -1;
}

const struct x86_simd_row *x86_simd_row(unsigned nr)
{
	size_t i;

	for (i = 0; i < x86_nr_simd_tables; i++) {
		if (nr < x86_simd_tables[i]->nr)
			return &x86_simd_tables[i]->rows[nr];
		nr -= (unsigned)x86_simd_tables[i]->nr;
	}
	return NULL;
}
