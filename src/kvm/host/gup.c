/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Resolving a host address for a guest fault.
 *
 * What is claimed about the host's mapping must never be more than is true:
 * the level is 4K (nothing cheap tells how large the host's own page is), and
 * an entry is writable only when the page was just made present for writing.
 * A read that is followed by a write so costs a second fault, as it does in
 * the kernel for copy-on-write pages.
 */
#include "hw/insn/phys.h"
#include "kvm/host/access.h"
#include "os/uaccess.h"

enum kvm_gup kvm_gup(struct kvm *kvm, const struct kvm_memory_slot *slot, gfn_t gfn, bool write,
		     hpa_t *page, bool *writable, uint8_t *host_level)
{
	void *host = (void *)(uintptr_t)kvm_slot_hva(slot, gfn).v;

	if (write && (slot->flags & KVM_MEM_READONLY))
		return KVM_GUP_READONLY;
	if (!os_prefault(host, write))
		return KVM_GUP_FAULT;
	*page = phys_publish(kvm->module->hw, host);
	*writable = write;
	*host_level = PG_LEVEL_4K;
	return hpa_is_valid(*page) ? KVM_GUP_OK : KVM_GUP_FAULT;
}
