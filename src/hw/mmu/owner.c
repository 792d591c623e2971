/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * owner.c - may the guest have this frame?  The RMP's part of a walk: after all
 * checks of tables, before anything is remembered (APM vol. 2 15.36.10).
 */
#include "hw/insn/svm.h"
#include "hw/mem/finding.h"
#include "hw/mmu/tlb_priv.h"
#include "hw/mmu/walk_priv.h"

static enum rmp_what what_of(struct nested_access why)
{
	if (why.table)
		return why.access == MMU_WRITE ? RMP_TABLE_WRITE : RMP_TABLE_READ;
	if (why.access == MMU_EXEC)
		return RMP_FETCH;
	return why.access == MMU_WRITE ? RMP_WRITE : RMP_READ;
}

static struct rmp_access access_of(const struct mmu *m, gpa_t gpa, struct nested_access why,
				   enum pg_level level)
{
	return (struct rmp_access){
		.who = m->nested.snp ? RMP_SNP_GUEST : m->nested.key ? RMP_SEV_GUEST : RMP_GUEST,
		.what = what_of(why),
		.c_bit = m->nested.key && !why.shared, .user = m->state->cpl == 3,
		.vmpl = m->nested.vmpl, .asid = (uint16_t)m->nested.asid, .level = level,
		.gpa = gpa.v,
	};
}

/*
 * What the TLB would let pass later: writes after a read that was allowed; of
 * fetches it does not know whether user or supervisor may.
 */
static void restrict_fill(const struct mmu *m, const struct rmp_access *a, struct nested_page *out)
{
	struct rmp_access write = *a;
	uint8_t perm = out->owner.page.entry.perm[a->vmpl % RMP_NR_VMPLS];

	if (a->what == RMP_READ) {
		write.what = RMP_WRITE;
		if (rmp_check(&out->owner.page, &write).verdict != RMP_PASS)
			out->denied |= TLB_NESTED_W0;
	} else if (a->what == RMP_FETCH && m->nested.snp) {
		out->no_fill = !(perm & RMP_PERM_XU) != !(perm & RMP_PERM_XS);
	}
}

/* What guest or hypervisor did wrong; a page of another size is nobody's mistake. */
static NOINLINE void find(struct mmu *m, hpa_t hpa, gpa_t gpa, enum rmp_reason why)
{
	char text[300];

	if (why != RMP_NOT_VALIDATED && why != RMP_OTHER_GPA)
		return;
	rmp_describe(m->hw->frames.rmp, hpa, text, sizeof(text));
	hw_finding(m->hw, why == RMP_NOT_VALIDATED ? "APM vol. 2 15.36.6" : "APM vol. 2 15.36.10",
		   "gfn 0x%llx %s: %s", (unsigned long long)(gpa.v >> PAGE_SHIFT),
		   why == RMP_NOT_VALIDATED ? "used without PVALIDATE" : "leads to another's page",
		   text);
}

static enum mmu_result denied(gpa_t gpa, const struct rmp_outcome *o, struct mmu_fault *fault)
{
	*fault = (struct mmu_fault){ .result = MMU_NESTED_FAULT, .gpa = gpa, .info = o->info };
	if (o->verdict == RMP_VC)
		*fault = (struct mmu_fault){ .result = MMU_GUEST_VC, .gpa = gpa,
					     .pf_error = (uint32_t)o->info };
	return fault->result;
}

enum mmu_result nested_owned(struct mmu *m, gpa_t gpa, struct nested_access why,
			     struct nested_page *out, bool walked, struct mmu_fault *fault)
{
	struct rmp_access a = access_of(m, gpa, why, out->level);
	hpa_t hpa = HPA(out->frame & PAGE_MASK);
	struct rmp_outcome o;

	rmp_look(m->hw->frames.rmp, hpa, why.table ? 0 : m->tlb.number, &out->owner);
	o = rmp_check(&out->owner.page, &a);
	if (unlikely(o.verdict != RMP_PASS)) {
		if (walked)
			find(m, hpa, gpa, o.reason);
		return denied(gpa, &o, fault);
	}
	if (!why.table)
		restrict_fill(m, &a, out);
	return MMU_OK;
}

bool nested_may_update(struct mmu *m, hpa_t entry, gpa_t gpa, struct nested_access why,
		       struct mmu_fault *fault)
{
	struct rmp_access a = access_of(m, gpa, why, PG_LEVEL_4K);
	struct rmp_outcome o;
	struct rmp_look l;

	a.what = RMP_NESTED_WRITE;
	a.for_table = why.table;
	rmp_look(m->hw->frames.rmp, entry, 0, &l);
	o = rmp_check(&l.page, &a);
	if (likely(o.verdict == RMP_PASS))
		return true;
	denied(gpa, &o, fault);
	return false;
}
