/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * summary.h - some of the counters of --stats, in one line for people.
 */
#pragma once
#include <stddef.h>

#include "base/macros.h"

/* The first of @list (names of counters, commas between) that is none, *@len bytes; NULL: all are. */
const char *summary_unknown(const char *list, size_t *len);
/* "softcvm: 3 VMs, ..." on standard error, from the file @stats.  0 or a negative errno. */
MUST_CHECK int summary_print(const char *list, const char *stats);
