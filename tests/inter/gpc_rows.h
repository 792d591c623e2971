/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* gpc_rows.h - one long-term map in each state of docs/facts/pfn-cache.tsv, and the events. */
#pragma once
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/log.h"
#include "hw/insn/phys.h"
#include "kvm/host/pfncache.h"

#define PAGES		16u		/* of each part of the VMM's memory */
#define IN_SLOT		(P(5) + 0x10)	/* what the cache is of: a gpa, and offset in the memory */
#define OTHER		(P(6) + 0x20)
#define NEXT_ADDRESS	(P(8))		/* the slot moves on by that much */
#define NO_SLOT		P(100)
#define LEN		8u
#define CALLING		1		/* a call's r before it returns */

/* The VMM's memory: no file's and not the arena's, for it is protected and unprotected. */
extern char *memory;			/* [0, PAGES): slot 0's, [PAGES, 2 PAGES): nobody's */
extern unsigned nr_lookups, nr_warnings;

enum gpc_call { ACTIVATE, REFRESH, DEACTIVATE };

struct cache;

struct gpc_thread {
	struct cache	*c;
	enum gpc_call	 call;
	uint64_t	 at;		/* ACTIVATE: as IN_SLOT */
	size_t		 len;
	unsigned	 thread;
	int		 r;
};

struct cache {
	const char	*row;		/* for messages */
	const char	*state, *kind, *when;
	struct world	*w;
	struct gfn_to_pfn_cache gpc, before;
	uint64_t	 at;		/* what it is of */
	struct gpc_thread first;	/* state refreshing: who does */
	struct host_change change;	/* outside, or of the page */
	unsigned	 changer;
	bool		 waits;		/* the event's call has not returned: what it gives is not asked */
	char		 result[16];
	const char	*next;		/* instead of the table's * */
};

#define CHECK(c, cond)							\
	do {								\
		if (!(cond))						\
			fail_msg("%s: state %s, kind %s: not %s", (c)->row, (c)->state, (c)->kind, \
				 #cond);				\
	} while (0)

static inline bool is_hva(const struct cache *c)
{
	return !strcmp(c->kind, "hva");
}

static inline bool in_state(const struct cache *c, const char *state)
{
	return !strcmp(c->state, state);
}

static inline bool when(const struct cache *c, const char *part)
{
	return strstr(c->when, part) != NULL;
}

static inline void gives(struct cache *c, const char *result)
{
	snprintf(c->result, sizeof(c->result), "%s", result);
}

static inline void gives_errno(struct cache *c, int r)
{
	gives(c, !r ? "0" : r == -EINVAL ? "-EINVAL" : r == -EFAULT ? "-EFAULT" : "another errno");
}

static inline hva_t address_of(uint64_t at)
{
	return HVA((uintptr_t)memory + at);
}

static inline void protect(uint64_t at, int prot)
{
	assert_int_equal(mprotect(memory + (at & PAGE_MASK), PAGE_SIZE, prot), 0);
}

/* gpc_rows.c: calls, what the VMM does, states. */
int call(struct cache *c, enum gpc_call call, uint64_t at, size_t len);
void start(struct gpc_thread *t, struct cache *c, enum gpc_call what, const char *name);
bool check_cache(struct cache *c, size_t len);
unsigned on_list(const struct cache *c);
void set_slot(struct cache *c, unsigned id, uint64_t npages, uint64_t gfn, char *at,
	      uint32_t flags);
void another_slot(void *cache);
void begin_change(struct cache *c, bool inside);
void end_change(struct cache *c);
void change(struct cache *c, bool inside);
void enter_state(struct cache *c);
const char *state_now(struct cache *c);

struct how {
	const char *state, *event, *when;	/* as the row has them; NULL: any */
	void (*run)(struct cache *c);
};
/* How each event is made: gpc_events.c, of calls; gpc_changes.c, of the VMM's changes.  NULL: nobody knows. */
const struct how *how_of_call(const char *state, const char *event, const char *when);
const struct how *how_of_change(const char *state, const char *event, const char *when);
static inline const struct how *find_how(const struct how *hows, size_t nr, const char *state,
					 const char *event, const char *when)
{
	for (const struct how *h = hows; h < hows + nr; h++)
		if ((!h->state || !strcmp(h->state, state)) && !strcmp(h->event, event) &&
		    (!h->when || !strcmp(h->when, when)))
			return h;
	return NULL;
}
void holds_the_lock(void *cache);
