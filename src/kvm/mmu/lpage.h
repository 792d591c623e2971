/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lpage.h - for every 2M and 1G of a slot: why it may not be one huge page.
 * Spec kvm.md 1.2 (end) and 5.3.
 */
#pragma once
#include <stdint.h>

#include "kvm/core/memslot.h"

/* A counter of reasons, and one bit for: private and shared frames in it. */
struct kvm_lpage_info {
	uint32_t	disallow;	/* [m] 0: may be huge */
};

#define KVM_LPAGE_MIXED		(1u << 31)

/* The word for the huge page of @level that @gfn, in @slot, lies in. */
struct kvm_lpage_info *lpage_info(const struct kvm_memory_slot *slot, gfn_t gfn, uint8_t level);
