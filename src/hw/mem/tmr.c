/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/tmr.h"

#include "hw/mem/machine.h"

#include <stdlib.h>
#include <string.h>

#define SUM_BYTES	64u		/* one checksum's place: a cache line */
#define ECMA_182	0xc96c5795d7870f42ull	/* CRC-64, reflected */

struct tmr {
	hpa_t		 first;		/* of the places */
	uint32_t	 nr;
	uint64_t	 table[8][256];
	struct tmr_place { atomic32_t taken; uint64_t sum; } places[];
};

static void tables_make(struct tmr *t)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t c = i;

		for (unsigned b = 0; b < 8; b++)
			c = c >> 1 ^ (c & 1 ? ECMA_182 : 0);
		t->table[0][i] = c;
	}
	for (unsigned i = 0; i < 256; i++)
		for (unsigned k = 1; k < 8; k++)
			t->table[k][i] = t->table[k - 1][i] >> 8 ^
					 t->table[0][t->table[k - 1][i] & 0xff];
}

/* Eight bytes a step; TMR_VMSA_SUMMED is a multiple of eight. */
static uint64_t sum_of(const struct tmr *t, const uint8_t *vmsa)
{
	uint64_t c = ~0ull, w;

	for (size_t i = 0; i < TMR_VMSA_SUMMED; i += sizeof(w)) {
		memcpy(&w, vmsa + i, sizeof(w));
		c ^= w;
		c = t->table[7][c & 0xff] ^ t->table[6][c >> 8 & 0xff] ^
		    t->table[5][c >> 16 & 0xff] ^ t->table[4][c >> 24 & 0xff] ^
		    t->table[3][c >> 32 & 0xff] ^ t->table[2][c >> 40 & 0xff] ^
		    t->table[1][c >> 48 & 0xff] ^ t->table[0][c >> 56];
	}
	return ~c;
}

/* Published once it is whole: a processor may look while INIT runs. */
static struct tmr *tmr_of(struct hw *hw)
{
	return atomicptr_load_acquire(&hw->tmr);
}

bool tmr_open(struct hw *hw, hpa_t base, size_t size)
{
	struct tmr *t = hw->tmr_storage;
	const uint32_t nr = (uint32_t)(size / 2 / SUM_BYTES);

	if (!t || t->nr < nr) {
		mutex_lock(&hw->lock);
		t = machine_alloc_locked(hw, sizeof(*t) + nr * sizeof(t->places[0]));
		mutex_unlock(&hw->lock);
		if (!t)
			return false;
		tables_make(t);
		hw->tmr_storage = t;
	}
	for (uint32_t i = 0; i < nr; i++)
		atomic32_store_relaxed(&t->places[i].taken, 0);
	t->first = HPA(base.v + size / 2);
	t->nr = nr;
	atomicptr_store_release(&hw->tmr, t);
	return true;
}

void tmr_close(struct hw *hw)
{
	atomicptr_store_release(&hw->tmr, NULL);
}

static struct tmr_place *place_of(struct tmr *t, hpa_t sum)
{
	const uint64_t off = sum.v - t->first.v;
	struct tmr_place *p;

	if (off % SUM_BYTES || off / SUM_BYTES >= t->nr)
		return NULL;
	p = &t->places[off / SUM_BYTES];
	return atomic32_load_acquire(&p->taken) ? p : NULL;
}

hpa_t tmr_take(struct hw *hw)
{
	struct tmr *t = tmr_of(hw);

	for (uint32_t i = 0; t && i < t->nr; i++) {
		uint32_t is_free = 0;

		if (atomic32_cas(&t->places[i].taken, &is_free, 1))
			return HPA(t->first.v + (uint64_t)i * SUM_BYTES);
	}
	return HPA_INVALID;
}

void tmr_give(struct hw *hw, hpa_t sum)
{
	struct tmr *t = tmr_of(hw);
	struct tmr_place *p = t ? place_of(t, sum) : NULL;

	if (p)
		atomic32_store_release(&p->taken, 0);
}

static struct tmr_place *named_place(struct tmr *t, const uint8_t *vmsa)
{
	uint64_t at;

	memcpy(&at, vmsa + TMR_VMSA_ADDRESS, sizeof(at));
	return t ? place_of(t, HPA(at)) : NULL;
}

bool tmr_store(struct hw *hw, const uint8_t *vmsa)
{
	struct tmr *t = tmr_of(hw);
	struct tmr_place *p = named_place(t, vmsa);

	if (p)
		p->sum = sum_of(t, vmsa);
	return p;
}

bool tmr_matches(struct hw *hw, const uint8_t *vmsa)
{
	struct tmr *t = tmr_of(hw);
	struct tmr_place *p = named_place(t, vmsa);

	return p && p->sum == sum_of(t, vmsa);
}
