/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * counters.h - numbers about a machine: declared once, added to by any
 * thread without sharing cache lines, read by anyone above.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* X(identifier, "name in reports") */
#define TRACE_COUNTERS(X)						\
	X(IOCTLS,		"ioctls")				\
	X(VMS,			"vms")					\
	X(VCPUS,		"vcpus")				\
	X(GUEST_INSTRUCTIONS,	"guest_instructions")			\
	X(GUEST_ENTRIES,	"guest_entries")			\
	X(EXITS_TO_USER,	"exits_to_user")			\
	X(PAGE_FAULTS,		"page_faults")				\
	X(MEMORY_FAULT_EXITS,	"memory_fault_exits")			\
	X(MMIO_EXITS,		"mmio_exits")				\
	X(IO_EXITS,		"io_exits")				\
	X(HYPERCALL_EXITS,	"hypercall_exits")			\
	X(SPTES_INSTALLED,	"sptes_installed")			\
	X(SPTES_ZAPPED,		"sptes_zapped")				\
	X(TLB_FILLS,		"tlb_fills")				\
	X(TLB_FLUSHES,		"tlb_flushes")				\
	X(REMOTE_FLUSHES,	"remote_flushes")			\
	X(CONVERSIONS,		"attribute_changes")			\
	X(BLOCKS_DECODED,	"blocks_decoded")			\
	X(ENCRYPTED_PAGES,	"encrypted_pages")			\
	X(DECRYPTED_PAGES,	"decrypted_pages")			\
	X(LOOKS,		"looks")				\
	X(HW_FINDINGS,		"hw_findings")				\
	X(HOST_ACCESS_FINDINGS,	"host_access_findings")			\
	X(RMP_FAULTS,		"rmp_faults")				\
	X(RMP_FAULTS_IN_VAIN,	"rmp_faults_in_vain")			\
	X(PSMASHES,		"psmashes")				\
	X(NESTED_DEMOTIONS,	"nested_demotions")			\
	X(LEAKED_PAGES,		"leaked_pages")				\
	X(HOST_SIZE_QUESTIONS,	"host_size_questions")			\
	X(HOST_SPLITS,		"host_splits")				\
	X(AUDITS,		"audits")				\
	X(AUDIT_FINDINGS,	"audit_findings")

enum counter_id {
#define AS_ENUM(id, name) COUNTER_##id,
	TRACE_COUNTERS(AS_ENUM)
#undef AS_ENUM
	NR_COUNTERS
};

struct counters;		/* one shard (cache lines of its own) a thread */

/* @nr numbers, all 0.  Owned by the caller; NULL when out of memory. */
MUST_CHECK struct counters *counters_create(unsigned nr);
void counters_destroy(struct counters *c);

/*
 * The same in @size bytes of zeroed memory of the caller's, aligned to a cache
 * line; NULL when it is too small.  Others may read it there, a process after
 * the end of ours too; one process at a time adds.  Gone with the memory.
 */
struct counters *counters_place(void *at, size_t size, unsigned nr);

/* Any thread, async-signal-safe, wait-free.  @id: enum counter_id in a machine's. */
void counter_add(struct counters *c, unsigned id, uint64_t n);

/* Sum over all shards: exact when nobody adds at the moment. */
uint64_t counter_read(const struct counters *c, unsigned id);
const char *counter_name(enum counter_id id);
