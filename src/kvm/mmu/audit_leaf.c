/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What one entry may say. */
#include "hw/insn/peek.h"
#include "kvm/core/attr.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/audit_priv.h"
#include "kvm/mmu/lpage.h"
#include "kvm/mmu/tdp_mmu.h"

/* A present leaf and what was found out about its gfn. */
struct leaf {
	struct kvm_audit *audit;
	const struct kvm_mmu_page *root;
	const struct kvm_memory_slot *slot;
	spte_t		spte;
	gfn_t		gfn, end;
	hpa_t		page;
	uint8_t		level;
	bool		is_private;
	bool		is_gmem;	/* its page is guest_memfd's */
};

static const void *bytes_at(const struct leaf *f, uint64_t n)
{
	return peek_phys(f->audit->kvm->module->hw, HPA(f->page.v + (n << PAGE_SHIFT)));
}

/* MMU-I1 for the frame @n of the leaf. */
static void audit_backing(const struct leaf *f, uint64_t n)
{
	struct kvm_audit *a = f->audit;
	gfn_t gfn = GFN(f->gfn.v + n);
	uint8_t max_level = PG_LEVEL_MAX_LEAF;
	const void *is = bytes_at(f, n), *should;

	if (!f->is_gmem)
		should = (const void *)(uintptr_t)kvm_slot_hva(f->slot, gfn).v;
	else if (a->private_bytes)
		should = a->private_bytes(f->slot, gfn, &max_level);
	else
		return;
	if (!is)
		kvm_audit_add(a, KVM_GUARANTEE_I1, gfn, "is mapped to a page that is gone");
	else if (is != should && f->is_gmem)
		kvm_audit_add(a, KVM_GUARANTEE_I1, gfn,
			      "is %s and not mapped to its page of guest_memfd",
			      f->is_private ? "private" : "shared");
	else if (is != should)
		kvm_audit_add(a, KVM_GUARANTEE_I1, gfn,
			      "is shared and not mapped to the slot's memory");
	else if (f->level > max_level)
		kvm_audit_add(a, KVM_GUARANTEE_I7, gfn, "level %u, guest_memfd permits %u", f->level,
			      max_level);
}

/* MMU-I1: each frame of a huge page exists, not only the one that was asked for. */
static void audit_frames(const struct leaf *f)
{
	uint64_t n = peek_frames(f->audit->kvm->module->hw, f->page, PG_LEVEL_SIZE(f->level));

	if (n != PG_LEVEL_PAGES(f->level))
		kvm_audit_add(f->audit, KVM_GUARANTEE_I1, f->gfn,
			      "level %u, and only %llu of its frames exist", f->level,
			      (unsigned long long)n);
}

static void audit_host_level(const struct leaf *f)
{
	const void *host = (const void *)(uintptr_t)kvm_slot_hva(f->slot, f->gfn).v;
	struct phys_mapping m = peek_mapping(f->audit->kvm->module->hw, host);

	/*
	 * Not known any more: the page table has been told, or will be.  One that was split for
	 * a store of the host's (docs/design/host-access.md) leaves nested entries as they are.
	 */
	if (m.level && f->level > m.level && !m.is_split)
		kvm_audit_add(f->audit, KVM_GUARANTEE_I7, f->gfn,
			      "level %u, the host maps it by level %u", f->level, m.level);
}

static void audit_kind(const struct leaf *f)
{
	struct kvm_audit *a = f->audit;

	if (a->kvm->ops->has_mirror && f->is_private != spt_is_mirror(f->root))
		kvm_audit_add(a, KVM_GUARANTEE_I1, f->gfn, "is %s and mapped by the %s root",
			      f->is_private ? "private" : "shared",
			      spt_is_mirror(f->root) ? "mirror" : "direct");
	audit_backing(f, 0);
	if (f->level == PG_LEVEL_4K)
		return;
	audit_backing(f, PG_LEVEL_PAGES(f->level) - 1);
	audit_frames(f);
	if (!f->is_gmem)
		audit_host_level(f);
}

/* True when the slot's counters may be looked at for it. */
static bool huge_fits(const struct leaf *f)
{
	struct kvm_audit *a = f->audit;

	if (f->gfn.v < f->slot->base_gfn.v || f->end.v > kvm_slot_end(f->slot).v)
		kvm_audit_add(a, KVM_GUARANTEE_I7, f->gfn, "level %u sticks out of its slot",
			      f->level);
	else if (f->page.v & (PG_LEVEL_SIZE(f->level) - 1))
		kvm_audit_add(a, KVM_GUARANTEE_I7, f->gfn, "level %u at the unaligned page %#llx",
			      f->level, (unsigned long long)f->page.v);
	else
		return true;
	return false;
}

