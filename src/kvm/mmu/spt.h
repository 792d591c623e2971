/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * spt.h - page-table pages: the header that KVM keeps of each, how it is found
 * again from the page's address, roles, and how a page ends.
 *
 * A page is linked by writing its parent's entry, unlinked by replacing that
 * entry, and freed after a grace period.  Whoever unlinks pages that a
 * processor may be walking does the remote flush inside the same RCU section,
 * so that the grace period ends after the shootdown.  Spec kvm.md 4.2.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/bits.h"
#include "base/list.h"
#include "kvm/core/kvm.h"

/* What a page-table page is for; two roots with equal roles are one root. */
#define SPT_ROLE_LEVEL_HI	3
#define SPT_ROLE_LEVEL_LO	0
#define SPT_ROLE_DIRECT		BIT(7)
#define SPT_ROLE_ACCESS_ALL	(7ull << 8)
#define SPT_ROLE_EFER_NX	BIT(12)
#define SPT_ROLE_MIRROR		BIT(19)
#define SPT_ROLE_AS_ID_HI	31
#define SPT_ROLE_AS_ID_LO	24

struct kvm_mmu_page {
	struct list	link;		/* roots: [p]; spare ones: next only */
	struct kvm_module *module;	/* [c] */
	hpa_t		spt;		/* [c] the table */
	hpa_t		external_spt;	/* [c] mirrors, but for roots: lent to the VM type */
	atomic32_t	role;		/* [a] without "invalid"; set last before linking */
	gfn_t		gfn;		/* [c] first one covered, without direct bits */
	hpa_t		ptep;		/* [c] the parent's entry; HPA_INVALID: a root */
	atomic32_t	nx_disallowed;	/* [a] set before linking: here so that an executable page is no huge one */
	struct list	nx_link;	/* [p] next NULL: a huge page was not possible anyway */
	/* Roots only: */
	atomic32_t	refs;		/* [a] 0: about to be freed */
	atomic32_t	invalid;	/* [m] nobody may load or extend it */
	bool		zap_scheduled;	/* [m] our own reference is still to be dropped */
	uint64_t	audited;	/* [m] the number of the last audit that came by */
	struct rcu_head	rcu;
};

static inline uint32_t spt_role(const struct kvm_mmu_page *sp)
{
	return atomic32_load_acquire(&sp->role);
}

static inline uint8_t spt_level(const struct kvm_mmu_page *sp)
{
	return FIELD_GET(SPT_ROLE_LEVEL, spt_role(sp));
}

static inline unsigned spt_as_id(const struct kvm_mmu_page *sp)
{
	return FIELD_GET(SPT_ROLE_AS_ID, spt_role(sp));
}

static inline bool spt_is_mirror(const struct kvm_mmu_page *sp)
{
	return spt_role(sp) & SPT_ROLE_MIRROR;
}

static inline bool spt_is_invalid(const struct kvm_mmu_page *sp)
{
	return atomic32_load_acquire(&sp->invalid);
}

/* One level down, all else equal. */
static inline uint32_t spt_child_role(const struct kvm_mmu_page *root, uint8_t parent_level)
{
	return (spt_role(root) & ~(uint32_t)FIELD_MASK(SPT_ROLE_LEVEL)) | (parent_level - 1u);
}

/* All pages of all VMs, by address: kvm_mmu_module_init makes it. */
MUST_CHECK int spt_index_create(struct kvm_module *module);
void spt_index_destroy(struct kvm_module *module);
/*
 * The header of the table at @spt, which is alive (RCU or mmu_lock write);
 * NULL: there is no such table.  Lock-free.
 */
struct kvm_mmu_page *spt_of(const struct kvm_module *module, hpa_t spt);

/* A table of non-present entries, not linked.  @external: with a page for its image. */
struct kvm_mmu_page *spt_create(struct kvm_module *module, bool external);	/* NULL: no memory */
/* Was never linked. */
void spt_destroy(struct kvm_mmu_page *sp);
/* Was linked: after a grace period. */
void spt_free_rcu(struct kvm_mmu_page *sp);

/* A vCPU's spare tables of a kind, so that nothing is allocated under mmu_lock.  -ENOMEM. */
MUST_CHECK int spt_cache_fill(struct kvm_vcpu *vcpu, bool mirror);
struct kvm_mmu_page *spt_cache_take(struct kvm_vcpu *vcpu, bool mirror);
void spt_cache_give_back(struct kvm_vcpu *vcpu, struct kvm_mmu_page *sp);
void spt_cache_empty(struct kvm_vcpu *vcpu);
