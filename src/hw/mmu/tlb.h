/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tlb.h - what a processor remembers of page tables.
 *
 * Three direct-mapped arrays: data and code by linear page, nested by guest
 * physical page.  Entries stay until the architecture says that they go; a
 * changed table is not seen before.  A re-walk follows a denied access, as on
 * silicon, so rights may be added without a flush but not taken away.
 *
 * An entry's key is its page with a 12-bit tag below; a tag names a context:
 * (VPID, EPT root and shared EPT root, PCID) on Intel, (ASID, PCID) on AMD, and there are separate
 * tags for global pages and for guest-physical translations.  What denies an
 * access is kept as bits, and the current mode (CPL, CR0.WP, SMEP, SMAP, AC)
 * as one mask of them for each kind of access: modes change without a flush.
 *
 * Used by the thread that runs on the processor alone; frame retirement and
 * peek read keys from outside.  SDM 4.10 and 29.4, APM vol. 2 5.5 and 15.16.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/page.h"
#include "base/bits.h"
#include "sync/atomic.h"

enum mmu_access {
	MMU_READ,
	MMU_WRITE,		/* also read-modify-write */
	MMU_EXEC,
	MMU_SYS_READ,		/* implicit supervisor: descriptor tables, TSS, at any CPL */
	MMU_SYS_WRITE,
	NR_MMU_ACCESS,
};

#define TLB_DATA_ENTRIES	4096
#define TLB_CODE_ENTRIES	512
#define TLB_NESTED_ENTRIES	1024
#define TLB_NR_TAGS		4096	/* tag 0 is nobody's */

/* Low bits of tlb_entry.frame: reasons to deny. */
#define TLB_U0		BIT(0)		/* supervisor page */
#define TLB_U1		BIT(1)		/* user page (neither without paging) */
#define TLB_W0		BIT(2)		/* guest tables do not allow writes */
#define TLB_NX		BIT(3)		/* nor execution */
#define TLB_CLEAN	BIT(4)		/* a dirty bit is still to be set */
#define TLB_NESTED_R0	BIT(5)		/* nested tables do not allow reads */
#define TLB_NESTED_W0	BIT(6)
#define TLB_NESTED_X0	BIT(7)
#define TLB_ENTRY	BIT(8)		/* in all: denied while every access is to be looked at */

/* Low bits of tlb_entry.guest. */
#define TLB_GLOBAL	BIT(0)
#define TLB_2M		BIT(1)		/* the guest's page is larger than 4 KiB */
#define TLB_4M		BIT(2)
#define TLB_1G		BIT(3)

struct tlb_entry {
	uint64_t	key;		/* page | tag; 0: none */
	uint64_t	addend;		/* plus linear address = host address */
	uint64_t	frame;		/* physical page | what denies */
	uint64_t	guest;		/* guest physical page | kind of guest page */
};

struct tlb_tag {
	uint64_t	root;		/* Intel: EPTP[51:12]; AMD: 0 */
	uint64_t	shared_root;	/* the same of the shared-EPT pointer; none: root */
	uint32_t	asid;		/* ASID or VPID */
	uint16_t	pcid;
	uint16_t	next;		/* in its bucket */
	uint8_t		kind;		/* enum tlb_kind */
	bool		live;
	uint8_t		large;		/* TLB_2M, TLB_4M, TLB_1G: such pages were filled */
	uint64_t	large_start;	/* all of them lie here */
	uint64_t	large_end;
	uint64_t	nested_root;	/* for peek: nCR3 or EPTP, and CR3 */
	uint64_t	cr3;
};

enum tlb_kind { TLB_LINEAR, TLB_LINEAR_GLOBAL, TLB_NESTED };

struct tlb {
	uint64_t	tag;		/* of the current context, 0: none */
	uint64_t	global_tag;
	uint64_t	nested_tag;
	uint64_t	deny[NR_MMU_ACCESS];	/* of the current mode */
	struct tlb	*next;		/* hw->tlbs */
	uint32_t	number;		/* of the machine's, from 1 */

	uint64_t	root;		/* the current context */
	uint64_t	shared_root;
	uint32_t	asid;
	uint16_t	pcid;
	uint16_t	nr_tags;	/* used so far, plus 1 */
	uint16_t	buckets[256];
	struct tlb_tag	tags[TLB_NR_TAGS];

	struct tlb_entry data[TLB_DATA_ENTRIES] CACHE_ALIGNED;
	struct tlb_entry code[TLB_CODE_ENTRIES] CACHE_ALIGNED;
	struct tlb_entry nested[TLB_NESTED_ENTRIES] CACHE_ALIGNED;
};

/*
 * The entry for @size bytes (1 to 4096) at @linear, or NULL: not remembered,
 * not allowed, or more than one page.  The whole of a hit.
 */
static ALWAYS_INLINE const struct tlb_entry *
tlb_find(const struct tlb *t, const struct tlb_entry *e, uint64_t linear, unsigned size,
	 enum mmu_access access)
{
	uint64_t page = (linear + size - 1) & PAGE_MASK, key = sync_word_load(&e->key);

	if (unlikely(key != (page | t->tag)) && key != (page | t->global_tag))
		return NULL;
	return likely(!(e->frame & t->deny[access])) ? e : NULL;
}

/* The host's byte for a data access (not MMU_EXEC), or NULL: mmu_translate(). */
static ALWAYS_INLINE void *tlb_data(const struct tlb *t, uint64_t linear, unsigned size,
				    enum mmu_access access)
{
	const struct tlb_entry *e = &t->data[linear >> PAGE_SHIFT & (TLB_DATA_ENTRIES - 1)];

	e = tlb_find(t, e, linear, size, access);
	return likely(e) ? (void *)(uintptr_t)(e->addend + linear) : NULL;
}

/* The entry for fetching @size bytes; ->frame & PAGE_MASK keys decoded code. */
static ALWAYS_INLINE const struct tlb_entry *
tlb_code(const struct tlb *t, uint64_t linear, unsigned size)
{
	const struct tlb_entry *e = &t->code[linear >> PAGE_SHIFT & (TLB_CODE_ENTRIES - 1)];

	return tlb_find(t, e, linear, size, MMU_EXEC);
}
