/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "hw/insn/machine.h"
#include "kvm/mmu/tdp_mmu.h"

int kvm_mmu_module_init(struct kvm_module *module)
{
	const struct hw_config *config = hw_config(module->hw);
	struct spte_layout *layout = malloc(sizeof(*layout));
	int r;

	if (!layout)
		return -ENOMEM;
	spte_layout_init(layout, config);
	r = spt_index_create(module);
	if (r) {
		free(layout);
		return r;
	}
	module->spte = layout;
	module->maxphyaddr = config->phys_bits - (config->c_bit ? config->phys_reduction : 0);
	module->enable_mmio_caching = module->params.mmio_caching &&
				      spte_layout_can_cache_mmio(layout);
	return 0;
}

void kvm_mmu_module_fini(struct kvm_module *module)
{
	rcu_barrier();
	spt_index_destroy(module);
	free((void *)module->spte);
	module->spte = NULL;
}

int kvm_mmu_init_vm(struct kvm *kvm)
{
	kvm->mmu.mmio_value = kvm->module->spte->mmio_value;
	return nx_recovery_init(kvm);
}

void kvm_mmu_uninit_vm(struct kvm *kvm)
{
	nx_recovery_fini(kvm);
	write_lock(&kvm->mmu_lock);
	tdp_mmu_invalidate_roots(kvm, TDP_ALL_ROOTS);
	tdp_mmu_zap_invalidated_roots(kvm, false);
	write_unlock(&kvm->mmu_lock);
	BUG_ON(atomic64_load(&kvm->mmu.nr_pages) || !list_is_empty(&kvm->mmu.roots));
	rcu_barrier();
}

gfn_t kvm_mmu_max_gfn(const struct kvm_module *module)
{
	return GFN(1ull << (hw_config(module->hw)->phys_bits - PAGE_SHIFT));
}
