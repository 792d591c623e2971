/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * select.c - events by the names that trace-cmd and perf would take.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "trace/trace.h"

static const struct { const char *system, *name; } events[] = {
#define TRACE_EVENT(system, name, nr, text) [TRACE_##name] = { #system, #name },
#include "trace/events.def"
#undef TRACE_EVENT
};

const char *trace_event_name(enum trace_event e)
{
	return events[e].name;
}

const char *trace_event_system(enum trace_event e)
{
	return events[e].system;
}

static bool matches(const char *pattern, enum trace_event e)
{
	char whole[128];

	if (!strcmp(pattern, "all") || !strcmp(pattern, events[e].system))
		return true;
	snprintf(whole, sizeof(whole), "%s:%s", events[e].system, events[e].name);
	return !fnmatch(pattern, strchr(pattern, ':') ? whole : events[e].name, 0);
}

/* True when it names something. */
static bool select_one(const char *at, size_t n, uint64_t on[TRACE_WORDS])
{
	char pattern[128];
	bool any = false;

	if (!n || n >= sizeof(pattern))
		return false;
	memcpy(pattern, at, n);
	pattern[n] = '\0';
	for (unsigned e = 0; e < NR_TRACE_EVENTS; e++) {
		if (!matches(pattern, e))
			continue;
		on[e / 64] |= 1ull << e % 64;
		any = true;
	}
	return any;
}

const char *trace_select(const char *list, uint64_t on[TRACE_WORDS], size_t *len)
{
	for (;;) {
		*len = strcspn(list, ",");
		if (!select_one(list, *len, on))
			return list;
		if (!list[*len])
			return NULL;
		list += *len + 1;
	}
}
