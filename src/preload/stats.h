/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * stats.h - the file of `--stats`: one JSON object, counter by counter, summed
 * over the processes of one `softcvm exec`.
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

/* Reads what stats_print() wrote; a counter that is not there stays as it is. */
void stats_scan(const char *text, struct stats *s);
/* As snprintf: the length of the whole text. */
size_t stats_print(const struct stats *s, char *text, size_t size);

/* Makes the file anew, all counters 0.  0 or a negative errno. */
MUST_CHECK int stats_create(const char *path);
/* Adds @s to what the file has, under its lock.  0 or a negative errno. */
MUST_CHECK int stats_add(const char *path, const struct stats *s);
