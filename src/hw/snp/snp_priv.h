/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* snp_priv.h - between the instructions of the host, the guest and the secure processor. */
#pragma once
#include "hw/mem/machine.h"
#include "hw/mem/rmp.h"

#define SIZE_2M	PG_LEVEL_SIZE(PG_LEVEL_2M)

/* Unlocks after a change; TLBs forget [@page, @page + @nr) of the 2 MiB. */
void snp_unlock_forget(struct hw *hw, hpa_t a, struct rmp_locked *l, unsigned page, unsigned nr);

/* The physical address of @host, if something in that mapping of it may be assigned.  There is an RMP. */
hpa_t snp_watched(struct hw *hw, const void *host, enum pg_level level);

/* The ASID's count of pages (15.36.4) follows from @was to @now, @nr pages. */
void snp_count(struct hw *hw, struct rmp_words was, struct rmp_words now, unsigned nr);

static inline bool snp_is_2m(const struct rmp_locked *l)
{
	return rmp_load(l, 0).lo & RMP_2M;
}

static inline struct rmp_words snp_with_subpages(struct rmp_words head, unsigned n)
{
	head.lo = (head.lo & ~FIELD_MASK(RMP_SUBPAGES)) | FIELD_PUT(RMP_SUBPAGES, n);
	return head;
}

static inline unsigned snp_subpages(struct rmp_words head)
{
	return (unsigned)FIELD_GET(RMP_SUBPAGES, head.lo);
}
