/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * trace_priv.h - between the recording, the reading and the text of events.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "sync/atomic.h"
#include "sync/lock.h"
#include "sync/wait.h"
#include "trace/trace.h"

struct text_out {
	char	*at;
	size_t	 size, n;	/* n may pass size: what would have been written */
};

enum trace_names {
	TRACE_NAMES_SVM_EXIT, TRACE_NAMES_VMX_EXIT, TRACE_NAMES_USER_EXIT, TRACE_NAMES_APIC,
	TRACE_NAMES_EXCEPTION, TRACE_NAMES_DELIVERY, TRACE_NAMES_SHORTHAND, TRACE_NAMES_CPU_MODE,
	TRACE_NAMES_MMIO, TRACE_NAMES_IRQCHIP,
};

/* NULL: no name. */
const char *trace_name(enum trace_names names, uint64_t value);

#define RING_RECORDS	8192u		/* a power of two */
#define MAX_RINGS	4096u		/* threads of one time; others are lost */

struct trace_record {
	uint64_t	ns;
	uint16_t	event, cpu;
	uint32_t	tid;
	uint64_t	lost;		/* so many of this ring before it */
	uint64_t	arg[TRACE_MAX_ARGS];
};

/* One writer (the thread of that number), one reader. */
struct trace_ring {
	atomic64_t	head CACHE_ALIGNED;	/* records written, ever */
	uint64_t	lost;		/* the writer's: since the last record */
	atomic64_t	nr_lost;	/* all */
	atomic64_t	tail CACHE_ALIGNED;	/* records read, ever */
	struct trace_record record[RING_RECORDS] CACHE_ALIGNED;
};

struct trace {
	uint64_t	on[TRACE_WORDS];	/* [c] */
	int		fd;			/* [c] */
	int		owner_pid;		/* [c] */
	atomic64_t	nr_homeless;		/* lost by threads without a ring */
	atomic64_t	nr_unwritten;		/* lost because the file took no more */
	atomicptr_t	ring[MAX_RINGS];	/* by thread number; stays */

	struct mutex	reading;		/* RANK_LEAF: one reads at a time */
	atomic32_t	stop;			/* asked to; then: has ended */
	struct waitq	wake, ended;
};

/* Reads all rings and writes their lines.  @all: to the end, else what is surely in order. */
void trace_drain(struct trace *t, bool all);
