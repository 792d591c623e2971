/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/snp/guest.h"

#include "base/bits.h"
#include "hw/insn/svm.h"
#include "hw/mem/finding.h"
#include "hw/snp/snp_priv.h"

#define ADJUST_VMPL_HI	7
#define ADJUST_VMPL_LO	0
#define ADJUST_PERM_HI	15
#define ADJUST_PERM_LO	8
#define ADJUST_VMSA	BIT(16)
#define ADJUST_RESERVED	BITS(63, 17)

static bool size_is_bad(uint64_t rax, uint64_t size)
{
	return size > 1 || (size && rax & (SIZE_2M - 1) & PAGE_MASK);
}

enum rmp_status snp_pvalidate_operands(uint64_t rax, uint32_t ecx, uint32_t edx)
{
	return size_is_bad(rax, ecx) || edx > 1 ? RMP_FAIL_INPUT : RMP_SUCCESS;
}

/*
 * Table 15-37: a mask that is not readable has nothing else, none has a shadow
 * stack that is executable, nor code for the supervisor alone.
 */
static bool mask_is_legal(uint64_t mask)
{
	const uint64_t x = RMP_PERM_XU | RMP_PERM_XS;

	if (mask & ~(uint64_t)RMP_PERM_ALL || (mask && !(mask & RMP_PERM_READ)))
		return false;
	return !(mask & RMP_PERM_SSS && mask & x) && (mask & x) != RMP_PERM_XS;
}

enum rmp_status snp_rmpadjust_operands(uint64_t rax, uint64_t rcx, uint64_t rdx, uint8_t vmpl)
{
	uint64_t target = FIELD_GET(ADJUST_VMPL, rdx);

	if (size_is_bad(rax, rcx) || rdx & ADJUST_RESERVED || target >= RMP_NR_VMPLS)
		return RMP_FAIL_INPUT;
	if (target <= vmpl)
		return RMP_FAIL_PERMISSION;
	return mask_is_legal(FIELD_GET(ADJUST_PERM, rdx)) ? RMP_SUCCESS : RMP_FAIL_INPUT;
}

enum rmp_status snp_rmpquery_operands(uint64_t rdx, uint8_t vmpl)
{
	uint64_t target = FIELD_GET(ADJUST_VMPL, rdx);

	return target <= vmpl || target >= RMP_NR_VMPLS ? RMP_FAIL_PERMISSION : RMP_SUCCESS;
}

static struct rmp_done done(enum rmp_status eax)
{
	return (struct rmp_done){ .eax = eax };
}

static struct rmp_done fault(enum rmp_reason why, uint64_t more)
{
	const struct rmp_access read = { .who = RMP_SNP_GUEST, .what = RMP_READ, .c_bit = true };

	return (struct rmp_done){ .fault = { RMP_NPF, why, rmp_npf_info(&read, more) } };
}

/* Table 15-40: the size asked for, the RMP's, and the nested entry's.  False: *@out. */
static bool size_fits(const struct rmp_page *p, const struct rmp_target *t, bool large,
		      struct rmp_done *out)
{
	bool nested = t->level != PG_LEVEL_4K;

	if (!large && p->entry.is_2m)
		*out = fault(RMP_OTHER_SIZE, SVM_NPF_SIZEM);
	else if (large && (!p->entry.is_2m || t->gpa & (SIZE_2M - 1) & PAGE_MASK))
		*out = done(RMP_FAIL_SIZEMISMATCH);
	else if (nested != p->entry.is_2m)
		*out = fault(RMP_OTHER_SIZE, 0);
	else
		return true;
	return false;
}

/* Locks the target's 2 MiB when it is the guest's.  False: *@out says why not. */
static bool open_target(struct hw *hw, const struct rmp_target *t, struct rmp_locked *l,
			struct rmp_page *p, struct rmp_done *out)
{
	enum rmp_reason why = RMP_NOT_COVERED;

