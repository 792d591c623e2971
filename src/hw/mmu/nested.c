/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * nested.c - guest physical to physical: NPT (APM vol. 2 15.25) and EPT
 * (SDM vol. 3C 29.3), on the bytes that the hypervisor wrote; and the view of
 * the frame that the access sees (APM vol. 2 15.34.5).
 *
 * NPT entries are long-mode page-table entries, all accesses to them user
 * accesses, and those of guest page tables data writes (APM 15.25.6).
 */
#include "hw/insn/svm.h"
#include "hw/insn/vmx.h"
#include "hw/mem/machine.h"
#include "hw/mmu/tlb_priv.h"
#include "hw/mmu/walk_priv.h"
#include "os/uaccess.h"

#include <string.h>

#define MAX_LEVELS	5
#define PTE_LARGE	BIT(7)
#define PTE_ADDRESS	BITS(51, 12)

#define NPT_P		BIT(0)
#define NPT_W		BIT(1)
#define NPT_U		BIT(2)
#define NPT_A		BIT(5)
#define NPT_D		BIT(6)
#define NPT_BIT8	BIT(8)
#define NPT_NX		BIT(63)

#define EPT_R		BIT(0)
#define EPT_W		BIT(1)
#define EPT_X		BIT(2)
#define EPT_RWX		(EPT_R | EPT_W | EPT_X)
#define EPT_MEMTYPE_HI	5
#define EPT_MEMTYPE_LO	3
#define EPT_A		BIT(8)
#define EPT_D		BIT(9)


enum entry_kind { ENTRY_TABLE, ENTRY_LEAF, ENTRY_ABSENT, ENTRY_BAD };

struct walk {
	struct mmu		*m;
	uint64_t		gpa;
	struct nested_access	why;
	unsigned		level;		/* where it ended */
	hpa_t			entry[MAX_LEVELS + 1];
	uint64_t		*at[MAX_LEVELS + 1];
	uint64_t		pte[MAX_LEVELS + 1];
	uint64_t		allowed;	/* AND of R, W, X (as EPT's bits) so far */
	bool			user;		/* NPT: AND of U */
};

static uint64_t reserved_of_large(unsigned level)
{
	return BITS(PG_LEVEL_SHIFT(level) - 1, PAGE_SHIFT);
}

/* APM vol. 2 5.3.3 to 5.3.5; bit 12 of a large page is PAT. */
static enum entry_kind npt_kind(const struct mmu *m, uint64_t pte, unsigned level)
{
	uint64_t reserved = m->npt_reserved;

	if (!(pte & NPT_P))
		return ENTRY_ABSENT;
	if (level == PG_LEVEL_4K)
		return pte & reserved ? ENTRY_BAD : ENTRY_LEAF;
	if (level > PG_LEVEL_MAX_LEAF)
		reserved |= PTE_LARGE;
	if (pte & PTE_LARGE & ~reserved)
		return pte & (reserved | (reserved_of_large(level) & ~BIT(12))) ? ENTRY_BAD
										 : ENTRY_LEAF;
	if (level >= PG_LEVEL_1G)
		reserved |= NPT_BIT8;
	return pte & reserved ? ENTRY_BAD : ENTRY_TABLE;
}

/* SDM 29.3.3.1. */
static enum entry_kind ept_kind(const struct mmu *m, uint64_t pte, unsigned level)
{
	bool leaf = level == PG_LEVEL_4K || (level <= PG_LEVEL_MAX_LEAF && (pte & PTE_LARGE));
	uint64_t reserved = m->npt_reserved, memtype = FIELD_GET(EPT_MEMTYPE, pte);

	if (!(pte & EPT_RWX))
		return ENTRY_ABSENT;
	if ((pte & (EPT_R | EPT_W)) == EPT_W)
		return ENTRY_BAD;
	if (!leaf)
		reserved |= level > PG_LEVEL_MAX_LEAF ? BITS(7, 3) : BITS(6, 3);
	else if (level > PG_LEVEL_4K)
		reserved |= reserved_of_large(level);
	if (pte & reserved)
		return ENTRY_BAD;
	if (leaf && (memtype == 2 || memtype == 3 || memtype == 7))
		return ENTRY_BAD;
	return leaf ? ENTRY_LEAF : ENTRY_TABLE;
}

static uint64_t rwx_of(const struct mmu *m, uint64_t pte)
{
	if (!m->amd)
		return pte & EPT_RWX;
	return EPT_R | (pte & NPT_W ? EPT_W : 0) | (pte & NPT_NX ? 0 : EPT_X);
}

/* With accessed and dirty flags on, EPT takes table accesses for writes too. */
static uint64_t rwx_needed(const struct mmu *m, struct nested_access why)
{
	if (why.access == MMU_EXEC)
		return EPT_X;
	if (why.access == MMU_WRITE)
		return EPT_W;
	return why.table && m->nested.ad ? EPT_R | EPT_W : EPT_R;
}

