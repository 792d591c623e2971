/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sw_protected.c - private memory without hardware: attributes and guest_memfd
 * only, for testing (KVM_X86_SW_PROTECTED_VM).  A private and a shared access
 * look alike; KVM takes the kind from the attribute.
 */
#include "kvm/types/types.h"

static int sw_protected_vm_init(struct kvm *kvm)
{
	return 0;
}

const struct vm_type_ops vm_type_sw_protected = {
	.name = "SW_PROTECTED",
	.vm_type = KVM_X86_SW_PROTECTED_VM,
	.has_private_mem = true,
	.pre_fault_at_once = true,
	.zap_all_on_slot_change = false,
	.vm_init = sw_protected_vm_init,
#define OP(ret, op, args)
#define OPT(ret, op, args, nothing) .op = vm_type_no_##op,
#include "kvm/core/vm_type_ops.def"
#undef OPT
#undef OP
};
