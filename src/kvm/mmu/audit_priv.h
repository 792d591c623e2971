/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* audit_priv.h - the parts of kvm_mmu_audit().  mmu_lock write and RCU. */
#pragma once
#include "kvm/mmu/audit.h"
#include "kvm/mmu/spt.h"
#include "kvm/mmu/spte.h"

/* One root on the way down. */
struct audit_walk {
	struct kvm_audit *audit;
	const struct kvm_mmu_page *root;
	uint64_t	number;		/* of this audit: tables seen carry it */
	uint64_t	nr_tables;	/* below roots */
	uint64_t	nr_huge[PG_LEVEL_MAX_LEAF + 1];
};

/* All tables below @w->root that the audit's range touches. */
void audit_root(struct audit_walk *w);
/* The entry @spte at @level for @gfn, which is no table. */
void audit_leaf(struct audit_walk *w, spte_t spte, gfn_t gfn, uint8_t level);
void audit_nonpresent(struct audit_walk *w, spte_t spte, gfn_t gfn, uint8_t level);
/* Entry @index of @sp against the external table.  @child: the table it leads to, or NULL. */
struct kvm_external_entry audit_external_ept(struct kvm *kvm, const struct kvm_mmu_page *sp,
					     unsigned index);
void audit_external(struct audit_walk *w, const struct kvm_mmu_page *sp, unsigned index,
		    spte_t spte, const struct kvm_mmu_page *child);
