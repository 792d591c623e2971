/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vm/audit.h"

#include "base/log.h"
#include "hw/insn/peek.h"
#include "kvm/gmem/audit.h"
#include "sync/rcu.h"
#include "trace/counters.h"

static void audit(struct kvm *kvm, gfn_t start, gfn_t end, bool at_end)
{
	struct kvm_audit a;

	kvm_audit_init(&a, kvm, start, end);
	a.at_end = at_end;
	mutex_lock(&kvm->slots_lock);
	kvm_gmem_audit(&a);
	kvm_mmu_audit(&a);
	mutex_unlock(&kvm->slots_lock);
	kvm_audit_report(&a);
	kvm_audit_fini(&a);
}

void kvm_vm_audit(struct kvm *kvm, gfn_t start, gfn_t end)
{
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	audit(kvm, start, end, false);
	for (uint32_t i = 0; i < n; i++)
		atomic32_store_release(&kvm_get_vcpu(kvm, i)->audit_wanted, 1);
}

void kvm_vm_audit_at_end(struct kvm *kvm)
{
	audit(kvm, GFN(0), GFN(~0ull), true);
}

void kvm_module_audit_at_end(struct kvm_module *module)
{
	size_t left;

	rcu_barrier();
	left = peek_dram_pages(module->hw) - atomic64_load(&module->nr_lost);
	if (!left)
		return;
	counter_add(module->counters, COUNTER_AUDIT_FINDINGS, 1);
	log_error("%s: %zu pages of DRAM are left after the last VM (%s)",
		  kvm_guarantee_name(KVM_GUARANTEE_G3), left,
		  kvm_guarantee_title(KVM_GUARANTEE_G3));
	if (KVM_AUDIT)
		panic("DRAM is left after the last VM");
}