	if (rmp_covers(hw->frames.rmp, t->hpa)) {
		if (rmp_lock(hw->frames.rmp, t->hpa, false, true, l) != RMP_LOCKED) {
			*out = fault(RMP_IS_BUSY, 0);
			return false;
		}
		*p = rmp_page_of(l);
		why = rmp_check_owner(p, t->asid, t->gpa);
		if (why == RMP_REASON_NONE && p->entry.in_use)
			why = RMP_IS_BUSY;
		if (why == RMP_REASON_NONE)
			return true;
		rmp_unlock(l);
	}
	*out = fault(why, 0);
	return false;
}

static void set_validated(struct hw *hw, const struct rmp_target *t, struct rmp_locked *l,
			  bool large, bool validate)
{
	unsigned page = large ? 0 : l->page, nr = large ? RMP_PAGES : 1;
	struct rmp_words w = rmp_load(l, page);

	w.lo = validate ? w.lo | RMP_VALIDATED : w.lo & ~RMP_VALIDATED;
	rmp_store(l, page, w);
	rmp_note(l, page, nr, validate ? RMP_EVENT_VALIDATED : RMP_EVENT_RESCINDED, w);
	if (validate)
		rmp_unlock(l);
	else
		snp_unlock_forget(hw, t->hpa, l, page, nr);	/* #VC from now on */
}

static NOINLINE void found_again(struct hw *hw, const struct rmp_target *t, bool validate)
{
	char text[300];

	rmp_describe(hw->frames.rmp, t->hpa, text, sizeof(text));
	hw_finding(hw, "APM vol. 2 15.36.6", "PVALIDATE changes nothing, %s already: %s",
		   validate ? "validated" : "rescinded", text);
}

/*
 * One GPA, two pages that the guest takes for good: the hypervisor has moved it, and can go on
 * to choose which one the guest sees.  Of owners and GPAs that share a place in the table
 * the last one counts.
 */
static void look_for_another(struct hw *hw, const struct rmp_target *t)
{
	struct rmp *rmp = hw->frames.rmp;
	uint64_t key = (t->gpa >> PAGE_SHIFT) + t->asid * 0x9e37u, page = t->hpa.v >> PAGE_SHIFT;
	uint64_t was = atomic64_xchg(&rmp->validated[key % RMP_VALIDATED_KEPT], page);
	char text[300];
	struct rmp_look l;

	if (!was || was == page)
		return;
	rmp_look(rmp, HPA(was << PAGE_SHIFT), 0, &l);
	if (!l.page.entry.validated || l.page.entry.asid != t->asid ||
	    l.page.gpa != (t->gpa & PAGE_MASK))
		return;
	rmp_describe(rmp, HPA(was << PAGE_SHIFT), text, sizeof(text));
	hw_finding(hw, "APM vol. 2 15.36.6", "PVALIDATE makes page 0x%llx a second one of gfn 0x%llx: %s",
		   (unsigned long long)page, (unsigned long long)(t->gpa >> PAGE_SHIFT), text);
}

struct rmp_done snp_pvalidate(struct hw *hw, const struct rmp_target *t, uint32_t ecx, uint32_t edx)
{
	bool large = ecx, validate = edx & 1;
	struct rmp_done out;
	struct rmp_locked l;
	struct rmp_page p;

	if (!open_target(hw, t, &l, &p, &out))
		return out;
	if (!size_fits(&p, t, large, &out)) {
		rmp_unlock(&l);
		return out;
	}
	out = done(RMP_SUCCESS);
	if (p.entry.validated != validate) {
		set_validated(hw, t, &l, large, validate);
		if (validate)
			look_for_another(hw, t);
		return out;
	}
	rmp_unlock(&l);
	found_again(hw, t, validate);
	out.no_change = true;
	return out;
}

struct rmp_done snp_rmpadjust(struct hw *hw, const struct rmp_target *t, uint64_t rcx, uint64_t rdx)
{
	uint8_t perm = (uint8_t)FIELD_GET(ADJUST_PERM, rdx);
	unsigned target = (unsigned)FIELD_GET(ADJUST_VMPL, rdx), page;
	bool large = rcx & 1;
	struct rmp_done out;
	struct rmp_locked l;
	struct rmp_page p;
	struct rmp_words w;

