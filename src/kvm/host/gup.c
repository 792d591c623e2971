/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Resolving a host address for a guest fault. */
#include "kvm/host/access.h"
#include "kvm/host/tables.h"

enum kvm_gup kvm_gup(struct kvm *kvm, hva_t hva, bool write, const atomic32_t *stop,
		     struct kvm_host_page *out)
{
	return kvm_host_page(kvm->module->hw, (void *)(uintptr_t)hva.v, write,
			     atomic32_word(stop), out);
}
