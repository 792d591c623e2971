/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/types/types.h"

#include "base/bits.h"
#include "base/log.h"
#include "kvm/types/sev.h"

static const struct vm_type_ops *const types[] = {
	&vm_type_default,
	&vm_type_sw_protected,
	&vm_type_sev,
	&vm_type_sev_es,
	&vm_type_snp,
};

/* Two tables that a processor walks at once are Intel's. */
static bool has_sw_protected(const struct kvm_module *module)
{
	return !module->sw_separate || hw_config(module->hw)->vendor == HW_VENDOR_INTEL;
}

uint32_t vm_types_supported(const struct kvm_module *module)
{
	uint32_t all = BIT(KVM_X86_DEFAULT_VM);

	/* CONFIG_KVM_SW_PROTECTED_VM is on; the type needs the TDP MMU. */
	if (module->params.tdp_mmu && has_sw_protected(module))
		all |= BIT(KVM_X86_SW_PROTECTED_VM);
	if (module->sev && module->sev->sev)
		all |= BIT(KVM_X86_SEV_VM);
	if (module->sev && module->sev->es)
		all |= BIT(KVM_X86_SEV_ES_VM);
	if (module->sev && module->sev->snp)
		all |= BIT(KVM_X86_SNP_VM);
	return all;
}

int vm_types_load(struct kvm_module *module)
{
	int r = sev_module_load(module);

	if (!r)
		module->vm_types = vm_types_supported(module);
	return r;
}

void vm_types_unload(struct kvm_module *module)
{
	sev_module_unload(module);
}

const struct vm_type_ops *vm_type_find(const struct kvm_module *module, unsigned long type)
{
	if (type == KVM_X86_SW_PROTECTED_VM && !has_sw_protected(module))
		log_error("KVM_CREATE_VM: SW_PROTECTED with separate tables needs the shared-EPT "
			  "pointer, which AMD's processors do not have");
	if (type >= 32 || !(module->vm_types & BIT(type)))
		return NULL;
	if (type == KVM_X86_SW_PROTECTED_VM && module->sw_separate)
		return &vm_type_sw_separate;
	if (type == KVM_X86_DEFAULT_VM && module->sev)
		return &vm_type_default_amd;
	if (type == KVM_X86_SW_PROTECTED_VM && module->sev)
		return &vm_type_sw_protected_amd;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i]->vm_type == type)
			return types[i];
	}
	return NULL;
}
