/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* audit.h - what the auditor asks guest_memfd.  slots_lock held. */
#pragma once
#include "kvm/mmu/audit.h"

/* For kvm_audit.private_bytes. */
const void *kvm_gmem_private_bytes(const struct kvm_memory_slot *slot, gfn_t gfn,
				   uint8_t *max_level);

/* MMU-I9 of the slots in the audit's range; of their files too, for a whole VM. */
void kvm_gmem_audit(struct kvm_audit *a);
