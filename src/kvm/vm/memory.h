/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * memory.h - the ioctls that change a VM's memory map: every check in the
 * kernel's order, then the change (spec kvm.md 1.2 to 1.4, 5.2, 7.4).
 *
 * Arguments have been copied from the VMM already.  0 or -errno.  Each takes
 * slots_lock; none may be called from inside an SRCU section.
 */
#pragma once
#include <stdbool.h>

#include "kvm/core/kvm.h"

struct gmem_file;

/*
 * @gmem: what the descriptor args->guest_memfd names, looked up by the
 * caller: 0 and the file; -EBADF; 0 and NULL when it is something else.
 */
struct kvm_gmem_arg {
	int		 error;
	struct gmem_file *file;
};

/* KVM_SET_USER_MEMORY_REGION{,2}; @v1: the smaller set of flags. */
MUST_CHECK int kvm_vm_set_memory_region(struct kvm *kvm,
					const struct kvm_userspace_memory_region2 *args,
					bool v1, struct kvm_gmem_arg gmem);

/* Slots of ours (APIC access page, TSS, identity map), backed by our memory. */
MUST_CHECK int kvm_vm_set_internal_slot(struct kvm *kvm, unsigned id, gpa_t gpa, void *memory,
					size_t size);

MUST_CHECK int kvm_vm_set_memory_attributes(struct kvm *kvm,
					    const struct kvm_memory_attributes *args);

/* VM goes: every slot, without the waiting. */
void kvm_vm_free_memory(struct kvm *kvm);
