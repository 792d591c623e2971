/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rmp.h - the reverse map table: who owns which page.  APM vol. 2 15.36.3 to
 * 15.36.10.  What changes it is in hw/snp, who asks it at each access in hw/mmu.
 *
 * An entry is two words for each 4 KiB, made for a gigabyte when something in
 * it changes for the first time; what has no entry yet is the hypervisor's.
 *
 * RMP-G1: entries of a 2 MiB region change only with its lock held, whose word
 *         also counts the changes; nobody waits for anything while he holds it.
 * RMP-G2: rmp_look() gives one state of the entry that has been, as a whole.
 * RMP-G3: who remembers what he looked up says so first (rmp_look with
 *         @remember) and asks rmp_is_still() after; then either he sees that the
 *         entry has changed, or who changed it finds him.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bits.h"
#include "hw/insn/rmp.h"
#include "sync/atomic.h"

struct hw;

#define RMP_REGION_SHIFT	30
#define RMP_PAGES		512u	/* of 2 MiB */
#define RMP_REGION_HEADS	512u
#define RMP_REGION_PAGES	(RMP_PAGES * RMP_REGION_HEADS)
#define RMP_ALL_TLBS		0xffffffffu

/*
 * Of our own, for the manual gives none:
 *
 * 63      54   53    52   51        12 11        3    2     1      0
 * [   0   |in_use|valid|vmsa|  GPA    | subpages |immut.|2M|assigned]   lo
 * 63                  48 47         32 31   24 23  16 15   8 7     0
 * [          0          |   ASID     | VMPL3 | VMPL2 | VMPL1 | VMPL0]   hi
 */
#define RMP_ASSIGNED	BIT(0)
#define RMP_2M		BIT(1)
#define RMP_IMMUTABLE	BIT(2)
#define RMP_SUBPAGES_HI	11
#define RMP_SUBPAGES_LO	3
#define RMP_GPA		BITS(51, 12)
#define RMP_VMSA	BIT(52)
#define RMP_VALIDATED	BIT(53)
#define RMP_IN_USE	BIT(54)
#define RMP_ASID_HI	47
#define RMP_ASID_LO	32
#define RMP_PERMS	BITS(31, 0)

struct rmp_words {
	uint64_t	lo, hi;
};

struct rmp_region {
	atomic64_t	 lock[RMP_REGION_HEADS];	/* RMP-G1 */
	struct rmp_words entry[RMP_REGION_PAGES];	/* by lock */
	uint64_t	 past[RMP_REGION_PAGES];	/* by lock: three times 21 bits */
	atomic32_t	 remembered[RMP_REGION_PAGES];	/* in which TLB: 0 none, RMP_ALL_TLBS */
	atomic32_t	 ready;		/* TLBs have forgotten what they knew before it was made */
};

struct rmp {
	struct hw	  *hw;
	struct rmp_region **regions;	/* by physical address >> 30; made under hw->lock */
	uint64_t	   nr_regions;
	uint64_t	   end;		/* the first byte that is not covered */
	uint64_t	   *asid_pages;	/* by ASID: 4K pages that it owns */
	atomic64_t	   *validated;	/* RMP_VALIDATED_KEPT, by owner and GPA: the number of the
					 * page that was validated last; 0: none.  A guess, for
					 * findings: the entry says whether it is so */
};

#define RMP_VALIDATED_KEPT	65536u

/* For hw_create(): the table of a machine with config.snp.  False: no memory. */
MUST_CHECK bool rmp_make(struct hw *hw);

static inline bool rmp_covers(const struct rmp *t, hpa_t a)
{
	return a.v < t->end;
}

/* -- Looking -- */

/* All that the checks of an access to one 4 KiB page ask for. */
struct rmp_page {
	struct rmp_entry entry;		/* the one that counts: of the 2 MiB where it is 2M */
	uint64_t	gpa;		/* of this page, by that entry */
	bool		assigned;	/* this page */
	bool		any_assigned;	/* this page, or another of its 2 MiB */
	bool		busy;		/* somebody holds the lock, for long: nothing else counts */
};

struct rmp_look {
	struct rmp_page	  page;
	struct rmp_region *region;	/* NULL: none yet */
	uint64_t	  seq;
};

/*
 * The state of @a.  @remember: the number of the TLB that is going to keep an
 * answer, 0: none.  Any thread; waits at most for some thousand steps.
 */
void rmp_look(const struct rmp *t, hpa_t a, uint32_t remember, struct rmp_look *out);
/* After the TLB has it: is that still so?  Otherwise it must be forgotten. */
MUST_CHECK bool rmp_is_still(const struct rmp *t, hpa_t a, const struct rmp_look *seen);

/* -- Changing, for hw/snp: RMP-G1 -- */

struct rmp_locked {
	struct rmp_region *region;
	struct rmp_words  *head;	/* entries of the 2 MiB */
	uint64_t	  *past;
	atomic64_t	  *lock;
	uint64_t	   was;		/* the lock's word */
	unsigned	   page;	/* of the 2 MiB */
};

enum rmp_lock {
	RMP_LOCKED,
	RMP_LOCK_SAME,			/* somebody works on this very page, or on all of the 2 MiB */
	RMP_LOCK_OTHER,			/* on another page of it */
	RMP_LOCK_NO_MEMORY,
};

/* @all: the whole 2 MiB.  @patient: waits for its turn, some thousand steps. */
MUST_CHECK enum rmp_lock rmp_lock(struct rmp *t, hpa_t a, bool all, bool patient,
				  struct rmp_locked *out);
void rmp_unlock(struct rmp_locked *l);

struct rmp_page rmp_page_of(const struct rmp_locked *l);
struct rmp_entry rmp_entry_of(struct rmp_words w);
struct rmp_words rmp_words_of(const struct rmp_entry *e);
struct rmp_words rmp_load(const struct rmp_locked *l, unsigned page);
void rmp_store(const struct rmp_locked *l, unsigned page, struct rmp_words w);
void rmp_note(const struct rmp_locked *l, unsigned page, unsigned nr, enum rmp_event event,
	      struct rmp_words now);

/*
 * In whose TLB pages [@page, @page + @nr) may be, asked after rmp_unlock(); forgets
 * it.  Only where the region is ready.
 */
uint32_t rmp_take_remembered(const struct rmp_locked *l, unsigned page, unsigned nr);

/* -- Findings -- */

/*
 * "page 0x..: gfn 0x.., ASID 3, 2M, validated; RMPUPDATE assigned it to ASID 3,
 * PVALIDATE validated it": what a message says of a page.
 */
void rmp_describe(const struct rmp *t, hpa_t a, char *to, size_t size);
size_t rmp_history(const struct rmp *t, hpa_t a, struct rmp_past out[RMP_HISTORY]);

/* For frames.c, dram.c: frames [@a, @a + @size), within a gigabyte, are no more. */
void rmp_retire(struct rmp *t, hpa_t a, uint64_t size);
