/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * process.c - the beginning and the end of the program, and fork.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "preload/front.h"
#include "preload/real.h"
#include "preload/stats.h"
#include "trace/counters.h"

/* What the counters said when this process began: a child does not count its parent's. */
static struct stats at_birth;
static atomic32_t has_written;

static void read_counters(struct stats *s)
{
	struct abi *abi = front_machine();

	for (int i = 0; i < NR_COUNTERS; i++)
		s->value[i] = abi ? counter_read(abi_counters(abi), i) : 0;
}

/* Once a process, at its end. */
static void write_stats(void)
{
	const char *path = front_machine() ? front_stats_path() : NULL;
	struct stats s;
	uint64_t any = 0;
	int r;

	if (!path || front_is_vfork_child() || atomic32_xchg(&has_written, 1))
		return;
	read_counters(&s);
	for (int i = 0; i < NR_COUNTERS; i++) {
		s.value[i] -= at_birth.value[i];
		any |= s.value[i];
	}
	r = any ? stats_add(path, &s) : 0;
	if (r)
		log_warn("%s: no counters written (error %d)", path, -r);
}

/* What --audit found, of the VMs that are still there too. */
static void report_audit(void)
{
	struct counters *c;

	if (!front_machine() || !front_wants_audit() || front_is_vfork_child())
		return;
	abi_audit(front_machine());
	c = abi_counters(front_machine());
	fprintf(stderr, "softcvm: audit: %llu looks, %llu findings\n",
		(unsigned long long)counter_read(c, COUNTER_AUDITS),
		(unsigned long long)counter_read(c, COUNTER_AUDIT_FINDINGS));
}

static void in_child(void)
{
	read_counters(&at_birth);
	atomic32_store(&has_written, 0);
	front_machine_in_child();
	if (front_machine())
		abi_after_fork_child(front_machine());
	front_signals_in_child();
}

static __attribute__((constructor)) void begin(void)
{
	real();
	front_remember_config();
	front_catch_faults();
	if (sync_at_fork(NULL, NULL, in_child) || at_quick_exit(write_stats))
		log_warn("out of memory: fork and quick_exit will not be noticed");
}

/* exit(3) and return from main come here, after the program's own atexit functions. */
static __attribute__((destructor)) void end(void)
{
	report_audit();
	write_stats();
}

EXPORT void _exit(int status)
{
	write_stats();
	real()->_exit(status);
	__builtin_unreachable();
}

EXPORT void _Exit(int status)
{
	write_stats();
	real()->_Exit(status);
	__builtin_unreachable();
}
