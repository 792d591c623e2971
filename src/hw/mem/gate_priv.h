/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gate_priv.h - between gate.c and trap.c.
 */
#pragma once
#include "hw/insn/gate.h"
#include "hw/insn/view.h"
#include "hw/mem/view_priv.h"

#define GATE_LOCKS	64u
#define GATE_RUN	512u	/* pages that have one lock */

/*
 * What is known of a page; when it was closed in milliseconds of the clock, cut.
 *
 * 63    32 31        2    1      0
 * [ when  | change nr | told | closed]
 */
#define GATE_CLOSED	BIT(0)
#define GATE_TOLD	BIT(1)
#define GATE_NR_HI	31
#define GATE_NR_LO	2
#define GATE_WHEN_HI	63
#define GATE_WHEN_LO	32

struct gate_page {
	uint64_t	state;
	uint64_t	gfn;
};

/*
 * Keys: [a] atomic, [p] by the page's lock, [l] views.lock
 */
struct gate {
	struct hw	*hw;
	struct gate	*next;		/* [l] */
	unsigned	 nr_moves;	/* [l] of its mappings, under way */
	uint64_t	 base;		/* [a] the machine's mapping; 0: it has gone */
	uint64_t	 nr_pages;
	uint64_t	 changes;	/* [a] */
	atomic32_t	 lock[GATE_LOCKS];	/* by GATE_RUN; taken before a frame's, signals blocked */
	struct gate_page *pages;	/* [p] */
	char		 name[64];
};

/* Page @page of @g was touched at @host: true when it is there now.  Async-signal-safe. */
MUST_CHECK bool gate_touched(struct views *v, struct gate *g, uint64_t page, void *host, bool write);
/* Why it is not.  False: it may be touched. */
MUST_CHECK bool gate_denies(struct gate *g, uint64_t page, struct view_denial *out);
void gates_destroy(struct views *v);
