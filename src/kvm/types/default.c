/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * default.c - an ordinary VM: nothing special, said aloud.
 */
#include "kvm/types/types.h"

static int default_vm_init(struct kvm *kvm)
{
	return 0;
}

const struct vm_type_ops vm_type_default = {
	.name = "DEFAULT",
	.vm_type = KVM_X86_DEFAULT_VM,
	.has_private_mem = false,
	.pre_fault_at_once = true,
	.zap_all_on_slot_change = true,
	.vm_init = default_vm_init,
#define OP(ret, op, args)
#define OPT(ret, op, args, nothing) .op = vm_type_no_##op,
#include "kvm/core/vm_type_ops.def"
#undef OPT
#undef OP
};
