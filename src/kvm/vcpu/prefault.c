/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * prefault.c - KVM_PRE_FAULT_MEMORY (spec kvm.md 1.5).
 */
#include <errno.h>

#include "kvm/core/attr.h"
#include "kvm/core/request.h"
#include "kvm/mmu/mmu.h"
#include "kvm/vcpu/fault.h"

/*
 * Whoever changes the slot that we found half changed may be waiting for our
 * section to end (B12); 6.12 would go round in here for ever.
 */
static bool let_others_finish(struct vcpu *v)
{
	struct srcu *srcu = &v->base.kvm->srcu;

	srcu_read_unlock(srcu, v->base.srcu_idx);
	sync_relax();
	v->base.srcu_idx = srcu_read_lock(srcu);
	return true;
}

static gpa_t address_of_half(const struct kvm *kvm, gpa_t gpa, bool is_private)
{
	return GPA(gpa.v | (is_private ? 0 : kvm->mmu.direct_bits << PAGE_SHIFT));
}

/* One mapping: its level, or -errno. */
static int prefault_one(struct vcpu *v, gpa_t gpa)
{
	struct kvm *kvm = v->base.kvm;
	struct kvm_page_fault f;
	uint64_t ec;
	int r;

	if (!atomic32_load_acquire(&kvm->pre_fault_allowed))
		return -EOPNOTSUPP;
	/* The attribute says which half is meant. */
	if (kvm_gfn_is_alias(kvm, gpa_to_gfn(gpa)) && kvm->module->abi > KERNEL_ABI_6_12)
		return -EINVAL;
	gpa = kvm_addr_without_alias(kvm, gpa);
	do {
		if (atomic32_load_relaxed(&v->signal))
			return -EINTR;
		if (kvm_vm_is_dead(kvm))
			return -EIO;
		/* Requests are dealt with at guest entry only; not here (B13). */
		if (kvm_check_request(KVM_REQ_MMU_FREE_OBSOLETE_ROOTS, &v->base))
			kvm_mmu_free_obsolete_roots(&v->base);
		r = kvm_mmu_reload(&v->base);
		if (r)
			return r;
		ec = PFERR_GUEST_FINAL;
		if (kvm_mem_is_private(kvm, gpa_to_gfn(gpa)))
			ec |= PFERR_PRIVATE_ACCESS;
		vcpu_fault_init(v, &f, address_of_half(kvm, gpa, ec & PFERR_PRIVATE_ACCESS), ec);
		f.prefetch = true;
		r = vcpu_do_page_fault(v, &f);
	} while (r == RET_PF_RETRY && let_others_finish(v));

	switch (r) {
	case RET_PF_FIXED: case RET_PF_SPURIOUS: case RET_PF_WRITE_PROTECTED:
		return f.goal_level;
	case RET_PF_EMULATE:
		return -ENOENT;
	default:
		return r < 0 ? r : -EIO;
	}
}

static int prefault_range(struct vcpu *v, struct kvm_pre_fault_memory *range)
{
	uint64_t full = range->size;
	int r = 0;

	while (range->size) {
		uint64_t to_end;

		r = prefault_one(v, GPA(range->gpa));
		if (r < 0)
			break;
		to_end = PG_LEVEL_SIZE(r) - (range->gpa & (PG_LEVEL_SIZE(r) - 1));
		to_end = MIN(to_end, range->size);
		range->gpa += to_end;
		range->size -= to_end;
		r = 0;
	}
	return range->size == full ? r : 0;
}

int vcpu_prefault(struct vcpu *v, struct kvm_pre_fault_memory *range)
{
	int r;

	if (range->flags)
		return -EINVAL;
	if ((range->gpa | range->size) & ~PAGE_MASK || range->gpa + range->size <= range->gpa)
		return -EINVAL;
	v->base.srcu_idx = srcu_read_lock(&v->base.kvm->srcu);
	r = prefault_range(v, range);
	srcu_read_unlock(&v->base.kvm->srcu, v->base.srcu_idx);
	return r;
}
