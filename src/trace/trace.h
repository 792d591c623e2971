/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * trace.h - events of one machine, as they happen (docs/design/shipping.md).
 *
 * Off, a tracepoint is a load and a branch.  On, the thread writes a record
 * into a ring that is its own, without a lock; one thread of ours reads all
 * rings and writes lines.  A full ring drops and counts.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

enum trace_event {
#define TRACE_EVENT(system, name, nr, text) TRACE_##name,
#include "trace/events.def"
#undef TRACE_EVENT
	NR_TRACE_EVENTS
};

#define TRACE_MAX_ARGS	8
#define TRACE_WORDS	((NR_TRACE_EVENTS + 63) / 64)

struct trace;

struct trace_config {
	uint64_t	on[TRACE_WORDS];	/* bit by event; all 0: nobody looks */
	char		*file;			/* absolute path, appended to; NULL: standard error */
};

static inline bool trace_config_is_on(const struct trace_config *c)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < TRACE_WORDS; i++)
		any |= c->on[i];
	return any;
}

/*
 * Adds to @on what @list selects: names, systems (kvm, kvmmmu, softcvm) or
 * system:name, all with * and ?, separated by commas; "all" is everything.
 * NULL, or the first word that names nothing (its length in *@len).
 */
const char *trace_select(const char *list, uint64_t on[TRACE_WORDS], size_t *len);
const char *trace_event_name(enum trace_event e);
const char *trace_event_system(enum trace_event e);

/* Starts the reader.  -ENOMEM, or what opening the file said. */
MUST_CHECK int trace_create(const struct trace_config *config, struct trace **out);
/* Nobody emits any more: writes out what is left and ends the reader.  NULL: nothing. */
void trace_destroy(struct trace *t);
/* What has been emitted before the call is in the file after it.  NULL: nothing. */
void trace_flush(struct trace *t);
/* After fork, in the child: the parent's reader will not read what is emitted here. */
void trace_forget(struct trace *t);
/* So far, whatever the reason: no ring, a full one, a file that takes no more. */
uint64_t trace_lost(const struct trace *t);

/* Any thread; not from a signal handler.  @args: as many as the event has. */
void trace_emit(struct trace *t, enum trace_event e, const uint64_t *args);

/* One event; the arguments are worked out only when somebody looks. */
#if SOFTCVM_CORO
#define TRACE(t, name, ...)	do { } while (0)
#define TRACE_IS_ON(t)		false
#else
#define TRACE_IS_ON(t)		unlikely(t)
#define TRACE(t, name, ...)						\
	do {								\
		if (TRACE_IS_ON(t))					\
			trace_emit((t), TRACE_##name,			\
				   (const uint64_t[TRACE_MAX_ARGS]){ __VA_ARGS__ }); \
	} while (0)
#endif

/* For the reader and for tests: the text of an event.  As snprintf. */
size_t trace_text(enum trace_event e, const uint64_t *args, char *out, size_t size);
