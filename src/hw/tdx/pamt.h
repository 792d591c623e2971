/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pamt.h - the physical address metadata table: who owns each page that was given
 * to the module, and at which size.  docs/facts/tdx-pamt.tsv.
 *
 * One entry for each 4 KiB, 2 MiB and 1 GiB, made for a gigabyte when its first page
 * is asked for.  PT_REG alone exists above 4K; then the entries below say NDA.
 *
 * PAMT-1: type, owner and object of an entry change only with its lock held exclusively.
 * PAMT-2: who holds an entry of 4K that was named as an operand holds the entries above
 *         it shared; one that was found through another page holds the entry alone.
 */
#pragma once
#include "base/addr.h"
#include "hw/mem/machine.h"
#include "hw/insn/tdx.h"
#include "hw/tdx/lock.h"



struct pamt_entry {
	struct tdx_lock	lock;		/* with host priority */
	uint32_t	type;		/* enum tdx_page_type */
	uint64_t	owner;		/* physical address of the TDR, 0: of itself */
	uint64_t	bepoch;		/* by the lock of the secure-EPT entry that names the page */
	void		*object;	/* PT_TDR: struct td; PT_TDVPR: struct td_vcpu */
};

#define PAMT_REGION_SHIFT	30
#define PAMT_REGION_2M		512u
#define PAMT_REGION_4K		(512u * 512u)

struct pamt_region {
	struct pamt_entry	of_1g;
	struct pamt_entry	of_2m[PAMT_REGION_2M];
	struct pamt_entry	of_4k[PAMT_REGION_4K];
};

struct pamt {
	struct hw		*hw;
	struct pamt_region	**regions;	/* by physical address >> 30; made under hw->lock */
	uint64_t		nr_regions;
};

/* Caller holds hw->lock.  False: no memory. */
MUST_CHECK bool pamt_init_locked(struct pamt *p, struct hw *hw) REQUIRES(hw->lock);

/* A page of which the module holds the entry, and perhaps those above it. */
struct pamt_held {
	struct pamt_entry	*entry;		/* NULL: nothing is held */
	struct pamt_entry	*above[2];	/* 2M, 1G; shared; NULL: not held */
	enum tdx_lock_mode	 mode;
	uint8_t			 level;		/* enum tdx_level */
	hpa_t			 page;
};

/*
 * Holds the entry of @level for @page, which an operand names, in @mode; what is there
 * must be @type at this very size.  0, or a status with @operand: OPERAND_BUSY,
 * PAGE_METADATA_INCORRECT, OPERAND_ADDR_RANGE_ERROR.
 */
MUST_CHECK uint64_t pamt_hold(struct pamt *p, hpa_t page, uint8_t level, enum tdx_page_type type,
			      enum tdx_lock_mode mode, uint32_t operand, struct pamt_held *out);
/* The same for a range that is to be free at all sizes: 2M and its 512 of 4K. */
MUST_CHECK uint64_t pamt_hold_free(struct pamt *p, hpa_t page, uint8_t level, uint32_t operand,
				   struct pamt_held *out);
/* A page that was found through another one: the entry alone.  0 or OPERAND_BUSY | @operand. */
MUST_CHECK uint64_t pamt_hold_found(struct pamt *p, hpa_t page, uint8_t level,
				    enum tdx_lock_mode mode, uint32_t operand,
				    struct pamt_held *out);
void pamt_drop(struct pamt_held *h);

/* The entry for @page at @level, NULL: none yet, or no such memory.  Unlocked. */
struct pamt_entry *pamt_entry(const struct pamt *p, hpa_t page, uint8_t level);

/* @h is held exclusively: it becomes @type of @owner. */
void pamt_give(struct pamt_held *h, enum tdx_page_type type, hpa_t owner, void *object);
/* ... and free again. */
void pamt_free(struct pamt_held *h);
/* A leaf of @h's size, held exclusively, becomes 512 of the next; and the other way. */
void pamt_demote(struct pamt *p, struct pamt_held *h);
void pamt_promote(struct pamt *p, struct pamt_held *h);

/* What is known of @page: the entry that counts, and its size.  For RDMD, RECLAIM and peek. */
struct pamt_entry *pamt_find(const struct pamt *p, hpa_t page, uint8_t *level);
