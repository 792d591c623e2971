/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * types.h - the VM types that KVM_CREATE_VM knows, one constant table each.
 */
#pragma once
#include "kvm/core/vm_type_ops.h"

extern const struct vm_type_ops vm_type_default;
/* On AMD, where every VM has SEV's commands: a DEFAULT one may become a guest (KVM_SEV_INIT). */
extern const struct vm_type_ops vm_type_default_amd, vm_type_sw_protected_amd;
extern const struct vm_type_ops vm_type_sev, vm_type_sev_es, vm_type_snp;
extern const struct vm_type_ops vm_type_sw_protected;	/* private memory interleaved */
extern const struct vm_type_ops vm_type_sw_separate;	/* instead, with module->sw_separate */

/* NULL: no such type, or this module does not offer it.  Says so when a setting is why. */
const struct vm_type_ops *vm_type_find(const struct kvm_module *module, unsigned long type);

/* What a module on such a machine offers (KVM_CAP_VM_TYPES). */
uint32_t vm_types_supported(const struct kvm_module *module);

/*
 * Asks the machine, once: fills in module->vm_types, and what the
 * types keep for the module.  After kvm_module_load().  -ENOMEM.
 */
MUST_CHECK int vm_types_load(struct kvm_module *module);
void vm_types_unload(struct kvm_module *module);
