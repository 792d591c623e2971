/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * audit.h - the auditor: looks at a live VM and says which guarantees do not
 * hold (docs/guarantees.md; spec kvm.md 10).
 *
 * It changes nothing.  What it looks at may be in use: it takes the locks
 * that KVM itself would, so that whatever it sees is settled.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/core/memslot.h"

struct cpu;
struct kvm_mmu_page;

enum kvm_guarantee {
#define X(id, name, title) KVM_GUARANTEE_##id,
#include "kvm/mmu/guarantees.def"
#undef X
	NR_KVM_GUARANTEES
};

const char *kvm_guarantee_name(enum kvm_guarantee g);
const char *kvm_guarantee_title(enum kvm_guarantee g);

struct kvm_audit_finding {
	enum kvm_guarantee guarantee;
	gfn_t		gfn;
	char		text[112];
};

/* An entry of an external table, whoever keeps it and in whatever format. */
struct kvm_external_entry {
	bool	present, leaf;
	hpa_t	address;	/* of the page, or of the next external table */
};

struct kvm_audit {
	struct kvm	*kvm;
	gfn_t		 start, end;	/* what is looked at */
	bool		 at_end;	/* nobody will use the VM any more */

	/*
	 * Where a private gfn of @slot has its bytes, and how large a mapping of
	 * it may be; NULL: there is no such page.  Left NULL, no private page
	 * is compared.
	 */
	const void	*(*private_bytes)(const struct kvm_memory_slot *slot, gfn_t gfn,
					  uint8_t *max_level);
	/*
	 * Entry @index of the external table behind @sp, which is a mirror's.  Set by
	 * kvm_audit_init where KVM loads the external root itself.
	 */
	struct kvm_external_entry (*external)(struct kvm *kvm, const struct kvm_mmu_page *sp,
					      unsigned index);

	size_t		 nr_findings;	/* all of them */
	size_t		 nr_kept;	/* of them in findings[] */
	struct kvm_audit_finding *findings;	/* owned */
};

/* The whole VM: GFN(0) to GFN(~0).  Totals are compared then only. */
void kvm_audit_init(struct kvm_audit *a, struct kvm *kvm, gfn_t start, gfn_t end);
void kvm_audit_fini(struct kvm_audit *a);

static inline bool kvm_audit_is_whole(const struct kvm_audit *a)
{
	return !a->start.v && a->end.v == ~0ull;
}

/* One thing that is not as it should be.  Any lock may be held. */
void kvm_audit_add(struct kvm_audit *a, enum kvm_guarantee g, gfn_t gfn, const char *fmt, ...)
	PRINTF(4, 5);

/* Tables, roots, bracket and totals.  slots_lock held; takes mmu_lock for writing. */
void kvm_mmu_audit(struct kvm_audit *a);

/*
 * What @cpu remembers for @vcpu.  On the vCPU's own thread, with @cpu loaded,
 * outside the guest, every flush that was asked for done; takes mmu_lock.
 */
void kvm_mmu_audit_tlb(struct kvm_audit *a, struct kvm_vcpu *vcpu, const struct cpu *cpu);

/*
 * Counts, logs each finding ("MMU-I1: gfn 0x100: ..."), and stops the program
 * in a build with the option `audit`, unless the VM has been given up.
 */
void kvm_audit_report(const struct kvm_audit *a);
