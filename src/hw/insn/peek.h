/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * peek.h - looking behind the wall without side effects, for tests, the
 * auditor, the explorer and the command line; never for KVM's decisions.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "hw/insn/phys.h"
#include "hw/insn/rmp.h"

struct hw;
struct cpu;

struct peek_tlb_entry {
	uint32_t	tag;		/* ASID or VPID */
	uint64_t	root;		/* nCR3 or EPTP */
	uint64_t	shared_root;	/* Intel: of the shared-EPT pointer, or root */
	uint64_t	cr3;
	gva_t		linear;
	gpa_t		guest;
	hpa_t		host;
	bool		user, write, execute, global, dirty;
};

/* Calls @fn for each valid entry of @cpu, which must not be running. */
void peek_tlb(const struct cpu *cpu, void (*fn)(const struct peek_tlb_entry *e, void *arg),
	      void *arg);

/* The bytes behind a physical address; NULL without a frame. */
const void *peek_phys(struct hw *hw, hpa_t a);

/* How many of the frames of [@a, @a + @size), within one gigabyte, exist. */
uint64_t peek_frames(struct hw *hw, hpa_t a, uint64_t size);
/* What is known of the host's mapping at @host; asking changes nothing. */
struct phys_mapping peek_mapping(struct hw *hw, const void *host);

/* Pages of DRAM handed out and not freed; frames published and not retired. */
size_t peek_dram_pages(const struct hw *hw);

/*
 * The RMP's own entry of the page at @a (of a page within 2M: not the one that
 * counts).  False: not covered, or no RMP.  The past: newest first, how many.
 */
MUST_CHECK bool peek_rmp(struct hw *hw, hpa_t a, struct rmp_entry *out);
size_t peek_rmp_history(struct hw *hw, hpa_t a, struct rmp_past out[RMP_HISTORY]);
/* The same for people: number, owner, and the last three events. */
void peek_rmp_text(struct hw *hw, hpa_t a, char *to, size_t size);
/* Which rule (I1 to I6, docs/design/rmp.md) the entries of the 2 MiB around @a break; NULL: none. */
const char *peek_rmp_wrong(struct hw *hw, hpa_t a);
/* How many 4K pages the RMP has under @asid. */
uint64_t peek_rmp_asid_pages(struct hw *hw, uint16_t asid);
