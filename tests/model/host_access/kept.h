/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * kept.h - what an access changes nothing of: the RMP, attributes, memslots, nested entries,
 * guest_memfd's pages and bytes, the VMM's mappings.
 */
#pragma once
#include "hw/insn/peek.h"
#include "model/host_access/expected.h"
#include "model/host_access/world.h"

struct kept_side {
	struct rmp_entry	rmp[NR_AROUND];
	bool			has_frame[NR_AROUND];
	uint64_t		attributes[NR_AROUND];
	struct {
		uint64_t	spte;
		uint8_t		level;
	} nested[NR_AROUND];
	struct {
		const void	*slot;
		uint64_t	gfn, npages, hva;
		uint32_t	flags;
		const void	*file;
	} slot;
	uint64_t		nr_private;	/* pages of guest_memfd */
	uint8_t			host_level;	/* as far as the machine has been told */
	uint8_t			mapping;	/* mincore: the address is mapped */
};

struct kept {
	uint64_t		generation, splits, seq, in_progress;
	struct kept_side	side[2];
};

void kept_look(struct world *w, struct kept *k);
/* NULL: all is as before, but for what @o allows; else what is not. */
const char *kept_differs(const struct kept *was, const struct kept *is, const struct outcome *o);

/* The VMM's mappings at the two slots, and their protection: the host's text, to be freed. */
char *kept_mappings(const struct world *w);
