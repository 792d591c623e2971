/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * notifier.h - the VMM changes its mappings: the bracket around it, with the
 * meaning of the kernel's mmu_notifier_invalidate_range_start and _end (spec
 * kvm.md 2.7, B9, B10, B17).
 *
 *	kvm_host_change_begin()	guests forget the range, and cannot get it again
 *	... munmap(2) or such, which may fail ...
 *	kvm_host_change_end()	guests may ask again, and get what is there now
 *
 * When begin has returned no guest has a translation of the range, in whatever
 * VM and slot; those of private memory stay, for they do not hang on the
 * host's mappings.  Until end no memslot of a VM near the range comes or goes.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/core/host_map.h"

struct kvm_host_change {
	struct kvm_module		*module;
	const struct kvm_hva_range	*ranges;	/* the caller's, until end */
	size_t				 nr;
	uint64_t			 births;	/* VMs that were told */
	int				 srcu_idx;
	bool				 is_used;	/* VMs were told at all */
};

/*
 * Cannot fail.  The caller is outside of KVM: no lock, no RCU or SRCU section.
 * Changes nest and overlap, on any number of threads.  One that concerns no
 * slot costs a few loads.
 */
void kvm_host_change_begin(struct kvm_module *module, const struct kvm_hva_range *ranges,
			   size_t nr, struct kvm_host_change *c);

/*
 * On the thread of begin.  @gone: the pages that were there are not any more,
 * so their frames cease to exist; false after mprotect, or when the call failed.
 */
void kvm_host_change_end(struct kvm_host_change *c, bool gone);
