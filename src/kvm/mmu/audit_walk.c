/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The auditor's own way through the tables: unlike tdp_iter it believes
 * nothing that it has not looked up, and marks what it has seen.
 */
#include "hw/insn/phys.h"
#include "kvm/mmu/audit_priv.h"
#include "kvm/mmu/iter.h"

#define ENTRIES		512u

static void audit_table(struct audit_walk *w, struct kvm_mmu_page *sp, gfn_t gfn);

static void wrong_table(struct audit_walk *w, gfn_t gfn, uint8_t level, const char *why)
{
	kvm_audit_add(w->audit, KVM_GUARANTEE_G2, gfn, "entry of level %u: %s", level, why);
}

/* The table on the entry at @sptep, if it is what the entry says; else NULL. */
static struct kvm_mmu_page *table_of(struct audit_walk *w, hpa_t sptep, spte_t spte, gfn_t gfn,
				     uint8_t level)
{
	const struct kvm_module *module = w->audit->kvm->module;
	struct kvm_mmu_page *sp = spt_of(module, spte_address(module->spte, spte));
	const char *why = NULL;

	if (!sp)
		why = "leads to what is no table";
	else if (sp->audited == w->number)
		why = "leads to a table that another entry leads to";
	else if (spt_role(sp) != spt_child_role(w->root, level))
		why = "leads to a table of another role";
	else if (sp->gfn.v != gfn.v || sp->ptep.v != sptep.v)
		why = "leads to a table that says it hangs elsewhere";
	if (!why)
		return sp;
	wrong_table(w, gfn, level, why);
	return NULL;
}

static void audit_entry(struct audit_walk *w, struct kvm_mmu_page *sp, unsigned index, gfn_t gfn)
{
	hpa_t sptep = HPA(sp->spt.v + index * sizeof(uint64_t));
	spte_t spte = SPTE(phys_load64(sp->module->hw, sptep));
	struct kvm_mmu_page *child = NULL;
	uint8_t level = spt_level(sp);

	if (!spte_is_present(spte)) {
		audit_nonpresent(w, spte, gfn, level);
	} else if (spte_is_leaf(spte, level)) {
		audit_leaf(w, spte, gfn, level);
	} else {
		child = table_of(w, sptep, spte, gfn, level);
		if (!child)
			return;
		w->nr_tables++;
		audit_table(w, child, gfn);
	}
	if (spt_is_mirror(sp) && w->audit->external)
		audit_external(w, sp, index, spte, child);
}

/* @gfn: the first that @sp covers, without direct bits. */
static void audit_table(struct audit_walk *w, struct kvm_mmu_page *sp, gfn_t gfn)
{
	const struct kvm_audit *a = w->audit;
	uint8_t level = spt_level(sp);
	uint64_t bits = tdp_root_gfn_bits(a->kvm, w->root);
	uint64_t step = PG_LEVEL_PAGES(level), base = gfn.v | bits;

	sp->audited = w->number;
	/* A root of a VM with direct bits covers both halves; ours is one. */
	base &= ~(step * ENTRIES - 1);
	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t at = (base + i * step) & ~bits;

		if (((base + i * step) & bits & ~(step - 1)) != (bits & ~(step - 1))) {
			if (spte_is_present(SPTE(phys_load64(sp->module->hw,
						 HPA(sp->spt.v + i * sizeof(uint64_t))))))
				wrong_table(w, GFN(at), level, "is in the half of the other root");
			continue;
		}
		if (at >= a->end.v || at + step <= a->start.v)
			continue;
		audit_entry(w, sp, i, GFN(at));
	}
}

void audit_root(struct audit_walk *w)
{
	audit_table(w, (struct kvm_mmu_page *)w->root, GFN(0));
}

struct kvm_external_entry audit_external_ept(struct kvm *kvm, const struct kvm_mmu_page *sp,
					     unsigned index)
{
	hpa_t table = hpa_is_valid(sp->ptep) ? sp->external_spt : kvm->mmu.external_root;
	spte_t e = SPTE(phys_load64(kvm->module->hw, HPA(table.v + index * sizeof(uint64_t))));

	return (struct kvm_external_entry){
		.present = e.v & kvm->module->spte->user,
		.leaf = spte_is_leaf(e, spt_level(sp)),
		.address = spte_address(kvm->module->spte, e),
	};
}

void audit_external(struct audit_walk *w, const struct kvm_mmu_page *sp, unsigned index,
		    spte_t spte, const struct kvm_mmu_page *child)
{
	struct kvm_audit *a = w->audit;
	struct kvm_external_entry e = a->external(a->kvm, sp, index);
	uint8_t level = spt_level(sp);
	gfn_t gfn = GFN(sp->gfn.v + index * PG_LEVEL_PAGES(level));
	hpa_t want = child ? child->external_spt : spte_address(a->kvm->module->spte, spte);

	if (spte_is_present(spte) != e.present)
		kvm_audit_add(a, KVM_GUARANTEE_I4, gfn, "level %u: the mirror's entry is %s, the "
			      "external one %s", level, spte_is_present(spte) ? "present" : "not present",
			      e.present ? "present" : "not");
	else if (e.present && (e.leaf != !child || e.address.v != want.v))
		kvm_audit_add(a, KVM_GUARANTEE_I4, gfn,
			      "level %u: the external entry leads to %#llx, the mirror's to %#llx", level,
			      (unsigned long long)e.address.v, (unsigned long long)want.v);
}
