/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/types/types.h"

#include "base/bits.h"

static const struct vm_type_ops *const types[] = {
	&vm_type_default,
	&vm_type_sw_protected,
};

uint32_t vm_types_supported(const struct kvm_module *module)
{
	uint32_t all = BIT(KVM_X86_DEFAULT_VM);

	/* CONFIG_KVM_SW_PROTECTED_VM is on; the type needs the TDP MMU. */
	if (module->params.tdp_mmu)
		all |= BIT(KVM_X86_SW_PROTECTED_VM);
	return all;
}

const struct vm_type_ops *vm_type_find(const struct kvm_module *module, unsigned long type)
{
	if (type >= 32 || !(module->vm_types & BIT(type)))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i]->vm_type == type)
			return types[i];
	}
	return NULL;
}
