/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_filter.h - KVM_X86_SET_MSR_FILTER: which registers the guest may touch.
 *
 * Replaced as a whole under kvm->lock; readers are inside kvm->srcu, and the one
 * before is freed when they have all left.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/core/kvm.h"

struct msr_filter_range {
	uint32_t	flags;		/* KVM_MSR_FILTER_READ, _WRITE */
	uint32_t	base, nr;
	uint8_t		*bits;		/* owned, @nr of them; 1: allowed */
};

struct msr_filter {
	bool		default_allow;
	unsigned	nr_ranges;
	struct msr_filter_range ranges[KVM_MSR_FILTER_MAX_RANGES];
};

/* kvm->srcu held.  The first range that covers @index for @access decides; x2APIC: always. */
bool msr_filter_allows(struct kvm *kvm, uint32_t index, uint32_t access);

/*
 * Takes @filter over (NULL: none) and waits until nobody uses the one before.
 * No lock of the VM may be held.
 */
void msr_filter_install(struct kvm *kvm, struct msr_filter *filter);
void msr_filter_free(struct msr_filter *filter);
