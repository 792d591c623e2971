/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rmp.h - the reverse map table and the host's instructions on it.  APM vol. 2
 * 15.36, vol. 3; docs/design/rmp.md.
 *
 * There is one on a machine with config.snp (SYSCFG.SNPEn); without, the
 * instructions do not exist (RMP_UD).  Each is atomic.  Any thread, no leaf
 * lock held, not inside an RCU section.  RMP_FAIL_INUSE, and RMP_FAIL_OVERLAP while somebody works
 * on another page of the same 2 MiB, pass: software tries again.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/macros.h"

struct hw;

#define RMP_NR_VMPLS	4u

enum rmp_status {			/* EAX */
	RMP_UD			= -1,	/* #UD: no SNP on this machine */
	RMP_SUCCESS		= 0,
	RMP_FAIL_INPUT		= 1,
	RMP_FAIL_PERMISSION	= 2,
	RMP_FAIL_INUSE		= 3,
	RMP_FAIL_OVERLAP	= 4,
	RMP_FAIL_SIZEMISMATCH	= 6,
	RMP_FAIL_BADADDR	= 7,
};

/* The memory operand of RMPUPDATE and RMPREAD. */
struct rmp_operand {
	uint64_t	gpa;
	uint8_t		assigned;	/* bit 0 */
	uint8_t		page_size;	/* bit 0: 2 MiB; bit 1, RMPREAD's: others of the 2 MiB
					 * are assigned */
	uint8_t		immutable;	/* bit 0 */
	uint8_t		reserved;
	uint32_t	asid;
};

#define RMP_OPERAND_2M		1u
#define RMP_OPERAND_OTHERS	2u

/* The low 12 bits of @page are ignored. */
MUST_CHECK enum rmp_status rmpupdate(struct hw *hw, hpa_t page, const struct rmp_operand *to);
MUST_CHECK enum rmp_status psmash(struct hw *hw, hpa_t page);
MUST_CHECK enum rmp_status rmpread(struct hw *hw, hpa_t page, struct rmp_operand *out);

/*
 * What the processor does when the host stores at @a through a mapping of
 * @level: 0, or the error code of its #PF (bit 31: RMP).  Reads never fault.
 */
MUST_CHECK uint64_t rmp_host_store(struct hw *hw, hpa_t a, enum pg_level level, bool user);
/*
 * The same for the byte that the process has at @host, mapped by pages of @level: what has
 * no frame is nobody's.  Without an RMP, or without an entry that has changed in its
 * gigabyte, a few loads.
 */
MUST_CHECK uint64_t rmp_host_store_at(struct hw *hw, const void *host, enum pg_level level,
				      bool user);

/* One entry, in the clear. */
struct rmp_entry {
	bool		covered;	/* by the table; if not, all else is 0 */
	bool		assigned;
	bool		is_2m;
	bool		immutable;
	bool		vmsa;
	bool		validated;
	bool		in_use;		/* by a VMRUN */
	uint16_t	subpages;	/* first page of 2 MiB: others that are assigned by 4K */
	uint16_t	asid;		/* assigned and 0: the secure processor's */
	uint64_t	gpa;
	uint8_t		perm[RMP_NR_VMPLS];	/* RMP_PERM_* */
};

#define RMP_PERM_READ	(1u << 0)
#define RMP_PERM_WRITE	(1u << 1)
#define RMP_PERM_XU	(1u << 2)
#define RMP_PERM_XS	(1u << 3)
#define RMP_PERM_SSS	(1u << 4)
#define RMP_PERM_ALL	0x1fu

/* What an entry has been through. */
enum rmp_event {
	RMP_EVENT_NONE,
	RMP_EVENT_ASSIGNED,		/* RMPUPDATE */
	RMP_EVENT_PREPARED,		/* RMPUPDATE, immutable */
	RMP_EVENT_RELEASED,		/* RMPUPDATE, to the hypervisor */
	RMP_EVENT_SMASHED,		/* PSMASH */
	RMP_EVENT_VALIDATED,		/* PVALIDATE */
	RMP_EVENT_RESCINDED,		/* PVALIDATE */
	RMP_EVENT_ADJUSTED,		/* RMPADJUST */
	RMP_EVENT_LAUNCHED,		/* the secure processor: measured and validated */
	RMP_EVENT_FIRMWARE,		/* the secure processor: another state of its own */
	RMP_EVENT_RECLAIMED,		/* the secure processor: SNP_PAGE_RECLAIM */
	RMP_EVENT_UNSMASHED,		/* the secure processor: SNP_PAGE_UNSMASH */
	RMP_EVENT_RETIRED,		/* the memory went away under it */
};

#define RMP_HISTORY	3

struct rmp_past {
	enum rmp_event	event;
	uint16_t	asid;		/* owner afterwards */
	bool		is_2m;
};
