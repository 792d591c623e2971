/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * access.h - the host's own hand in guest memory: by the slot's host address,
 * never through guest_memfd, never changing attributes, RMP or mappings.
 *
 * Callers hold SRCU or slots_lock.  0 or -EFAULT.  May block on host memory:
 * no spinlock, no mmu_lock, no RCU section.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "kvm/core/memslot.h"

/* @gpa may have the VM's direct bit: it is not looked at. */
MUST_CHECK int kvm_read_guest(struct kvm *kvm, gpa_t gpa, void *data, size_t len);
MUST_CHECK int kvm_write_guest(struct kvm *kvm, gpa_t gpa, const void *data, size_t len);
MUST_CHECK int kvm_clear_guest(struct kvm *kvm, gpa_t gpa, size_t len);

/*
 * Compare-exchange of @size bytes (1, 2, 4, 8) inside one page: atomic, against
 * the guest too.  1: done; 0: lost, *@old has what is there.
 */
MUST_CHECK int kvm_cmpxchg_guest(struct kvm *kvm, gpa_t gpa, void *old, const void *new,
				 unsigned size);

enum kvm_gup { KVM_GUP_OK, KVM_GUP_FAULT, KVM_GUP_READONLY };

/*
 * get_user_pages for a fault on a shared gfn: makes the host page present
 * (writable when @write, opportunistically otherwise) and names its frame.
 * KVM_GUP_READONLY: a write to a read-only slot.  *host_level is the size of
 * the host's own mapping.
 */
MUST_CHECK enum kvm_gup kvm_gup(struct kvm *kvm, const struct kvm_memory_slot *slot, gfn_t gfn,
				bool write, hpa_t *page, bool *writable, uint8_t *host_level);
