/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/tdx/sept.h"

#include "base/page.h"
#include "hw/mem/finding.h"
#include "hw/mem/view.h"
#include "hw/tdx/tdx_priv.h"
#include "os/uaccess.h"

#define STATE_BITS	(SEPT_PS | SEPT_IPAT | SEPT_TDP | SEPT_TDB | SEPT_TDBW | SEPT_TDEX | SEPT_D)

static const struct {
	uint64_t		raw;
	enum tdx_sept_state	code;
} states[] = {			/* by bit number of SEPT_IS_ */
	{ SEPT_RAW_FREE, TDX_SEPT_FREE },
	{ SEPT_RAW_NL_MAPPED, TDX_SEPT_NL_MAPPED },
	{ SEPT_RAW_NL_BLOCKED, TDX_SEPT_NL_BLOCKED },
	{ SEPT_RAW_MAPPED, TDX_SEPT_MAPPED },
	{ SEPT_RAW_BLOCKED, TDX_SEPT_BLOCKED },
	{ SEPT_RAW_PENDING, TDX_SEPT_PENDING },
	{ SEPT_RAW_PENDING_BLOCKED, TDX_SEPT_PENDING_BLOCKED },
};

unsigned sept_state(uint64_t entry)
{
	for (unsigned i = 0; i < ARRAY_SIZE(states); i++)
		if ((entry & STATE_BITS) == (states[i].raw & STATE_BITS))
			return 1u << i;
	return SEPT_IS_BAD;
}

enum tdx_sept_state sept_code(unsigned state)
{
	return state & SEPT_IS_BAD ? TDX_SEPT_FREE : states[__builtin_ctz(state)].code;
}

uint64_t sept_shown(uint64_t entry)
{
	unsigned state = sept_state(entry);

	if (state & SEPT_IS_LEAF)
		return entry & (SEPT_RWX | BITS(5, 3) | SEPT_IPAT | SEPT_PS | SEPT_HPA | SEPT_SVE);
	return SEPT_SVE | (state & SEPT_IS_NL ? entry & (SEPT_RWX | SEPT_PS) : 0);
}

/* -- Words of tables, under the TD's key -- */

static uint64_t *word(const struct td *td, hpa_t a)
{
	return (uint64_t *)(void *)view_host(td->m->hw, a, td->hkid);
}

static NOINLINE uint64_t lost(const struct td *td, hpa_t a)
{
	hw_finding(td->m->hw, "TDX base specification 9", "a page of the secure EPT, %#llx, is gone",
		   (unsigned long long)a.v);
	return SEPT_RAW_FREE;
}

static uint64_t load(const struct td *td, hpa_t a)
{
	uint64_t *p = word(td, a), v;

	return p && os_load64(p, &v) ? v : lost(td, a);
}

static void store(const struct td *td, hpa_t a, uint64_t v)
{
	uint64_t *p = word(td, a);

	if (!p || !os_store64(p, v))
		lost(td, a);
}

/* True: done, or there is nothing to be done to. */
static bool cas(const struct td *td, hpa_t a, uint64_t *v, uint64_t next)
{
	uint64_t *p = word(td, a);
	enum os_cas r = p ? os_cas64(p, v, next) : OS_CAS_FAULT;

	if (r == OS_CAS_FAULT)
		lost(td, a);
	return r != OS_CAS_LOST;
}

uint64_t sept_read(const struct td *td, hpa_t table, unsigned i)
{
	return load(td, HPA(table.v + 8ull * i));
}

void sept_write(const struct td *td, hpa_t table, unsigned i, uint64_t entry)
{
	store(td, HPA(table.v + 8ull * i), entry);
}

bool sept_table_make(const struct td *td, hpa_t table)
{
	uint64_t entries[512];

	for (unsigned i = 0; i < ARRAY_SIZE(entries); i++)
		entries[i] = SEPT_RAW_FREE;
	return view_write(td->m->hw, table, td->hkid, entries, sizeof(entries));
}

/* -- Walks -- */

bool sept_walk(const struct td *td, uint64_t gpa, uint8_t level, struct sept_at *at)
{
	hpa_t table = td->sept_root;

	for (at->level = td->sept_levels - 1;; at->level--) {
		at->where = HPA(table.v + (gpa >> (12 + 9 * at->level)) % 512 * 8);
		at->entry = load(td, at->where) & ~SEPT_LOCK_BITS;
		if (at->level == level)
			return true;
		if (!(at->entry & SEPT_RWX) || (sept_state(at->entry) & ~SEPT_IS_NL))
			return false;
		table = sept_page(at->entry, TDX_4K);
	}
}

/* -- SEPT-1 -- */

enum tdx_lock_result sept_lock_host(const struct td *td, struct sept_at *at)
{
	uint64_t v = load(td, at->where), next;

	do
		next = v & SEPT_TDEL ? v | SEPT_TDHP : (v | SEPT_TDEL) & ~SEPT_TDHP;
	while (!cas(td, at->where, &v, next));
	at->entry = v & ~SEPT_LOCK_BITS;
	return v & SEPT_TDEL ? TDX_LOCK_BUSY : TDX_LOCKED;
}

enum tdx_lock_result sept_lock_guest(const struct td *td, struct sept_at *at)
{
	uint64_t v = load(td, at->where);

	do {
		at->entry = v & ~SEPT_LOCK_BITS;
		if (v & SEPT_TDEL)
			return TDX_LOCK_BUSY;
		if (v & SEPT_TDHP)
			return TDX_LOCK_HOST_FIRST;
	} while (!cas(td, at->where, &v, v | SEPT_TDEL));
	return TDX_LOCKED;
}

void sept_unlock(const struct td *td, const struct sept_at *at)
{
	uint64_t v = load(td, at->where);

	while (!cas(td, at->where, &v, v & ~SEPT_TDEL))
		;
}

void sept_put(const struct td *td, struct sept_at *at, uint64_t entry)
{
	at->entry = entry;
	store(td, at->where, entry);
}
