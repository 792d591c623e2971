/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * translate.h - from a guest's linear address to a byte of the host.
 *
 * One struct mmu belongs to one logical processor and is used by the thread
 * that runs on it.  The guest's control registers are read from its
 * x86_state; whoever changes one says so by the function named after it.
 *
 * Walks are real: guest entries through the nested tables, accessed and dirty
 * bits by LOCK CMPXCHG in the tables' own bytes.  SDM 4 and 29.3, APM vol. 2
 * 5 and 15.25.  Addresses must be canonical (mmu_is_canonical).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "hw/mem/machine.h"
#include "hw/mem/view.h"
#include "hw/mmu/tlb.h"
#include "x86/state.h"

enum mmu_result {
	MMU_OK,
	MMU_GUEST_FAULT,	/* #PF for the guest */
	MMU_GUEST_VC,		/* #VC for the guest: a page that it has not validated */
	MMU_NESTED_FAULT,	/* #NPF, EPT violation */
	MMU_NESTED_MISCONFIG,	/* EPT misconfiguration */
	MMU_HOST_FAULT,		/* the host's mapping is gone or read-only: as a nested
				   fault on an entry that is not present */
};

struct mmu_fault {
	enum mmu_result	result;
	uint32_t	pf_error;	/* MMU_GUEST_FAULT, MMU_GUEST_VC; CR2 is the linear address */
	gpa_t		gpa;		/* all others */
	uint64_t	info;		/* AMD: EXITINFO1; Intel: exit qualification */
};

struct mmu_page {
	void		*host;		/* of the byte asked for; good to the end of its page */
	gpa_t		gpa;
	hpa_t		hpa;
};

/* The nested tables of one entry to guest mode. */
struct mmu_nested {
	uint32_t	asid;		/* ASID or VPID, > 0 */
	hpa_t		root;
	hpa_t		shared_root;	/* for guest physical addresses with @shared_bit */
	uint64_t	shared_bit;	/* as a mask; 0: @root is for all */
	uint8_t		levels;		/* 4 or 5 */
	bool		ad;		/* EPT: accessed and dirty flags are on; NPT: always */
	keyslot_t	key;		/* AMD: the guest's memory is encrypted (APM vol. 2 15.34), 0: not */
	bool		snp;		/* SNP-active: private memory is checked by the RMP */
	uint8_t		vmpl;
};

struct mmu {
	struct tlb		tlb;
	struct hw		*hw;
	const struct x86_state	*state;
	struct mmu_nested	nested;
	bool			amd;
	bool			in_guest;	/* between mmu_enter and mmu_leave */
	bool			checks_alignment;	/* of data accesses, in the current mode */
	uint8_t			guest_phys_bits;
	uint64_t		npt_reserved;	/* address bits that nested entries may not have */
	uint64_t		npt_c_bit;	/* AMD: the encryption bit, no part of an address */
	uint64_t		guest_c_bit;	/* the same in the tables of a guest with a key, else 0 */
	uint8_t			*void_page;	/* all ones: where there is no frame */
};

/*
 * @m is zeroed and lives as long as @hw (machine_alloc_locked), for retirement
 * looks at its TLB.  False when out of memory.
 */
MUST_CHECK bool mmu_init(struct mmu *m, struct hw *hw) REQUIRES(hw->lock);

/* Into guest mode with @state (read until mmu_leave), and out of it. */
void mmu_enter(struct mmu *m, const struct mmu_nested *nested, const struct x86_state *state);
void mmu_leave(struct mmu *m);

/*
 * After a miss: walks, sets accessed and dirty bits, fills the TLB.  The
 * access must not cross a page.  On anything but MMU_OK nothing is filled,
 * *@fault says why, and what the TLB knew of the address is forgotten.
 */
MUST_CHECK enum mmu_result mmu_translate(struct mmu *m, uint64_t linear, enum mmu_access access,
					 struct mmu_page *page, struct mmu_fault *fault);

/*
 * Where a read of one byte at CPL 0 leads, without the RMP's say: what PVALIDATE
 * and its kin work on.  MMU_OK, or *@fault as above.
 */
struct mmu_target {
	gpa_t		gpa;
	hpa_t		hpa;
	enum pg_level	level;		/* of the nested entry */
	bool		shared;		/* no C-bit */
};
MUST_CHECK enum mmu_result mmu_locate(struct mmu *m, uint64_t linear, struct mmu_target *out,
				      struct mmu_fault *fault);

/*
 * The access through a pointer of ours faulted in the host: fills *@fault for
 * MMU_HOST_FAULT and forgets the translation.
 */
void mmu_host_fault(struct mmu *m, uint64_t linear, enum mmu_access access,
		    struct mmu_fault *fault);

/* Canonical for the current paging mode (48 or 57 bits); all are outside long mode. */
static ALWAYS_INLINE bool mmu_is_canonical(const struct mmu *m, uint64_t linear)
{
	unsigned shift = m->state->cr4 & X86_CR4_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(linear << shift) >> shift) == linear;
}

/* What software did to the state, after the state has the new value. */
void mmu_mode_changed(struct mmu *m);	/* CPL, RFLAGS.AC, CR0.WP, CR4.SMAP: masks only */
void mmu_cr0_written(struct mmu *m, uint64_t old);
void mmu_cr3_written(struct mmu *m, bool keep);	/* @keep: bit 63 of the operand, with PCIDE */
void mmu_cr4_written(struct mmu *m, uint64_t old);
void mmu_efer_written(struct mmu *m, uint64_t old);
void mmu_invlpg(struct mmu *m, uint64_t linear);

enum mmu_invpcid { MMU_INVPCID_ADDRESS, MMU_INVPCID_SINGLE, MMU_INVPCID_ALL_GLOBAL,
		   MMU_INVPCID_ALL };
void mmu_invpcid(struct mmu *m, enum mmu_invpcid type, uint16_t pcid, uint64_t linear);
