/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * states.h - the page states of docs/facts/host-access-states.tsv, made: first what was
 * before (where caches and maps are made), then the state, then it is undone.
 */
#pragma once
#include "model/host_access/world.h"

/* Keys: what a side in the state is like. */
enum {
	STATE_OTHER_SLOT = 1 << 0,	/* before: a shared page of an earlier slot */
	STATE_NO_SLOT	 = 1 << 1,
	STATE_READONLY	 = 1 << 2,
	STATE_FILE	 = 1 << 3,	/* the slot has guest_memfd */
	STATE_ITSELF	 = 1 << 4,	/* there is no before */
	STATE_1G	 = 1 << 5,	/* the slot is as large */
	STATE_VISIBLE	 = 1 << 6,	/* the test can read the page */
	STATE_STORABLE	 = 1 << 7,	/* and write it, to begin anew */
	STATE_DELETING	 = 1 << 8,	/* by stopping KVM_SET_USER_MEMORY_REGION */
	STATE_CONVERTING = 1 << 9,	/* by stopping KVM_SET_MEMORY_ATTRIBUTES */
	STATE_UNMAPPED	 = 1 << 10,	/* made in two ways, by PROT_NONE and munmap */
	STATE_MAPPED	 = 1 << 11,	/* the VMM maps guest_memfd, which begins shared */
	STATE_NO_SHARED	 = 1 << 12,	/* it maps it, and may touch nothing of it */
	STATE_CIPHER	 = 1 << 13,	/* made twice: nobody, or the VMM has looked at it before */
};

struct state {
	const char	*name;
	unsigned	 is;
	void		(*come)(struct world *w, struct side *s);
	/* Before each access: all is as if there had been none.  NULL: the bytes again. */
	void		(*ready)(struct world *w, struct side *s);
	void		(*go)(struct world *w, struct side *s);
};

/* NULL: nobody can make it yet. */
const struct state *state_find(const char *name);
/* In how many ways it is made; @either: whatever the attribute. */
unsigned state_nr_variants(const struct world *w, const struct state *state, bool either);

/* In this order.  @logs: the state's slot can be logged. */
void state_before(struct world *w, struct side *s, const struct state *state, bool logs);
void state_come(struct world *w, struct side *s, bool either);
void state_ready(struct world *w, struct side *s);
void state_go(struct world *w, struct side *s);
