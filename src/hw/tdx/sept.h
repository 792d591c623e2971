/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sept.h - the secure EPT: entries, their states, walks.  docs/facts/tdx-sept*.tsv.
 *
 * Entries are real EPT entries, in pages that KVM gave, under the TD's key:
 *
 * 63  60:57 56  55 54 53  52   51      12 11   9  7  6   5:3 2:0
 * [SVE|  0 |TDP|TDB|BW|EX|TDHP|   HPA    |TDEL|D |PS|IPAT|MT |XWR]
 *
 * SVE (no #VE) is always set.  PS, IPAT, TDP, TDB, BW, EX and D together are the state;
 * of a pending leaf of 2 MiB, bits 20:12 count what has been accepted of it.
 *
 * SEPT-1: an entry of which TDEL is set is changed by who set it, and by nobody else, but that a
 *         host which fails to have it sets TDHP.
 * SEPT-2: pages of the tree stay until SEPT.REMOVE or the TD's teardown; who walks without the
 *         tree lock (guests, by ACCEPT) reads each entry once and may be late.
 */
#pragma once
#include "base/addr.h"
#include "base/bits.h"
#include "hw/insn/tdx.h"
#include "hw/tdx/lock.h"

struct td;

#define SEPT_RWX	BITS(2, 0)
#define SEPT_MT_WB	(6ull << 3)
#define SEPT_IPAT	BIT(6)
#define SEPT_PS		BIT(7)
#define SEPT_D		BIT(9)
#define SEPT_TDEL	BIT(11)
#define SEPT_HPA	BITS(51, 12)
#define SEPT_TDHP	BIT(52)
#define SEPT_TDEX	BIT(53)
#define SEPT_TDBW	BIT(54)
#define SEPT_TDB	BIT(55)
#define SEPT_TDP	BIT(56)
#define SEPT_SVE	BIT(63)
#define SEPT_LOCK_BITS	(SEPT_TDEL | SEPT_TDHP)
#define SEPT_ACCEPTED_HI 20
#define SEPT_ACCEPTED_LO 12

/* Raw values without HPA and lock. */
#define SEPT_RAW_FREE		(SEPT_SVE | SEPT_TDB | SEPT_TDBW | SEPT_TDEX)
#define SEPT_RAW_NL_MAPPED	(SEPT_SVE | SEPT_RWX)
#define SEPT_RAW_NL_BLOCKED	(SEPT_SVE | SEPT_TDB)
#define SEPT_RAW_LEAF		(SEPT_SVE | SEPT_PS | SEPT_IPAT | SEPT_MT_WB)
#define SEPT_RAW_MAPPED		(SEPT_RAW_LEAF | SEPT_RWX)
#define SEPT_RAW_BLOCKED	(SEPT_RAW_LEAF | SEPT_TDB)
#define SEPT_RAW_PENDING	(SEPT_RAW_LEAF | SEPT_TDP)
#define SEPT_RAW_PENDING_BLOCKED (SEPT_RAW_LEAF | SEPT_TDP | SEPT_TDB)

/* Sets of states, for the allow-table of the leaves. */
enum {
	SEPT_IS_FREE		= 1 << 0,
	SEPT_IS_NL_MAPPED	= 1 << 1,
	SEPT_IS_NL_BLOCKED	= 1 << 2,
	SEPT_IS_MAPPED		= 1 << 3,
	SEPT_IS_BLOCKED		= 1 << 4,
	SEPT_IS_PENDING		= 1 << 5,
	SEPT_IS_PENDING_BLOCKED	= 1 << 6,
	SEPT_IS_BAD		= 1 << 7,	/* no state of a TD that is not migrated */
};
#define SEPT_IS_LEAF	(SEPT_IS_MAPPED | SEPT_IS_BLOCKED | SEPT_IS_PENDING | SEPT_IS_PENDING_BLOCKED)
#define SEPT_IS_NL	(SEPT_IS_NL_MAPPED | SEPT_IS_NL_BLOCKED)
#define SEPT_ARE_BLOCKED (SEPT_IS_NL_BLOCKED | SEPT_IS_BLOCKED | SEPT_IS_PENDING_BLOCKED)

/* One of the above. */
unsigned sept_state(uint64_t entry);
enum tdx_sept_state sept_code(unsigned state);
/* The entry as a host is told of it. */
uint64_t sept_shown(uint64_t entry);

/* An entry, and where it is. */
struct sept_at {
	hpa_t	 where;		/* of the word */
	uint64_t entry;		/* as it was read last, without lock bits */
	uint8_t	 level;		/* enum tdx_level */
};

static inline uint64_t sept_span(uint8_t level)
{
	return 1ull << (12 + 9 * level);
}

static inline hpa_t sept_page(uint64_t entry, uint8_t level)
{
	return HPA(entry & SEPT_HPA & ~(sept_span(level) - 1));
}

/*
 * From the root to the entry of @level for @gpa, or to where it ends: at an entry that
 * is not readable, or a leaf.  True: that level was reached.
 */
bool sept_walk(const struct td *td, uint64_t gpa, uint8_t level, struct sept_at *at);

/* SEPT-1.  @at->entry is the entry from then on. */
enum tdx_lock_result sept_lock_host(const struct td *td, struct sept_at *at);
enum tdx_lock_result sept_lock_guest(const struct td *td, struct sept_at *at);
void sept_unlock(const struct td *td, const struct sept_at *at);
/* The locked entry becomes @entry, unlocked by the same step; no mark is left in it. */
void sept_put(const struct td *td, struct sept_at *at, uint64_t entry);

/* Entry @i of the table at @table; nobody else has the table, or may care. */
uint64_t sept_read(const struct td *td, hpa_t table, unsigned i);
void sept_write(const struct td *td, hpa_t table, unsigned i, uint64_t entry);
/* A page becomes a table of FREE entries. */
MUST_CHECK bool sept_table_make(const struct td *td, hpa_t table);