/* EXITINFO1, APM vol. 2 15.25.6. */
static uint64_t npf_info(const struct mmu *m, struct nested_access why, uint64_t bits)
{
	if (m->nested.snp && !why.shared)
		bits |= SVM_NPF_ENC;
	bits |= SVM_NPF_USER | (why.table ? SVM_NPF_TABLE : SVM_NPF_FINAL);
	if (why.access == MMU_WRITE || why.table)
		bits |= SVM_NPF_WRITE;
	if (why.access == MMU_EXEC)
		bits |= SVM_NPF_FETCH;
	return bits;
}

/* Exit qualification, SDM table 28-7. */
static uint64_t ept_info(const struct mmu *m, struct nested_access why, uint64_t allowed)
{
	uint64_t q = (allowed & EPT_RWX) << 3;

	if (why.access == MMU_READ || (why.table && m->nested.ad))
		q |= VMX_EPT_READ;
	if (why.access == MMU_WRITE || (why.table && m->nested.ad))
		q |= VMX_EPT_WRITE;
	if (why.access == MMU_EXEC)
		q |= VMX_EPT_FETCH;
	if (why.gla_valid)
		q |= VMX_EPT_GLA_VALID | (why.table ? 0 : VMX_EPT_FINAL);
	return q;
}

/* What is remembered of an address: one thing under the guest's key, another without. */
static uint64_t name_of(uint64_t gpa, struct nested_access why)
{
	return gpa | (why.shared ? BIT(63) : 0);
}

static enum mmu_result fail(struct walk *w, enum mmu_result result, uint64_t npf_bits,
			    uint64_t allowed, struct mmu_fault *fault)
{
	tlb_nested_forget(&w->m->tlb, name_of(w->gpa, w->why));
	*fault = (struct mmu_fault){
		.result = result,
		.gpa = GPA(w->gpa),
		.info = w->m->amd ? npf_info(w->m, w->why, npf_bits)
				  : ept_info(w->m, w->why, allowed),
	};
	return result;
}

enum mmu_result nested_host_fault(struct mmu *m, gpa_t gpa, struct nested_access why,
				  struct mmu_fault *fault)
{
	struct walk w = { .m = m, .gpa = gpa.v, .why = why };

	w.why.shared = !why.shared;
	tlb_nested_forget(&m->tlb, name_of(gpa.v, w.why));
	w.why.shared = why.shared;
	return fail(&w, MMU_HOST_FAULT, 0, 0, fault);
}

/* An entry where no frame is reads as all ones: reserved bits, a bad memory type. */
static uint64_t entry_load(struct walk *w, uint64_t table)
{
	struct mmu *m = w->m;
	hpa_t a = HPA(table + ((w->gpa >> PG_LEVEL_SHIFT(w->level)) & 511) * 8);
	uint64_t v;

	w->entry[w->level] = a;
	w->at[w->level] = (uint64_t *)(void *)frames_host(&m->hw->frames, a);
	if (w->at[w->level] && os_load64(w->at[w->level], &v))
		return v;
	hw_finding(m->hw, m->amd ? "APM vol. 2 15.25.3" : "SDM vol. 3 29.3.2",
		   "nested table entry at %#llx, where no frame is", (unsigned long long)a.v);
	return ~0ull;
}

/* Down to the leaf; w->level and w->allowed say how far it went. */
static enum entry_kind descend(struct walk *w)
{
	struct mmu *m = w->m;
	uint64_t table = w->gpa & m->nested.shared_bit ? m->nested.shared_root.v
						       : m->nested.root.v;
	enum entry_kind kind;

	w->allowed = EPT_RWX;
	w->user = true;
	for (w->level = m->nested.levels;; w->level--) {
		uint64_t pte = entry_load(w, table);

		w->pte[w->level] = pte;
		kind = m->amd ? npt_kind(m, pte, w->level) : ept_kind(m, pte, w->level);
		if (kind == ENTRY_ABSENT || kind == ENTRY_BAD)
			return kind;
		w->allowed &= rwx_of(m, pte);
		w->user &= !!(pte & NPT_U);
		if (kind == ENTRY_LEAF)
			return kind;
		table = pte & PTE_ADDRESS & ~m->npt_c_bit;
	}
}

/* Accessed in all entries, dirty in the leaf.  *@lost: an entry has changed, walk again. */
static enum mmu_result set_ad(struct walk *w, bool dirty, bool *lost, struct mmu_fault *fault)
{
	bool owned = w->m->hw->frames.rmp;

	uint64_t a = w->m->amd ? NPT_A : EPT_A, d = w->m->amd ? NPT_D : EPT_D;

	for (unsigned l = w->m->nested.levels; l >= w->level; l--) {
		uint64_t was = w->pte[l], want = was | a | (dirty && l == w->level ? d : 0);

		if (want == was)
			continue;
		if (unlikely(owned) &&
		    !nested_may_update(w->m, w->entry[l], GPA(w->gpa), w->why, fault))
			return fault->result;
		*lost = os_cas64(w->at[l], &was, want) == OS_CAS_LOST;
		if (*lost)
			return MMU_OK;
		w->pte[l] = want;
	}
	return MMU_OK;
}

static enum mmu_result check(struct walk *w, enum entry_kind kind, struct mmu_fault *fault)
{
	struct mmu *m = w->m;
	uint64_t need = rwx_needed(m, w->why);

