/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * owners.h - a small model of ownership: each 4K page of some regions of 2 MiB has exactly one
 * owner, and the answer to each instruction follows from who that is.
 *
 * owners_try_...() asks machine and model for the same and says in a word what differs; NULL:
 * nothing.  One thread.
 */
#pragma once
#include "hw/snp/an_rmp.h"
#include "hw/snp/firmware.h"

#define OWNERS_REGIONS	3u
#define OWNERS_PAGES	(OWNERS_REGIONS * 512u)

/* Of one 4K page. */
struct owner {
	uint32_t	asid;		/* 0: the hypervisor's, but with @firmware */
	uint64_t	gpa;
	bool		firmware, immutable, validated, vmsa;
	uint8_t		perm[RMP_NR_VMPLS];
};

struct owners {
	struct hw	*hw;
	struct owner	page[OWNERS_PAGES];
	bool		large[OWNERS_REGIONS];	/* the region is one page of 2 MiB */
};

static inline uint64_t owners_at(unsigned page)
{
	return AT + page * PAGE_SIZE;
}

/* What a guest's instruction is done to: through a nested entry of its size, or not. */
struct owners_target {
	unsigned	page;
	uint64_t	gpa;
	uint16_t	asid;
	uint8_t		vmpl;
	bool		nested_2m;
};

/* Everything is the hypervisor's again. */
void owners_reset(struct owners *m);

const char *owners_try_rmpupdate(struct owners *m, unsigned page, const struct rmp_operand *o);
const char *owners_try_psmash(struct owners *m, unsigned page);
const char *owners_try_rmpread(struct owners *m, unsigned page);
const char *owners_try_pvalidate(struct owners *m, const struct owners_target *t, uint32_t ecx,
				 uint32_t edx);
const char *owners_try_rmpadjust(struct owners *m, const struct owners_target *t, uint64_t rcx,
				 uint64_t rdx);
const char *owners_try_rmpquery(struct owners *m, const struct owners_target *t, uint64_t rdx);
/* The secure processor: to the guest, validated; back; into one. */
const char *owners_try_launch(struct owners *m, unsigned page, bool large);
const char *owners_try_reclaim(struct owners *m, unsigned page, bool large);
const char *owners_try_unsmash(struct owners *m, unsigned page);

/* Every page, every count. */
const char *owners_compare(const struct owners *m);
