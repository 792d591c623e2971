/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/tmr.h"

#include "hw/mem/machine.h"

#include <stdlib.h>
#include <string.h>

#define SUM_BYTES	64u		/* one checksum's place: a cache line */

struct tmr {
	hpa_t		 first;		/* of the places */
	uint32_t	 nr;
	struct tmr_place { atomic32_t taken; uint64_t sum; } places[];
};

#define LANES		4u
#define ODD		0x9e3779b97f4a7c15ull

/* One to one in @w and in @c: a change of one word is always seen. */
static inline uint64_t step(uint64_t c, uint64_t w)
{
	c = (c ^ w) * ODD;
	return c ^ c >> 29;
}

/* In lanes that need not wait for one another: each VMRUN and each exit does this. */
static uint64_t sum_of(const uint8_t *vmsa)
{
	const size_t size = TMR_VMSA_SUMMED / LANES;
	uint64_t c[LANES] = { 1, 2, 3, 4 }, sum = 0, w;

	for (size_t i = 0; i < size; i += sizeof(w)) {
#pragma GCC unroll 4
		for (unsigned k = 0; k < LANES; k++) {
			memcpy(&w, vmsa + k * size + i, sizeof(w));
			c[k] = step(c[k], w);
		}
	}
	for (unsigned k = 0; k < LANES; k++)
		sum = step(sum, c[k]);
	return sum;
}

_Static_assert(TMR_VMSA_SUMMED % (LANES * sizeof(uint64_t)) == 0, "whole steps");

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
		p->sum = sum_of(vmsa);
	return p;
}

bool tmr_matches(struct hw *hw, const uint8_t *vmsa)
{
	struct tmr *t = tmr_of(hw);
	struct tmr_place *p = named_place(t, vmsa);

	return p && p->sum == sum_of(vmsa);
}
