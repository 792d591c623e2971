/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * accessors.h - the accessors of docs/facts/host-access.tsv, called by their names there.
 */
#pragma once
#include "kvm/host/cached.h"
#include "kvm/host/map.h"
#include "kvm/host/pfncache.h"
#include "model/host_access/expected.h"
#include "model/host_access/world.h"

/* What was made before the state came to be. */
struct held {
	struct gfn_to_hva_cache	whole;		/* of what is accessed */
	struct gfn_to_hva_cache	with_front;	/* of that, and FRONT bytes in front */
	struct gfn_to_hva_cache	failed;		/* its only init failed */
	struct kvm_guest_map	clean, dirty;	/* how it is going to be unmapped */
	struct gfn_to_pfn_cache	check, refresh, deactivate;
};

/* One access: [offset, offset + len) of the first page, perhaps into the second one. */
struct access {
	struct world	*w;
	struct held	*held;
	size_t		 offset, len;
	unsigned	 size;		/* of an exchange, at the same offset or nearer to the end */
	size_t		 at;		/* of the exchange */
	uint8_t		 data[2 * PAGE_SIZE];	/* to write; what was read; what a map shows */
	uint8_t		 there[8];	/* an exchange: what is there, as the host finds it; afterwards *old */
};

enum touch { TOUCHES_NOTHING, TOUCHES_READS, TOUCHES_WRITES, TOUCHES_CLEARS, TOUCHES_EXCHANGES,
	     TOUCHES_MAPS };

struct accessor {
	const char	*name;		/* with a colon: a case of its own */
	enum touch	 touch;
	bool		 one_page;	/* it takes no length: no second page */
	enum result	(*run)(struct access *a);
};
extern const struct accessor accessors[];
extern const size_t nr_accessors;

/* Inside kvm->srcu; @a's offset and length.  Ends the program where something cannot be had. */
void held_make(struct held *h, struct access *a);
void held_end(struct held *h, struct access *a);

/* Byte @i of what is written. */
static inline uint8_t written_byte(size_t i)
{
	return (uint8_t)(0xd3 + i * 3);
}
