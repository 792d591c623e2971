/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * machine.h - the inside of struct hw: what all of the machine shares.
 *
 * hw_create() makes memory and no processors; hw_cpu() makes a processor on
 * first use, from machine_alloc(), and puts it into cpus[].  hw_destroy()
 * gives everything back, so a processor needs no end of its own.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "hw/insn/machine.h"
#include "hw/mem/dram.h"
#include "hw/mem/finding.h"
#include "hw/mem/frames.h"
#include "sync/lock.h"
#include "trace/counters.h"

struct cpu;
struct machine_end;
struct machine_piece;
struct psp;
struct tlb;
struct tdx;
struct tmr;

#define HW_FINDINGS_KEPT	64

struct hw {
	struct hw_config	 config;
	struct frames		 frames;
	struct dram		 dram;

	struct mutex		 lock;		/* leaf: cpus, tlbs, pieces, ends, making psp */
	struct cpu		**cpus;		/* config.nr_cpus, NULL until used */
	struct tlb		*tlbs;		/* all that exist; the list only grows */
	struct machine_piece	*pieces;
	struct machine_end	*ends;
	struct psp		*psp;		/* NULL until the first command */
	struct tdx		*tdx;		/* NULL until the first SEAMCALL */

	struct tmr		*tmr_storage;	/* the secure processor's alone */
	atomicptr_t		 tmr;		/* struct tmr, NULL: no SEV-ES */

	struct spinlock		 bus_lock;	/* leaf: LOCK forms over page ends */
	struct spinlock		 findings_lock;	/* leaf: the three below */
	uint64_t		 nr_findings;	/* of rules of a manual */
	uint64_t		 nr_host_findings;	/* of hw/insn/finding.h */
	struct hw_finding	 findings[HW_FINDINGS_KEPT];
};

/*
 * Zeroed page-aligned memory that lives as long as the machine; NULL when
 * there is none.  Untouched pages cost nothing.  Caller holds hw->lock or is
 * alone on the machine.
 */
MUST_CHECK void *machine_alloc_locked(struct hw *hw, size_t size) REQUIRES(hw->lock);

/*
 * @fn runs with @arg when the machine is destroyed, before its memory goes:
 * for what is not memory of machine_alloc().  The last one first.
 */
MUST_CHECK bool machine_at_end_locked(struct hw *hw, void (*fn)(void *), void *arg)
	REQUIRES(hw->lock);

/* Physical address bits that the processor really has: less what encryption takes. */
static inline unsigned machine_phys_bits(const struct hw *hw)
{
	return hw->config.phys_bits - (hw->config.c_bit || hw->config.tdx ? hw->config.phys_reduction : 0u);
}