static void audit_huge(const struct leaf *f)
{
	struct kvm_audit *a = f->audit;
	struct kvm *kvm = a->kvm;
	uint64_t attrs = f->is_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
	uint32_t disallow;

	if (!huge_fits(f))
		return;
	if (kvm->has_private_mem &&
	    !kvm_range_has_memory_attributes(kvm, f->gfn, f->end, KVM_MEMORY_ATTRIBUTE_PRIVATE,
					     attrs)) {
		kvm_audit_add(a, KVM_GUARANTEE_I7, f->gfn,
			      "level %u covers private and shared gfns", f->level);
		return;
	}
	disallow = lpage_info(f->slot, f->gfn, f->level)->disallow;
	if (disallow)
		kvm_audit_add(a, KVM_GUARANTEE_I7, f->gfn, "level %u, which the slot forbids (%#x)",
			      f->level, disallow);
	if (kvm->module->params.nx_huge_pages && !kvm->caps.nx_huge_pages_off &&
	    spte_allows(kvm->module->spte, f->spte, false, true))
		kvm_audit_add(a, KVM_GUARANTEE_I7, f->gfn, "level %u is executable", f->level);
	if (kvm_slot_is_dirty_logged(f->slot) && spte_is_writable(f->spte))
		kvm_audit_add(a, KVM_GUARANTEE_I7, f->gfn,
			      "level %u is writable while the slot logs single pages", f->level);
}

static void audit_rights(const struct leaf *f)
{
	const struct spte_layout *l = f->audit->kvm->module->spte;
	bool w = spte_is_writable(f->spte), host = f->spte.v & l->host_writable;
	bool mmu = f->spte.v & l->mmu_writable;

	if ((w && !mmu) || (mmu && !host))
		kvm_audit_add(f->audit, KVM_GUARANTEE_G5, f->gfn,
			      "writable %d, by the MMU %d, by the host %d", w, mmu, host);
	else if (host && (f->slot->flags & KVM_MEM_READONLY))
		kvm_audit_add(f->audit, KVM_GUARANTEE_G5, f->gfn,
			      "may be made writable in a read-only slot");
}

void audit_leaf(struct audit_walk *w, spte_t spte, gfn_t gfn, uint8_t level)
{
	struct kvm_audit *a = w->audit;
	struct kvm *kvm = a->kvm;
	gfn_t end = GFN(gfn.v + PG_LEVEL_PAGES(level));
	struct kvm_memslot_iter it;
	struct leaf f = {
		.audit = a, .root = w->root, .spte = spte, .gfn = gfn, .end = end, .level = level,
		.page = spte_address(kvm->module->spte, spte),
		.is_private = kvm->has_private_mem && kvm_mem_is_private(kvm, gfn),
	};

	if (level > PG_LEVEL_4K && level <= PG_LEVEL_MAX_LEAF)
		w->nr_huge[level]++;
	if (level > PG_LEVEL_MAX_LEAF) {
		kvm_audit_add(a, KVM_GUARANTEE_I7, gfn, "a leaf of level %u", level);
		return;
	}
	/* One that it only touches will do: that is for MMU-I7 to say. */
	f.slot = kvm_memslot_first(&it, kvm, spt_as_id(w->root), gfn, end);
	if (!f.slot || (f.slot->flags & KVM_MEMSLOT_INVALID)) {
		kvm_audit_add(a, KVM_GUARANTEE_I1, gfn, "is mapped and has no %sslot",
			      f.slot ? "valid " : "");
		return;
	}
	f.is_gmem = f.is_private || kvm_slot_is_gmem_only(f.slot);
	if (level > PG_LEVEL_4K)
		audit_huge(&f);
	if (gfn.v >= f.slot->base_gfn.v && end.v <= kvm_slot_end(f.slot).v)
		audit_kind(&f);
	audit_rights(&f);
}

static void audit_mmio(struct audit_walk *w, spte_t spte, gfn_t gfn, uint8_t level)
{
	struct kvm_audit *a = w->audit;
	struct kvm *kvm = a->kvm;
	unsigned as_id = spt_as_id(w->root);

	if (level != PG_LEVEL_4K || spt_is_mirror(w->root))
		kvm_audit_add(a, KVM_GUARANTEE_G4, gfn, "an MMIO entry of level %u in a %s root",
			      level, spt_is_mirror(w->root) ? "mirror" : "direct");
	else if (spte_mmio_gfn(kvm, spte).v != gfn.v)
		kvm_audit_add(a, KVM_GUARANTEE_G4, gfn, "the MMIO entry here is one for gfn %#llx",
			      (unsigned long long)spte_mmio_gfn(kvm, spte).v);
	else if (mmio_generation_is_current(kvm, spte) && kvm_gfn_to_memslot(kvm, as_id, gfn))
		kvm_audit_add(a, KVM_GUARANTEE_G4, gfn, "a current MMIO entry where a slot is");
}

void audit_nonpresent(struct audit_walk *w, spte_t spte, gfn_t gfn, uint8_t level)
{
	if (spte.v == SPTE_NONPRESENT.v)
		return;
	/* Owners hold mmu_lock for reading at least; we have it for writing. */
	if (spte_is_frozen(spte))
		kvm_audit_add(w->audit, KVM_GUARANTEE_I5, gfn, "level %u is frozen and nobody owns it",
			      level);
	else if (spte_is_mmio(w->audit->kvm, spte))
		audit_mmio(w, spte, gfn, level);
	else
		kvm_audit_add(w->audit, KVM_GUARANTEE_G4, gfn, "level %u holds %#llx", level,
			      (unsigned long long)spte.v);
}
