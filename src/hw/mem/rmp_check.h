/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rmp_check.h - may this access be?  APM vol. 2 15.36.10, tables 15-39 and
 * 15-41: pure functions of what rmp_look() saw.
 *
 * All of it comes after the checks of page tables and has lower priority.
 */
#pragma once
#include "hw/mem/rmp.h"

enum rmp_who {
	RMP_HOST,		/* not in guest mode; nested-table writes of the walker */
	RMP_GUEST,		/* a guest without SEV */
	RMP_SEV_GUEST,		/* SEV or SEV-ES, not SNP-active */
	RMP_SNP_GUEST,
};

enum rmp_what {
	RMP_READ,
	RMP_WRITE,
	RMP_FETCH,
	RMP_TABLE_READ,		/* of a page-table entry, by the walker */
	RMP_TABLE_WRITE,	/* its accessed and dirty bits */
	RMP_NESTED_WRITE,	/* accessed and dirty bits of a nested entry */
};

struct rmp_access {
	enum rmp_who	who;
	enum rmp_what	what;
	bool		c_bit;		/* of the guest's last entry; forced for fetches and tables */
	bool		user;		/* CPL 3 (for a fetch, and a host's error code) */
	uint8_t		vmpl;
	uint16_t	asid;		/* of the guest */
	enum pg_level	level;		/* of the nested entry, or of the host's mapping */
	uint64_t	gpa;		/* translated, without C-bit; any byte of the page */
	bool		for_table;	/* RMP_NESTED_WRITE: on the way to a guest's table */
};

enum rmp_verdict {
	RMP_PASS,
	RMP_PF,			/* #PF of the host, @info is the error code */
	RMP_NPF,		/* #VMEXIT(NPF), @info is EXITINFO1 */
	RMP_VC,			/* #VC in the guest, @info is the error code, CR2 the linear address */
};

/* Why, for messages; the first check that failed. */
enum rmp_reason {
	RMP_REASON_NONE,
	RMP_NOT_COVERED,
	RMP_NOT_OWNED,		/* not this guest's */
	RMP_NOT_HYPERVISORS,
	RMP_OTHER_GPA,
	RMP_NOT_MUTABLE,
	RMP_OTHER_SIZE,
	RMP_IS_BUSY,		/* in use, or being changed */
	RMP_NOT_VALIDATED,
	RMP_NO_PERMISSION,
};

struct rmp_outcome {
	enum rmp_verdict verdict;
	enum rmp_reason	 reason;
	uint64_t	 info;
};

#define RMP_VC_NOT_VALIDATED	0x404u

MUST_CHECK struct rmp_outcome rmp_check(const struct rmp_page *p, const struct rmp_access *a);

/*
 * RMP-Covered, Guest-Owned, Reverse-Map, Mutable: what a guest's access and its
 * PVALIDATE and RMPADJUST have in common.  Page-Size is apart.
 */
MUST_CHECK enum rmp_reason rmp_check_owner(const struct rmp_page *p, uint16_t asid, uint64_t gpa);
/* EXITINFO1 of an SNP guest's RMP fault by @a, with the bits of @more. */
MUST_CHECK uint64_t rmp_npf_info(const struct rmp_access *a, uint64_t more);

/* VMRUN's structures (table 15-41); VMSAVE's target and VM_HSAVE_PA as RMP_VMCB. */
enum rmp_structure { RMP_VMCB, RMP_AVIC_PAGE, RMP_VMSA_PAGE, RMP_SNP_VMSA_PAGE };
enum rmp_vmrun { RMP_VMRUN_PASS, RMP_VMRUN_GP, RMP_VMRUN_INVALID };
MUST_CHECK enum rmp_vmrun rmp_check_structure(const struct rmp_page *p, enum rmp_structure what,
					      uint16_t asid);
