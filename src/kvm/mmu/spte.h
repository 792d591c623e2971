/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spte.h - one entry of a nested page table, as KVM writes and reads it.
 *
 * Values, no state.  What differs between NPT and EPT, and between machines,
 * is in struct spte_layout.  Spec kvm.md 3.
 *
 * Common software bits (all layouts; [x] EPT position, (y) NPT position):
 *
 *   63         62:52        51:12      11           10:8         7    6:3  2:0
 *  [SVE|NX]  [58 MMU_W     address    MMU_PRESENT  (10 MMU_W    PS    ..   ..]
 *             57 HOST_W]                           (9 HOST_W)
 *
 * A present entry has MMU_PRESENT.  Without it there are exactly three kinds:
 * SPTE_NONPRESENT, SPTE_FROZEN (owned by one writer, who will replace it) and
 * MMIO entries, which name a gfn and the memslots generation they are true for:
 *
 *   63         62:52      51:12   11  10:3      2:0
 *  [value     gen[18:8]   gpa     0   gen[7:0]  value or access]
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bits.h"
#include "base/page.h"
#include "kvm/core/kvm.h"

typedef struct { uint64_t v; } spte_t;

#define SPTE(x)			((spte_t){ (x) })

#define SPTE_WRITABLE		BIT(1)
#define SPTE_PAGE_SIZE		BIT(7)		/* a leaf above 4K */
#define SPTE_MMU_PRESENT	BIT(11)
#define SPTE_ADDRESS		BITS(51, 12)

#define SPTE_NONPRESENT		SPTE(BIT(63))
#define SPTE_FROZEN		SPTE(BIT(63) | 0x5a0)

#define SPTE_MMIO_GEN_LOW_HI	10
#define SPTE_MMIO_GEN_LOW_LO	3
#define SPTE_MMIO_GEN_HIGH_HI	62
#define SPTE_MMIO_GEN_HIGH_LO	52
#define SPTE_MMIO_GEN_BITS	19
#define SPTE_MMIO_GEN_MASK	(BIT(SPTE_MMIO_GEN_BITS) - 1)
#define SPTE_MMIO_ALLOWED	(BIT(63) | BITS(51, 12) | BITS(2, 0))

static_assert((SPTE_MMIO_GEN_LOW_HI - SPTE_MMIO_GEN_LOW_LO + 1) +
	      (SPTE_MMIO_GEN_HIGH_HI - SPTE_MMIO_GEN_HIGH_LO + 1) == SPTE_MMIO_GEN_BITS,
	      "the two halves hold the generation");

/* Bits of this machine's tables.  [c] after module load */
struct spte_layout {
	bool		is_ept;
	uint8_t		root_level;	/* 4, or 5 when guests can have more than 48 bits */
	uint64_t	present;	/* set in every present entry */
	uint64_t	user;		/* EPT: readable */
	uint64_t	x, nx;		/* one of them is 0 */
	uint64_t	accessed, dirty;
	uint64_t	host_writable;	/* the host lets us write; constant while present */
	uint64_t	mmu_writable;	/* KVM may make it writable without asking */
	uint64_t	memtype;	/* leaves only */
	uint64_t	me;		/* memory encryption of the host's own */
	uint64_t	mmio_value, mmio_mask, mmio_access;
};

struct spte_leaf {			/* what a leaf is made of */
	hpa_t		page;
	uint8_t		level;
	bool		writable;	/* and so host- and MMU-writable */
	bool		prefetch;	/* nobody has asked for it yet: not Accessed */
	bool		nx;		/* not executable */
};

spte_t spte_make_leaf(const struct spte_layout *l, const struct spte_leaf *what);
spte_t spte_make_nonleaf(const struct spte_layout *l, hpa_t table);
/* Child @index (0 to 511) of the huge leaf @huge of @level; executable if it is 4K. */
spte_t spte_make_split_child(const struct spte_layout *l, spte_t huge, uint8_t level,
			     unsigned index);

/* @generation: of the memslots; the in-progress flag is not kept. */
spte_t spte_make_mmio(const struct kvm *kvm, gfn_t gfn, uint64_t generation);
bool spte_is_mmio(const struct kvm *kvm, spte_t spte);
gfn_t spte_mmio_gfn(const struct kvm *kvm, spte_t spte);
uint64_t spte_mmio_generation(spte_t spte);

/* May this present leaf be used for such an access? */
bool spte_allows(const struct spte_layout *l, spte_t spte, bool write, bool exec);
/* The last check before @write sets W in it without the lock. */
bool spte_can_be_made_writable(const struct spte_layout *l, spte_t spte);

static inline bool spte_is_present(spte_t spte)
{
	return spte.v & SPTE_MMU_PRESENT;
}

static inline bool spte_is_frozen(spte_t spte)
{
	return spte.v == SPTE_FROZEN.v;
}

/* Of a present entry at @level. */
static inline bool spte_is_leaf(spte_t spte, uint8_t level)
{
	return level == PG_LEVEL_4K || (spte.v & SPTE_PAGE_SIZE);
}

static inline bool spte_is_present_leaf(spte_t spte, uint8_t level)
{
	return spte_is_present(spte) && spte_is_leaf(spte, level);
}

static inline bool spte_is_writable(spte_t spte)
{
	return spte.v & SPTE_WRITABLE;
}

static inline hpa_t spte_address(const struct spte_layout *l, spte_t spte)
{
	return HPA(spte.v & SPTE_ADDRESS & ~l->me);
}

/*
 * The layout of a machine: its vendor's tables, and the MMIO value that its
 * physical width and C-bit leave room for (0: none, so no MMIO caching).
 */
void spte_layout_init(struct spte_layout *l, const struct hw_config *config);
/* Can MMIO entries of this layout never be taken for something else? */
bool spte_layout_can_cache_mmio(const struct spte_layout *l);
