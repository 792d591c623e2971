/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * policy.h - may KVM's own hand have this page?  The one question of all accessors, cached
 * translations, maps and the pfn cache, for each page and call (docs/design/host-access.md).
 *
 *	default		what today's kernels do: an access goes by the slot's address, whatever the
 *			guest has made of the page; the machine stops stores to what the RMP says is
 *			a guest's, and nothing else.  What a guest has not given is a finding.
 *	strict		(module->strict_host_access; --strict-host-access) refuses it too.
 *
 * It changes nothing: neither the attribute nor the RMP, nor what is mapped.
 * SRCU or slots_lock held; any lock may be held else.
 */
#pragma once
#include <stdbool.h>

#include "hw/insn/owner.h"
#include "kvm/core/memslot.h"

/* Who asks, and so what becomes of the bytes. */
enum host_access {
	HOST_READ,
	HOST_WRITE,
	HOST_EXCHANGE,		/* reads, and may write */
	HOST_MAP_READ,
	HOST_MAP,		/* for reading and writing */
	HOST_CACHE,		/* the pfn cache has its page looked up: as HOST_MAP */
	HOST_CACHE_CHECK,	/* ... is about to use it */
	NR_HOST_ACCESSES
};

/* host_may(), where somebody may own pages: false is -EFAULT. */
MUST_CHECK bool host_may_touch(struct kvm *kvm, const struct kvm_memory_slot *slot, gfn_t gfn,
			       enum host_access how);

/* @gfn lies in @slot, which has been found to be good for @how.  Reports a finding itself. */
MUST_CHECK static inline bool host_may(struct kvm *kvm, const struct kvm_memory_slot *slot,
				       gfn_t gfn, enum host_access how)
{
	if (likely(!kvm->has_private_mem && !hw_has_owners(kvm->module->hw)))
		return true;
	return host_may_touch(kvm, slot, gfn, how);
}
