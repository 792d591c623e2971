/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pfncache.h - the long-term map: a page of the guest that KVM keeps an address of, until the
 * VMM changes its mapping (spec kvm.md 7.3; docs/facts/pfn-cache.tsv).  Or a page of the VMM
 * that is in no slot (Xen's): a cache is of the one kind or of the other, as it was activated.
 *
 *	read_lock(&gpc->lock);
 *	while (!kvm_gpc_check(gpc, len)) {
 *		read_unlock(&gpc->lock);
 *		if (kvm_gpc_refresh(gpc, len))
 *			return;
 *		read_lock(&gpc->lock);
 *	}
 *	... kvm_gpc_write(gpc, ...) ...
 *	read_unlock(&gpc->lock);
 *
 * GPC-1: what is valid was looked up after the last change of its mapping had ended.
 *
 * All calls but init and fini: kvm->srcu is held.
 */
#pragma once
#include "kvm/host/access.h"

/* Keys: [g] lock; changed with refresh_lock held too, but for valid */
struct gfn_to_pfn_cache {
	struct kvm	*kvm;		/* [c] */
	struct rwlock	 lock;		/* RANK_GPC */
	struct mutex	 refresh_lock;	/* RANK_GPC_REFRESH: one at a time */
	struct list	 link;		/* of kvm->gpcs, while active */
	hva_t		 counted;	/* [refresh_lock] a page that changes are to find; 0: a slot's */
	gpa_t		 gpa;		/* [g] GPC_NO_GPA: of an address */
	uint64_t	 generation;	/* [g] of the memslots that were asked */
	struct kvm_memory_slot *slot;	/* [g] of that generation; NULL: of an address */
	hva_t		 hva;		/* [g] its page's address, 0: no slot */
	unsigned	 offset;	/* [g] in the page */
	hpa_t		 page;		/* [g] what was found there */
	bool		 active;	/* [g] */
	bool		 valid;		/* [g] page is still there; the notifier clears it */
};

#define GPC_NO_GPA	GPA(~0ull)

MUST_CHECK int kvm_gpc_init(struct gfn_to_pfn_cache *gpc, struct kvm *kvm);	/* -ENOMEM */
void kvm_gpc_fini(struct gfn_to_pfn_cache *gpc);	/* not active */

/*
 * 0; -EINVAL: [@gpa, @gpa + @len) crosses a page; -EFAULT: no slot, no host memory for
 * writing, by the RMP a guest's, or refused (kvm/host/policy.h).  After -EFAULT it is active all the same, and is to be deactivated.
 * May block on host memory, and waits for changes of host mappings.
 */
MUST_CHECK int kvm_gpc_activate(struct gfn_to_pfn_cache *gpc, gpa_t gpa, size_t len);
/* The same of the VMM's address @hva; -EINVAL also: no address of a program. */
MUST_CHECK int kvm_gpc_activate_hva(struct gfn_to_pfn_cache *gpc, hva_t hva, size_t len);
/* The same for what it has; -EINVAL also when it is not active. */
MUST_CHECK int kvm_gpc_refresh(struct gfn_to_pfn_cache *gpc, size_t len);
void kvm_gpc_deactivate(struct gfn_to_pfn_cache *gpc);

/* gpc->lock is held, for reading: may @len bytes be used as long as it is? */
MUST_CHECK bool kvm_gpc_check(const struct gfn_to_pfn_cache *gpc, size_t len);
/* gpc->lock held, checked: @at bytes further on.  -EFAULT: by the RMP it is a guest's. */
MUST_CHECK int kvm_gpc_read(const struct gfn_to_pfn_cache *gpc, size_t at, void *data, size_t len);
MUST_CHECK int kvm_gpc_write(const struct gfn_to_pfn_cache *gpc, size_t at, const void *data,
			     size_t len);
void kvm_gpc_mark_dirty(const struct gfn_to_pfn_cache *gpc);

/*
 * The VMM is about to change what is in [@start, @end).  kvm->mn says already that a
 * change is under way; no mmu_lock.
 */
void kvm_gpc_invalidate(struct kvm *kvm, uint64_t start, uint64_t end);
