/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fault.h - one nested page fault, from the exit to the entry installed.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/core/memslot.h"

/* Page-fault error code, KVM's 64-bit form (spec kvm.md 2.1). */
#define PFERR_PRESENT		BIT(0)
#define PFERR_WRITE		BIT(1)
#define PFERR_USER		BIT(2)
#define PFERR_RSVD		BIT(3)
#define PFERR_FETCH		BIT(4)
#define PFERR_PK		BIT(5)
#define PFERR_GUEST_RMP		BIT(31)
#define PFERR_GUEST_FINAL	BIT(32)
#define PFERR_GUEST_PAGE	BIT(33)
#define PFERR_GUEST_ENC		BIT(34)
#define PFERR_GUEST_SIZEM	BIT(35)
#define PFERR_GUEST_VMPL	BIT(36)
#define PFERR_IMPLICIT_ACCESS	BIT(48)
#define PFERR_PRIVATE_ACCESS	BIT(49)

/* Never negative, so that a -errno can travel in the same int. */
enum ret_pf {
	RET_PF_CONTINUE,	/* not decided yet, go on */
	RET_PF_RETRY,		/* let the guest fault again */
	RET_PF_EMULATE,		/* MMIO: emulate the instruction */
	RET_PF_WRITE_PROTECTED,
	RET_PF_INVALID,		/* the fast path has no answer */
	RET_PF_FIXED,
	RET_PF_SPURIOUS,
};

/* kvm_pfn: where the page is, as a physical address; not a pfn value. */
enum kvm_page_kind {
	KVM_PAGE_NONE,		/* not looked up */
	KVM_PAGE_NOSLOT,	/* emulated MMIO */
	KVM_PAGE_MEMORY,
};

struct kvm_page_fault {
	/* What happened; set once. */
	gpa_t		addr;
	uint64_t	error_code;
	bool		exec, write, present, rsvd, user;
	bool		prefetch;
	bool		is_private;
	uint8_t		max_level;	/* never map larger */

	/* Found on the way. */
	gfn_t		gfn;		/* without direct bits */
	struct kvm_memory_slot *slot;	/* NULL: none */
	uint64_t	mmu_seq;	/* snapshot of kvm->inv.seq */
	enum kvm_page_kind kind;
	hpa_t		page;		/* of gfn, 4K aligned; KVM_PAGE_MEMORY only */
	uint8_t		host_level;	/* size of the host's mapping or gmem folio */
	bool		map_writable;
	bool		nx_workaround;	/* huge pages are not executable here */
	bool		huge_disallowed;	/* and this one wants to execute */
	uint8_t		req_level;	/* what could be mapped but for that */
	uint8_t		goal_level;	/* what was installed */
};
