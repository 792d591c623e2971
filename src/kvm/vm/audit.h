/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* audit.h - the audit of a VM, of all that the rooms below know. */
#pragma once
#include "kvm/core/kvm.h"

/*
 * [start, end) now, TLBs before each vCPU next enters the guest.  Takes
 * slots_lock and mmu_lock; findings are reported (kvm/mmu/audit.h).  GFN(0) to
 * GFN(~0): everything, with totals.  For kvm->audit.
 */
void kvm_vm_audit(struct kvm *kvm, gfn_t start, gfn_t end);

/* Nobody runs any more, and nothing is freed yet. */
void kvm_vm_audit_at_end(struct kvm *kvm);

/* After the last VM: nothing of the machine's memory is left with us. */
void kvm_module_audit_at_end(struct kvm_module *module);
