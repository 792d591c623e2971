/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * backing.h - the shared bytes behind a guest frame, as all of kvm/host reaches
 * them: by the slot's host address.  SRCU or slots_lock is held.
 */
#pragma once
#include <stdbool.h>

#include "hw/insn/gate.h"
#include "hw/insn/rmp.h"
#include "hw/insn/view.h"
#include "kvm/core/memslot.h"
#include "kvm/host/tables.h"
#include "os/uaccess.h"

/* The slot of address space 0 that may be used for a host access to @gfn; NULL: none. */
static inline struct kvm_memory_slot *backing_slot(struct kvm *kvm, gfn_t gfn, bool write)
{
	struct kvm_memory_slot *slot = kvm_gfn_to_memslot(kvm, 0, gfn);

	if (!slot || (slot->flags & KVM_MEMSLOT_INVALID))
		return NULL;
	return write && (slot->flags & KVM_MEM_READONLY) ? NULL : slot;
}

/* Where the byte at @gpa, of @slot, lies in the VMM. */
static inline void *backing_address(const struct kvm_memory_slot *slot, gpa_t gpa)
{
	return (void *)(uintptr_t)(kvm_slot_hva(slot, gpa_to_gfn(gpa)).v + (gpa.v & ~PAGE_MASK));
}

/*
 * The page at @host is there, and may be written if @write.  What a guest's key has counts as
 * there: a touch would be a look.  May block on host memory.
 */
static inline bool backing_prefault(struct kvm *kvm, void *host, bool write)
{
	return view_is_hidden(kvm->module->hw, host) || os_prefault(host, write);
}

/*
 * What the RMP says is a guest's the processor does not let the host write: #PF in
 * the middle of the copy, which ends there.  Nothing of the page changes, nor its owner.
 * May block on host memory, where another page of the same 2 MiB is a guest's.
 */
static inline bool backing_may_store(struct kvm *kvm, void *to)
{
	return likely(!kvm_host_store(kvm->module, to, false));
}

/*
 * The same by the kernel's own alias of the page, which a map goes by: that is of 4K where any page
 * of the 2 MiB is a guest's (virt/svm/sev.c adjust_direct_map), so the page alone decides.
 */
static inline bool backing_alias_may_store(struct kvm *kvm, void *to)
{
	const void *bytes = gate_bytes(kvm->module->hw, to);

	return likely(!rmp_host_store_at(kvm->module->hw, bytes, PG_LEVEL_4K, false));
}

/* A change of host mappings of the VM is under way. */
static inline bool backing_is_changing(struct kvm *kvm)
{
	bool is;

	spin_lock(&kvm->mn.lock);
	is = kvm->mn.active_invalidate_count;
	spin_unlock(&kvm->mn.lock);
	return is;
}