	if (!open_target(hw, t, &l, &p, &out))
		return out;
	if (!size_fits(&p, t, large, &out) && (out.fault.verdict || p.entry.validated)) {
		rmp_unlock(&l);
		return out;
	}
	out = done(RMP_SUCCESS);
	if (!p.entry.validated) {
		out.fault = (struct rmp_outcome){ RMP_VC, RMP_NOT_VALIDATED, RMP_VC_NOT_VALIDATED };
	} else if (perm & ~p.entry.perm[t->vmpl]) {
		out.eax = RMP_FAIL_PERMISSION;
	} else {
		page = large ? 0 : l.page;
		w = rmp_load(&l, page);
		w.hi = (w.hi & ~(0xffull << 8 * target)) | (uint64_t)perm << 8 * target;
		if (!t->vmpl)
			w.lo = rdx & ADJUST_VMSA ? w.lo | RMP_VMSA : w.lo & ~RMP_VMSA;
		rmp_store(&l, page, w);
		rmp_note(&l, page, large ? RMP_PAGES : 1, RMP_EVENT_ADJUSTED, w);
	}
	rmp_unlock(&l);
	return out;
}

struct rmp_done snp_rmpquery(struct hw *hw, const struct rmp_target *t, uint64_t rdx)
{
	unsigned target = (unsigned)FIELD_GET(ADJUST_VMPL, rdx);
	struct rmp_done out;
	struct rmp_locked l;
	struct rmp_page p;

	if (!open_target(hw, t, &l, &p, &out))
		return out;
	rmp_unlock(&l);
	out = done(RMP_SUCCESS);
	if (!p.entry.validated) {
		out.fault = (struct rmp_outcome){ RMP_VC, RMP_NOT_VALIDATED, RMP_VC_NOT_VALIDATED };
		return out;
	}
	out.rdx = (rdx & FIELD_MASK(ADJUST_VMPL)) | FIELD_PUT(ADJUST_PERM, p.entry.perm[target]) |
		  (p.entry.vmsa ? ADJUST_VMSA : 0);
	out.is_2m = p.entry.is_2m;
	return out;
}

/* VMRUN and #VMEXIT have no way to say that they came at the wrong moment. */
static bool lock_in_turn(struct hw *hw, hpa_t page, struct rmp_locked *l)
{
	enum rmp_lock got;

	while ((got = rmp_lock(hw->frames.rmp, page, false, true, l)) == RMP_LOCK_SAME ||
	       got == RMP_LOCK_OTHER)
		sync_relax();
	return got == RMP_LOCKED;
}

enum rmp_vmrun snp_vmsa_take(struct hw *hw, hpa_t page, uint16_t asid)
{
	enum rmp_vmrun r = RMP_VMRUN_INVALID;
	struct rmp_words w;
	struct rmp_locked l;
	struct rmp_page p;

	if (!hw->frames.rmp || !rmp_covers(hw->frames.rmp, page) ||
	    !lock_in_turn(hw, page, &l))
		return r;
	p = rmp_page_of(&l);
	r = rmp_check_structure(&p, RMP_SNP_VMSA_PAGE, asid);
	if (r == RMP_VMRUN_PASS) {
		w = rmp_load(&l, l.page);
		w.lo |= RMP_IN_USE;
		rmp_store(&l, l.page, w);
		snp_unlock_forget(hw, page, &l, l.page, 1);
	} else {
		rmp_unlock(&l);
	}
	return r;
}

void snp_vmsa_give(struct hw *hw, hpa_t page)
{
	struct rmp_words w;
	struct rmp_locked l;

	if (!lock_in_turn(hw, page, &l))
		return;				/* no entry: it was never taken */
	w = rmp_load(&l, l.page);
	w.lo &= ~RMP_IN_USE;
	rmp_store(&l, l.page, w);
	rmp_unlock(&l);
}
