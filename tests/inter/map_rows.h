/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * map_rows.h - one row of docs/facts/host-map.tsv as a schedule: each event is begun when
 * the one before is done, and a change that waits is passed by.
 */
#pragma once
#include "world.h"

#include "kvm/host/map.h"
#include "kvm/host/pfncache.h"

#define ROW_EVENTS	12u
#define ROW_GFN		5u		/* the table's G */
#define ROW_FIRST	0x7473726966ull	/* what G has at first, and what V stores there */
#define ROW_STORED	0x6465726f7473ull
#define ROW_SECRET	0x746572636573ull	/* the guest's own, behind guest_memfd */
#define UNDER_WAY	1		/* a change's r before it returns */

struct row;

struct row_event {
	char		 who[4];	/* V, V2: a vCPU; C, C2: another thread */
	char		 what[40];
	struct row	*row;
	unsigned	 thread;	/* C's */
	bool		 begun;
	int		 r;		/* C's: what the ioctl returned */
};

struct row {
	/* The cells. */
	const char	*sequence, *change, *visible, *pointer;
	bool		 short_term;
	bool		 is_es;		/* GHCB rows: SEV-ES, else SNP */

	struct world	*w;
	struct gmem_file *gmem;
	struct row_event event[ROW_EVENTS];
	unsigned	 nr_events;
	char		*page;		/* G at the slot's address */
	hpa_t		 secret;	/* the guest's page for G */
	int		 map_r;		/* of the last map */
	int		 use_r;		/* of stores and loads, the first that failed */
	bool		 has_used;
};

/* Fails the test with the row in front. */
#define ROW_CHECK(row, cond)						\
	do {								\
		if (!(cond))						\
			fail_msg("%s, %s: not %s", (row)->short_term ? "short-term" : "upstream", \
				 (row)->sequence, #cond);		\
	} while (0)

void row_parse(struct row *row);
bool row_has(const struct row *row, const char *event);
static inline bool row_is(const struct row_event *e, const char *what)
{
	return !strcmp(e->what, what);
}

/*
 * The guest's own page of G behind guest_memfd, ROW_SECRET in it; then G shared again
 * and mapped.  At the end the secret is as it was.
 */
void row_prepare_guest(struct row *row);
void row_check_guest(struct row *row);

/* C's event, as the body of a thread.  close-vcpu is the other file's. */
void row_change(void *row_event);
/* Waiting changes: what they show; and a change that has just been begun, or let go. */
void row_check_waiting(struct row *row);
void row_begin_change(struct row *row, struct row_event *e);
/* Does V's event @i end what C's change waits for? */
bool row_lets_go(const struct row *row, unsigned i);

/* All of a row: the first without, the second with GHCBs. */
void row_run_plain(struct row *row);
void row_run_ghcb(struct row *row);
void row_close_vcpu(struct row *row);
