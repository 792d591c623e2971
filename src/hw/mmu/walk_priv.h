/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * walk_priv.h - between the guest's walk and the nested walk.
 */
#pragma once
#include "hw/mem/rmp_check.h"
#include "hw/mmu/translate.h"

/* Why a guest physical address is looked up. */
struct nested_access {
	enum mmu_access	access;		/* MMU_READ, MMU_WRITE or MMU_EXEC */
	bool		table;		/* a guest paging-structure entry, not the final address */
	bool		gla_valid;
	bool		shared;		/* data without C-bit: not under the guest's key */
	bool		locate;		/* no access: whose page it is does not matter */
};

struct nested_page {
	uint8_t		*host;		/* of the very byte */
	uint64_t	frame;		/* physical page | TLB_NESTED_*, TLB_CLEAN */
	bool		void_frame;	/* no frame there: must not be remembered */
	bool		no_fill;	/* nor this, for the TLB could not tell who may */
	enum pg_level	level;		/* of the nested entry */
	uint64_t	denied;		/* TLB_NESTED_* by the RMP */
	struct rmp_look	owner;		/* on a machine with an RMP */
};

/*
 * @gpa through the nested tables (or what is remembered of them) for @why;
 * sets their accessed and dirty bits.  MMU_OK, or *@fault is complete.
 */
MUST_CHECK enum mmu_result nested_translate(struct mmu *m, gpa_t gpa, struct nested_access why,
					    struct nested_page *out, struct mmu_fault *fault);

/* The host's page under @gpa is gone: a nested fault of the not-present form. */
enum mmu_result nested_host_fault(struct mmu *m, gpa_t gpa, struct nested_access why,
				  struct mmu_fault *fault);

/*
 * owner.c, on a machine with an RMP: may the guest touch out->frame?  MMU_OK, or
 * *@fault is complete.  @walked: the nested tables have been read for this.
 */
MUST_CHECK enum mmu_result nested_owned(struct mmu *m, gpa_t gpa, struct nested_access why,
					struct nested_page *out, bool walked,
					struct mmu_fault *fault);
/* May the walker write the nested entry at @entry on the way to @gpa?  False: *@fault. */
MUST_CHECK bool nested_may_update(struct mmu *m, hpa_t entry, gpa_t gpa, struct nested_access why,
				  struct mmu_fault *fault);
