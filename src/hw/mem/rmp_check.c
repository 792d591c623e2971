/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mem/rmp_check.h"

#include "hw/insn/svm.h"

#define PF_PRESENT	BIT(0)
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)
#define PF_RMP		BIT(31)

static bool is_write(enum rmp_what w)
{
	return w == RMP_WRITE || w == RMP_TABLE_WRITE || w == RMP_NESTED_WRITE;
}

static bool is_table(const struct rmp_access *a)
{
	return a->what == RMP_TABLE_READ || a->what == RMP_TABLE_WRITE ||
	       (a->what == RMP_NESTED_WRITE && a->for_table);
}

/* 15.36.10: fetches and page tables are encrypted whatever the entries say. */
static bool is_encrypted(const struct rmp_access *a)
{
	return a->c_bit || a->what == RMP_FETCH || is_table(a);
}

uint64_t rmp_npf_info(const struct rmp_access *a, uint64_t more)
{
	uint64_t info = SVM_NPF_PRESENT | SVM_NPF_USER | SVM_NPF_RMP | more;

	if (is_write(a->what) || is_table(a))	/* 15.25.6: walks count as writes */
		info |= SVM_NPF_WRITE;
	if (a->what == RMP_FETCH)
		info |= SVM_NPF_FETCH;
	info |= is_table(a) ? SVM_NPF_TABLE : SVM_NPF_FINAL;
	if ((a->who == RMP_SNP_GUEST && is_encrypted(a)) ||
	    (a->who == RMP_SEV_GUEST && (a->c_bit || is_table(a))))
		info |= SVM_NPF_ENC;
	return info;
}

static struct rmp_outcome npf(const struct rmp_access *a, enum rmp_reason why, uint64_t more)
{
	return (struct rmp_outcome){ RMP_NPF, why, rmp_npf_info(a, more) };
}

static struct rmp_outcome pass(void)
{
	return (struct rmp_outcome){ RMP_PASS, RMP_REASON_NONE, 0 };
}

/* Accessed and dirty bits are writes of 4K, whatever maps the table. */
static enum rmp_reason check_hypervisor_owned(const struct rmp_page *p, const struct rmp_access *a)
{
	bool small = a->level == PG_LEVEL_4K || a->what == RMP_TABLE_WRITE ||
		     a->what == RMP_NESTED_WRITE;

	if (!p->entry.covered)
		return RMP_REASON_NONE;
	if (p->busy)
		return RMP_IS_BUSY;
	if (small ? p->assigned : p->any_assigned)
		return RMP_NOT_HYPERVISORS;
	return RMP_REASON_NONE;
}

static struct rmp_outcome check_shared_write(const struct rmp_page *p, const struct rmp_access *a)
{
	enum rmp_reason why = check_hypervisor_owned(p, a);

	if (why == RMP_REASON_NONE)
		return pass();
	if (a->who != RMP_HOST)
		return npf(a, why, 0);
	return (struct rmp_outcome){ RMP_PF, why, PF_PRESENT | PF_WRITE | PF_RMP |
						  (a->user ? PF_USER : 0) };
}

enum rmp_reason rmp_check_owner(const struct rmp_page *p, uint16_t asid, uint64_t gpa)
{
	const struct rmp_entry *e = &p->entry;

	if (!e->covered)
		return RMP_NOT_COVERED;
	if (p->busy)
		return RMP_IS_BUSY;
	if (!e->assigned || e->asid != asid)
		return RMP_NOT_OWNED;
	if (p->gpa != (gpa & PAGE_MASK))
		return RMP_OTHER_GPA;
	if (e->immutable)
		return RMP_NOT_MUTABLE;
	return RMP_REASON_NONE;
}

/* Write without read is no permission that means anything: nothing passes (15.36.7). */
static bool is_permitted(uint8_t perm, const struct rmp_access *a)
{
	if (a->what == RMP_FETCH)
		return perm & (a->user ? RMP_PERM_XU : RMP_PERM_XS);
	if (!(perm & RMP_PERM_READ))
		return false;
	return !is_write(a->what) || (perm & RMP_PERM_WRITE);
}

static struct rmp_outcome check_private(const struct rmp_page *p, const struct rmp_access *a)
{
	const struct rmp_entry *e = &p->entry;
	enum rmp_reason why = rmp_check_owner(p, a->asid, a->gpa);

	if (why == RMP_REASON_NONE && (a->level != PG_LEVEL_4K) != e->is_2m)
		why = RMP_OTHER_SIZE;
	if (why == RMP_REASON_NONE && e->in_use)
		why = RMP_IS_BUSY;
	if (why != RMP_REASON_NONE)
		return npf(a, why, 0);
	if (!e->validated)
		return (struct rmp_outcome){ RMP_VC, RMP_NOT_VALIDATED, RMP_VC_NOT_VALIDATED };
	if (!is_permitted(e->perm[a->vmpl % RMP_NR_VMPLS], a))
		return npf(a, RMP_NO_PERMISSION, SVM_NPF_VMPL);
	return pass();
}

struct rmp_outcome rmp_check(const struct rmp_page *p, const struct rmp_access *a)
{
	if (a->what == RMP_NESTED_WRITE)	/* of the walker: the hypervisor's pages alone */
		return check_shared_write(p, a);
	if (a->who == RMP_SNP_GUEST && is_encrypted(a))
		return check_private(p, a);
	/* Table 15-38: a page-table access, reads too. */
	return is_write(a->what) || a->what == RMP_TABLE_READ ? check_shared_write(p, a) : pass();
}

enum rmp_vmrun rmp_check_structure(const struct rmp_page *p, enum rmp_structure what, uint16_t asid)
{
	const struct rmp_entry *e = &p->entry;

	if (what == RMP_SNP_VMSA_PAGE)	/* the VMCB has no GPA of it: Reverse-Map holds */
		return rmp_check_owner(p, asid, p->gpa) == RMP_REASON_NONE && e->vmsa &&
		       !e->in_use ? RMP_VMRUN_PASS : RMP_VMRUN_INVALID;
	if (!e->covered || (!p->busy && !p->assigned))
		return RMP_VMRUN_PASS;
	return what == RMP_VMCB ? RMP_VMRUN_GP : RMP_VMRUN_INVALID;
}
