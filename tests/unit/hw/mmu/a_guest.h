/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * a_guest.h - a machine, one MMU, and a guest with GUEST_SIZE bytes at guest
 * physical 0 in 4 KiB nested pages that allow everything.
 */
#pragma once
#include "hw/mem/a_machine.h"

#include "hw/insn/phys.h"
#include "hw/insn/svm.h"
#include "hw/insn/vmx.h"
#include "hw/mmu/flush.h"
#include "hw/mmu/look.h"
#include "hw/mmu/translate.h"

#define GUEST_SIZE	(8ull << 20)
#define GUEST_PML4	0x1000ull	/* CR3 of the long-mode tables */
#define GUEST_TABLES	0x10000ull	/* further tables from here */

#define P	1ull			/* guest and NPT entries */
#define W	2ull
#define U	4ull
#define A	0x20ull
#define D	0x40ull
#define PS	0x80ull
#define G	0x100ull
#define NX	BIT(63)
#define NPT_ALL	(P | W | U)
#define EPT_ALL	(7ull | 6ull << 3)	/* leaf: RWX, write-back */

struct guest {
	struct hw		*hw;
	struct mmu		*m;
	struct x86_state	state;
	struct mmu_nested	nested;
	uint8_t			*bytes;
	uint64_t		next_table;	/* guest physical */
	struct mmu_page		page;		/* of the last touch() */
	struct mmu_fault	fault;
};

void guest_init(struct guest *g, enum hw_vendor vendor);
void guest_init_on(struct guest *g, struct hw_config config);
void guest_fini(struct guest *g);

/* Takes the state and nested tables as they are now, as a VM entry does. */
void guest_enter(struct guest *g);

/* The nested entry of @level for @gpa, tables above it made as needed. */
hpa_t nested_at(struct guest *g, uint64_t gpa, unsigned level);
void nested_set(struct guest *g, uint64_t gpa, unsigned level, uint64_t entry);
uint64_t nested_get(struct guest *g, uint64_t gpa, unsigned level);
uint64_t nested_all(const struct guest *g);	/* flags of a leaf that allows all */
uint64_t guest_hpa(struct guest *g, uint64_t gpa);

/* The same for the guest's long-mode tables: a word of guest memory. */
uint64_t *guest_entry(struct guest *g, uint64_t linear, unsigned level);
void map(struct guest *g, uint64_t linear, uint64_t target_and_flags, unsigned level);

/* What an instruction's access does: look, then translate. */
enum mmu_result touch(struct guest *g, uint64_t linear, enum mmu_access access);
/* The byte of guest memory that it reached, or -1. */
int64_t reach(struct guest *g, uint64_t linear, enum mmu_access access);
