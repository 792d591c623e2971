/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sw_separate.c - software-protected VMs with private memory in a table of its
 * own: an idea that upstream left open, and the first user of mirrored tables
 * that needs no TDX (docs/design/mirror.md).
 *
 * The highest bit of a guest physical address says "shared".  The processor
 * walks addresses with it from the shared-EPT pointer, which is KVM's direct
 * root, and all others from the EPT pointer: the external table below, which
 * KVM's MMU neither reads nor writes; it has the mirror.
 */
#include "kvm/types/types.h"

#include <errno.h>

#include "hw/insn/machine.h"
#include "hw/insn/phys.h"
#include "kvm/mmu/mmu.h"
#include "kvm/mmu/spte.h"

#define ENTRIES		(PAGE_SIZE / sizeof(uint64_t))

static void make_empty(struct kvm *kvm, hpa_t table)
{
	phys_fill64(kvm->module->hw, table, SPTE_NONPRESENT.v, ENTRIES);
}

static int separate_vm_init(struct kvm *kvm)
{
	hpa_t root = phys_page_alloc(kvm->module->hw);

	if (!hpa_is_valid(root))
		return -ENOMEM;
	make_empty(kvm, root);
	kvm->mmu.external_root = root;
	kvm->mmu.direct_bits = kvm_mmu_max_gfn(kvm->module).v >> 1;
	return 0;
}

static void separate_vm_free(struct kvm *kvm)
{
	phys_page_free(kvm->module->hw, kvm->mmu.external_root);
}

/* The external entry of @level for @gfn; HPA_INVALID: there is no such table. */
static hpa_t entry_of(struct kvm *kvm, gfn_t gfn, uint8_t level)
{
	const struct spte_layout *l = kvm->module->spte;
	hpa_t table = kvm->mmu.external_root;

	for (uint8_t at = l->root_level;; at--) {
		uint64_t index = (gfn.v >> (PG_LEVEL_SHIFT(at) - PAGE_SHIFT)) % ENTRIES;
		hpa_t entry = HPA(table.v + index * sizeof(uint64_t));
		spte_t e;

		if (at == level)
			return entry;
		e.v = phys_load64(kvm->module->hw, entry);
		if (!spte_is_present(e) || spte_is_leaf(e, at))
			return HPA_INVALID;
		table = spte_address(l, e);
	}
}

/* KVM asks for each entry once: while its own is frozen, nobody else comes. */
static int add_entry(struct kvm *kvm, gfn_t gfn, uint8_t level, spte_t new)
{
	hpa_t entry = entry_of(kvm, gfn, level);
	uint64_t old = SPTE_NONPRESENT.v;

	if (hpa_is_valid(entry) && phys_cas64(kvm->module->hw, entry, &old, new.v))
		return 0;
	kvm_vm_bugged(kvm, "the mirror adds what the external table has, or has no place for");
	return -EIO;
}

static int remove_entry(struct kvm *kvm, gfn_t gfn, uint8_t level, hpa_t want)
{
	hpa_t entry = entry_of(kvm, gfn, level);
	spte_t old = SPTE_NONPRESENT;

	if (hpa_is_valid(entry))
		old.v = phys_xchg64(kvm->module->hw, entry, SPTE_NONPRESENT.v);
	if (!spte_is_present(old))
		return -EIO;
	return spte_address(kvm->module->spte, old).v == want.v ? 0 : -EIO;
}

static int separate_link_external_spt(struct kvm *kvm, gfn_t gfn, uint8_t level,
				      hpa_t external_spt)
{
	make_empty(kvm, external_spt);
	return add_entry(kvm, gfn, level, spte_make_nonleaf(kvm->module->spte, external_spt));
}

/* What KVM notes for itself in its entries is no business of this table. */
static int separate_set_external_spte(struct kvm *kvm, gfn_t gfn, uint8_t level, uint64_t spte)
{
	const struct spte_layout *l = kvm->module->spte;

	return add_entry(kvm, gfn, level, SPTE(spte & ~(l->host_writable | l->mmu_writable)));
}

static int separate_remove_external_spte(struct kvm *kvm, gfn_t gfn, uint8_t level, uint64_t spte)
{
	return remove_entry(kvm, gfn, level, spte_address(kvm->module->spte, SPTE(spte)));
}

static int separate_free_external_spt(struct kvm *kvm, gfn_t gfn, uint8_t level,
				      hpa_t external_spt)
{
	return remove_entry(kvm, gfn, level + 1, external_spt);
}

const struct vm_type_ops vm_type_sw_separate = {
	.name = "SW_PROTECTED, separate",
	.vm_type = KVM_X86_SW_PROTECTED_VM,
	.has_private_mem = true,
	.pre_fault_at_once = true,
	.has_mirror = true,
	.zap_all_on_slot_change = false,
	.vm_init = separate_vm_init,
	.vm_free = separate_vm_free,
	.link_external_spt = separate_link_external_spt,
	.set_external_spte = separate_set_external_spte,
	.remove_external_spte = separate_remove_external_spte,
	.free_external_spt = separate_free_external_spt,
	/* As in an interleaved VM: */
	.vm_destroy = vm_type_no_vm_destroy,
	.vcpu_create = vm_type_no_vcpu_create,
	.vcpu_free = vm_type_no_vcpu_free,
	.vmgexit = vm_type_no_vmgexit,
	.before_entry = vm_type_no_before_entry,
	.deliver_sipi = vm_type_no_deliver_sipi,
	.after_init = vm_type_no_after_init,
	.refuse_msr = vm_type_no_refuse_msr,
	.move_enc_context_from = vm_type_no_move_enc_context_from,
	.copy_enc_context_from = vm_type_no_copy_enc_context_from,
	.gmem_prepare = vm_type_no_gmem_prepare,
	.gmem_invalidate = vm_type_no_gmem_invalidate,
	.handle_rmp_fault = vm_type_no_handle_rmp_fault,
	.max_mapping_level = vm_type_no_max_mapping_level,
	.mem_enc_ioctl = vm_type_no_mem_enc_ioctl,
	.vcpu_mem_enc_ioctl = vm_type_no_vcpu_mem_enc_ioctl,
	.mem_enc_register_region = vm_type_no_mem_enc_register_region,
	.mem_enc_unregister_region = vm_type_no_mem_enc_unregister_region,
};
