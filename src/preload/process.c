/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * process.c - the beginning and the end of the program, and fork.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "preload/child.h"
#include "preload/dir.h"
#include "preload/front.h"
#include "preload/own_cpuid.h"
#include "preload/real.h"
#include "preload/stats.h"
#include "trace/counters.h"

static atomic32_t is_writing;

/* At the end of a process, whatever end it is: what has been counted since the last time. */
static void write_counters(void)
{
	struct stats_slot *slot;
	const char *path = front_machine() ? front_stats(&slot) : NULL;
	int r;

	if (!path || front_is_vfork_child() || atomic32_xchg(&is_writing, 1))
		return;
	r = slot ? stats_publish(path, slot) : -ENOMEM;
	if (r)
		log_warn("%s: no counters written (error %d)", path, -r);
	atomic32_store_release(&is_writing, 0);
}

static void write_trace(void)
{
	uint64_t lost;

	if (!front_machine() || front_is_vfork_child())
		return;
	lost = abi_trace_flush(front_machine());
	if (lost)
		log_warn("trace: %llu events were lost", (unsigned long long)lost);
}

static void write_stats(void)
{
	write_counters();
	write_trace();
}

void front_before_exec(void)
{
	int saved = errno;

	write_stats();
	errno = saved;
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

/* That there are any; --findings has told them all. */
static void report_findings(void)
{
	struct counters *c;
	uint64_t n;

	if (!front_machine() || front_tells_findings() || front_is_vfork_child())
		return;
	c = abi_counters(front_machine());
	n = counter_read(c, COUNTER_HOST_ACCESS_FINDINGS);
	if (n)
		fprintf(stderr, "softcvm: %llu times KVM itself accessed what is a guest's: --findings tells them\n",
			(unsigned long long)n);
	n = counter_read(c, COUNTER_HW_FINDINGS);
	if (n)
		fprintf(stderr, "softcvm: %llu times a rule of the manual was broken: --findings tells them\n",
			(unsigned long long)n);
}

static void count_by_itself(void)
{
	struct stats_slot *slot;
	const char *path = front_stats(&slot);
	int r = slot ? stats_slot_renew(path, slot) : 0;

	if (r)
		log_warn("%s: a child's counters are its parent's (error %d)", path, -r);
}

static void in_child(void)
{
	count_by_itself();
	atomic32_store(&is_writing, 0);
	front_machine_in_child();
	if (front_machine())
		abi_after_fork_child(front_machine());
	front_signals_in_child();
	dir_in_child();
}

static __attribute__((constructor)) void begin(void)
{
	real();
	front_remember_config();
	child_remember();
	front_catch_faults();
	own_cpuid_begin();
	if (sync_at_fork(NULL, NULL, in_child) || at_quick_exit(write_stats))
		log_warn("out of memory: fork and quick_exit will not be noticed");
}

atomic32_t front_is_over;

/* exit(3) and return from main come here, after the program's own atexit functions. */
static __attribute__((destructor)) void end(void)
{
	report_audit();
	report_findings();
	write_stats();
	atomic32_store(&front_is_over, 1);
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