	switch (kind) {
	case ENTRY_ABSENT:
		return fail(w, MMU_NESTED_FAULT, 0, 0, fault);
	case ENTRY_BAD:
		if (m->amd)
			return fail(w, MMU_NESTED_FAULT, SVM_NPF_PRESENT | SVM_NPF_RSVD, 0, fault);
		return fail(w, MMU_NESTED_MISCONFIG, 0, 0, fault);
	default:
		if ((w->allowed & need) == need && (!m->amd || w->user))
			return MMU_OK;
		return fail(w, MMU_NESTED_FAULT, SVM_NPF_PRESENT, w->allowed, fault);
	}
}

/*
 * The one place where physical address, key, kind of access and size of the
 * mapping (w->level) are known together.  NULL: no frame there.
 */
static uint8_t *open_frame(const struct walk *w, hpa_t hpa)
{
	const struct mmu *m = w->m;

	if (!m->nested.key)
		return frames_host(&m->hw->frames, hpa);
	return view_host(m->hw, hpa, w->why.shared ? 0 : m->nested.key);
}

static void leaf_to_page(struct walk *w, struct nested_page *out)
{
	struct mmu *m = w->m;
	uint64_t size = PG_LEVEL_SIZE(w->level), pte = w->pte[w->level];
	uint64_t hpa = (pte & PTE_ADDRESS & ~m->npt_c_bit & ~(size - 1)) | (w->gpa & (size - 1));
	uint64_t d = m->amd ? NPT_D : EPT_D;

	*out = (struct nested_page){ .frame = hpa & PAGE_MASK, .level = w->level };
	if (!(w->allowed & EPT_R))
		out->frame |= TLB_NESTED_R0;
	if (!(w->allowed & EPT_W))
		out->frame |= TLB_NESTED_W0;
	if (!(w->allowed & EPT_X))
		out->frame |= TLB_NESTED_X0;
	if (m->nested.ad && !(pte & d))
		out->frame |= TLB_CLEAN;
}

static enum mmu_result nested_walk(struct walk *w, struct nested_page *out,
				   struct mmu_fault *fault)
{
	struct mmu *m = w->m;
	bool dirty = rwx_needed(m, w->why) & EPT_W, lost;
	enum mmu_result r;

	if (w->gpa >> (PG_LEVEL_SHIFT(m->nested.levels) + 9))
		return fail(w, MMU_NESTED_FAULT, 0, 0, fault);
	do {
		lost = false;
		r = check(w, descend(w), fault);
		if (r == MMU_OK && m->nested.ad)
			r = set_ad(w, dirty, &lost, fault);
		if (r != MMU_OK)
			return r;
	} while (lost);

	leaf_to_page(w, out);
	if (unlikely(m->hw->frames.rmp) && !w->why.locate) {
		r = nested_owned(m, GPA(w->gpa), w->why, out, true, fault);
		if (r != MMU_OK)
			return r;
	}
	out->host = open_frame(w, HPA((out->frame & PAGE_MASK) | (w->gpa & ~PAGE_MASK)));
	out->void_frame = !out->host;
	if (likely(!out->void_frame)) {
		tlb_nested_fill(&m->tlb, name_of(w->gpa, w->why), (uintptr_t)out->host & PAGE_MASK,
				out->frame, out->level);
		return MMU_OK;
	}
	hw_finding(m->hw, m->amd ? "APM vol. 2 15.25.5" : "SDM vol. 3 29.3.2",
		   "guest physical %#llx leads to %#llx, where no frame is",
		   (unsigned long long)w->gpa, (unsigned long long)out->frame & PAGE_MASK);
	memset(m->void_page, 0xff, PAGE_SIZE);
	out->host = m->void_page + (w->gpa & (PAGE_SIZE - 1));
	return MMU_OK;
}

enum mmu_result nested_translate(struct mmu *m, gpa_t gpa, struct nested_access why,
				 struct nested_page *out, struct mmu_fault *fault)
{
	struct walk w = { .m = m, .gpa = gpa.v, .why = why };
	uint64_t name = name_of(gpa.v, why);
	const struct tlb_entry *e = tlb_nested(&m->tlb, name);
	uint64_t need = rwx_needed(m, why), deny = 0;

	if (!e)
		return nested_walk(&w, out, fault);
	if (need & EPT_R)
		deny |= TLB_NESTED_R0;
	if (need & EPT_W)
		deny |= TLB_NESTED_W0 | TLB_CLEAN;
	if (need & EPT_X)
		deny |= TLB_NESTED_X0;
	if (e->frame & deny)
		return nested_walk(&w, out, fault);
	*out = (struct nested_page){ .host = (uint8_t *)(uintptr_t)(e->addend + name),
				     .frame = e->frame, .level = tlb_nested_level(e) };
	/* Denied: by what was remembered, perhaps. */
	if (unlikely(m->hw->frames.rmp) && !why.locate &&
	    nested_owned(m, gpa, why, out, false, fault) != MMU_OK)
		return nested_walk(&w, out, fault);
	return MMU_OK;
}
