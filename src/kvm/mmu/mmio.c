/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What is known to be MMIO, and until when: spec kvm.md 3.4, 3.5.
 */
#include "kvm/core/memslot.h"
#include "kvm/mmu/tdp_mmu.h"

bool mmio_generation_is_current(struct kvm *kvm, spte_t spte)
{
	uint64_t generation = kvm_memslots_generation(kvm, 0);

	if (generation & KVM_GENERATION_IN_PROGRESS)
		return false;
	return spte_mmio_generation(spte) == (generation & SPTE_MMIO_GEN_MASK);
}

void kvm_mmu_cache_mmio(struct kvm_vcpu *vcpu, gfn_t gfn, uint64_t generation)
{
	/* Decided on slots that are being replaced: good for this once only. */
	if (generation & KVM_GENERATION_IN_PROGRESS)
		return;
	vcpu->mmio = (struct kvm_mmio_cache){ .gfn = gfn, .generation = generation,
					      .valid = true };
}

bool kvm_mmu_is_cached_mmio(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	const struct kvm_mmio_cache *c = &vcpu->mmio;

	/* As in the kernel, frame 0 is never found. */
	return c->valid && gfn.v && c->gfn.v == gfn.v &&
	       c->generation == kvm_memslots_generation(vcpu->kvm, 0);
}

void kvm_mmu_invalidate_mmio(struct kvm *kvm, uint64_t generation)
{
	if (!kvm->module->enable_mmio_caching)
		return;
	/*
	 * Entries hold 19 bits.  When those start over, old entries would look
	 * current again.  Each address space has its own low bits.
	 */
	generation &= SPTE_MMIO_GEN_MASK;
	generation &= ~(uint64_t)(kvm->nr_address_spaces - 1);
	if (!generation)
		kvm_mmu_zap_all_fast(kvm);
}
