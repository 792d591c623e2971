/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * stats.h - the file of `--stats`: one JSON object, counter by counter, summed
 * over the processes of one `softcvm exec`.
 *
 * While they run, their counters are in a second file beside it (FILE.live),
 * a slot for each process, mapped shared: what a process counted is there when
 * a signal ends it.  A slot is published when its process ends by itself, and
 * all of them when the first process has ended.  FILE's lock orders both.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "trace/counters.h"

/* Every counter's value, in the order of counters.h. */
struct stats {
	uint64_t	value[NR_COUNTERS];
};

struct stats_slot;

/* Reads what stats_print() wrote; a counter that is not there stays as it is. */
void stats_scan(const char *text, struct stats *s);
/* As snprintf: the length of the whole text. */
size_t stats_print(const struct stats *s, char *text, size_t size);

/*
 * Makes @path and its live file anew, all counters 0.  0 or a negative errno,
 * of the first only: without the second, what is killed is not counted.
 */
MUST_CHECK int stats_create(const char *path);

/*
 * A slot of this process' own for the rest of its life: in the live file, or, where
 * that cannot be, in memory.  NULL: out of memory.
 */
MUST_CHECK struct stats_slot *stats_slot_claim(const char *path);
/*
 * In a forked child, before anything is counted: a slot of its own at the same
 * address.  0, or a negative errno: it is the parent's still.
 */
MUST_CHECK int stats_slot_renew(const char *path, struct stats_slot *slot);
/* Where to count; NULL for NULL. */
struct counters *stats_slot_counters(struct stats_slot *slot);

/* Adds to @path what the slot has counted since the last time.  0 or a negative errno. */
MUST_CHECK int stats_publish(const char *path, struct stats_slot *slot);
/* The same for every slot of the live file, and removes it. */
MUST_CHECK int stats_collect(const char *path);
