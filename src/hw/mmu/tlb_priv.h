/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tlb_priv.h - filling and forgetting; see tlb.h for what an entry is.
 *
 * Keys and addends are stored atomically, for frame retirement looks at them
 * from other threads.
 */
#pragma once
#include "hw/mmu/tlb.h"

#define TLB_NO_TAG	(TLB_NR_TAGS - 1ull)	/* of no entry: outside guest mode */
#define TLB_ANY_PCID	0xffffu

void tlb_init(struct tlb *t);

/* The context of what is looked up from now on; tags are made as needed. */
void tlb_select(struct tlb *t, uint32_t asid, uint64_t root, uint64_t shared_root, uint16_t pcid);
void tlb_deselect(struct tlb *t);

/* For peek: what the tags of the current context mean to a reader. */
void tlb_describe(struct tlb *t, uint64_t nested_root, uint64_t cr3);

/* @guest has TLB_GLOBAL and the kind of page; pages must be aligned. */
void tlb_fill(struct tlb *t, bool code, uint64_t linear, uint64_t host, uint64_t frame,
	      uint64_t guest);
void tlb_forget(struct tlb *t, uint64_t linear);
const struct tlb_entry *tlb_peek_data(const struct tlb *t, uint64_t linear);
const struct tlb_entry *tlb_peek_code(const struct tlb *t, uint64_t linear);

/* The nested side: host = addend + guest physical address. */
const struct tlb_entry *tlb_nested(const struct tlb *t, uint64_t gpa);
void tlb_nested_fill(struct tlb *t, uint64_t gpa, uint64_t host, uint64_t frame,
		     enum pg_level level);
static inline enum pg_level tlb_nested_level(const struct tlb_entry *e)
{
	return (enum pg_level)(e->guest & ~PAGE_MASK);
}
void tlb_nested_forget(struct tlb *t, uint64_t gpa);

/* What a flush is about; a tag goes when it matches all that is asked. */
struct tlb_flush {
	bool		any_asid, any_root, any_pcid;
	uint32_t	asid;
	uint64_t	root;
	uint16_t	pcid;
	bool		linear, global, nested;	/* kinds that go */
};

void tlb_flush(struct tlb *t, const struct tlb_flush *f);
/* One linear address (with its whole page, if large) in the matching contexts. */
void tlb_flush_address(struct tlb *t, const struct tlb_flush *f, uint64_t linear);
