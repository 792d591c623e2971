/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cached.h - the accessors by a translation that is kept: gpa to host address, good for one
 * generation of the memslots, looked up again by itself (spec kvm.md 7.1;
 * docs/facts/host-access.tsv: cache-init, read-cached, write-cached).
 *
 * Same rules as access.h.  One cache: one thread at a time.  It owns nothing.
 */
#pragma once
#include "kvm/host/access.h"

#define KVM_HVA_BAD	HVA(~0ull)

/* Of zeros: nothing is cached, all accesses of a byte or more are -EINVAL. */
struct gfn_to_hva_cache {
	uint64_t	 generation;	/* of the memslots that were asked */
	hva_t		 hva;		/* of the byte at @gpa; KVM_HVA_BAD: there is none to write to */
	gpa_t		 gpa;
	size_t		 len;		/* bytes that may be accessed */
	struct kvm_memory_slot *memslot;/* of @generation; NULL: over the end of a page, done by access.h */
};

/*
 * Every page of [@gpa, @gpa + @len) is asked for as for writing; the address itself is not touched,
 * and making a cache is no access.  -EINVAL: wraps, or nothing in front of a page; -EFAULT: a page
 * has no slot, or a read-only one.  gpa and len are as before when it fails.
 */
MUST_CHECK int kvm_gfn_to_hva_cache_init(struct kvm *kvm, struct gfn_to_hva_cache *ghc, gpa_t gpa,
					 size_t len);

/*
 * [gpa + @offset, + @len).  -EINVAL, before all else: more than the cache has; -EFAULT as
 * access.h, also when the slots have changed and the range has lost a page.
 */
MUST_CHECK int kvm_read_guest_offset_cached(struct kvm *kvm, struct gfn_to_hva_cache *ghc,
					    void *data, size_t offset, size_t len);
MUST_CHECK int kvm_write_guest_offset_cached(struct kvm *kvm, struct gfn_to_hva_cache *ghc,
					     const void *data, size_t offset, size_t len);

MUST_CHECK static inline int kvm_read_guest_cached(struct kvm *kvm, struct gfn_to_hva_cache *ghc,
						   void *data, size_t len)
{
	return kvm_read_guest_offset_cached(kvm, ghc, data, 0, len);
}

MUST_CHECK static inline int kvm_write_guest_cached(struct kvm *kvm, struct gfn_to_hva_cache *ghc,
						    const void *data, size_t len)
{
	return kvm_write_guest_offset_cached(kvm, ghc, data, 0, len);
}
