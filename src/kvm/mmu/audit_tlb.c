/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a processor remembers against what the tables say.  On the vCPU's own
 * thread, so that nobody else is at work on the processor; mmu_lock for
 * writing, so that whoever takes something away has also asked for the flush.
 */
#include "hw/insn/peek.h"
#include "hw/insn/phys.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/audit.h"
#include "kvm/mmu/spt.h"
#include "kvm/mmu/spte.h"

struct look {
	struct kvm_audit *audit;
	const struct kvm_mmu_page *root, *mirror;	/* mirror: or NULL */
	uint64_t	eptp, shared_eptp;	/* what the processor was given; 0: no such */
	uint32_t	tag;
};

/* Hardware's walk for @gpa, all bits of it; the level where it ended. */
static spte_t walk(const struct look *k, gpa_t gpa, uint8_t *level)
{
	const struct kvm_module *module = k->root->module;
	/* That a mirror is what it mirrors is another guarantee. */
	bool direct = kvm_addr_is_direct(k->audit->kvm, gpa);
	hpa_t table = direct ? k->root->spt : k->mirror->spt;

	for (*level = spt_level(k->root);; --*level) {
		unsigned index = gpa.v >> PG_LEVEL_SHIFT(*level) & 511;
		spte_t spte = SPTE(phys_load64(module->hw, HPA(table.v + index * sizeof(uint64_t))));

		if (!spte_is_present(spte) || spte_is_leaf(spte, *level))
			return spte;
		table = spte_address(module->spte, spte);
	}
}

static void check(const struct peek_tlb_entry *e, void *arg)
{
	const struct look *k = arg;
	const struct spte_layout *l = k->root->module->spte;
	gfn_t gfn = GFN(gpa_to_gfn(e->guest).v & ~k->audit->kvm->mmu.direct_bits);
	const char *why = NULL;
	uint8_t level;
	spte_t spte;
	hpa_t page;

	if (e->tag != k->tag || e->root != k->eptp ||
	    (k->shared_eptp && e->shared_root != k->shared_eptp))
		return;
	spte = walk(k, e->guest, &level);
	page = HPA(spte_address(l, spte).v + (e->guest.v & (PG_LEVEL_SIZE(level) - 1) & PAGE_MASK));
	/* Frozen: its owner is about to ask for the flush. */
	if (spte_is_frozen(spte))
		return;
	if (!spte_is_present(spte))
		why = "is not mapped any more";
	else if (page.v != e->host.v)
		why = "is mapped to another page";
	else if ((e->write && !spte_is_writable(spte)) ||
		 (e->execute && !spte_allows(l, spte, false, true)))
		why = "has fewer rights now";
	if (why)
		kvm_audit_add(k->audit, KVM_GUARANTEE_I3, gfn, "%s, but is in the TLB for linear %#llx",
			      why, (unsigned long long)e->linear.v);
}

static bool flush_is_pending(const struct kvm_vcpu *vcpu)
{
	return atomic64_load(&vcpu->requests) &
	       (BIT(KVM_REQ_TLB_FLUSH) | BIT(KVM_REQ_MMU_FREE_OBSOLETE_ROOTS));
}

void kvm_mmu_audit_tlb(struct kvm_audit *a, struct kvm_vcpu *vcpu, const struct cpu *cpu)
{
	struct kvm *kvm = vcpu->kvm;
	struct look k = { .audit = a, .root = vcpu->mmu.root_sp, .mirror = vcpu->mmu.mirror_root_sp,
			  .eptp = vcpu->mmu.root.v, .tag = vcpu->tag };

	if (hpa_is_valid(kvm->mmu.external_root)) {
		k.shared_eptp = k.eptp;
		k.eptp = kvm->mmu.external_root.v;
	}

	/* VPIDs have 16 bits. */
	if (kvm->module->spte->is_ept)
		k.tag &= 0xffff;
	write_lock(&kvm->mmu_lock);
	if (k.root && !spt_is_invalid(k.root) && !flush_is_pending(vcpu))
		peek_tlb(cpu, check, &k);
	write_unlock(&kvm->mmu_lock);
}
