/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/fault.h"

#include <errno.h>

#include "kvm/core/attr.h"
#include "kvm/core/memslot.h"
#include "kvm/gmem/gmem.h"
#include "kvm/host/access.h"
#include "kvm/mmu/mmu.h"
#include "trace/counters.h"

void vcpu_fault_init(const struct vcpu *v, struct kvm_page_fault *f, gpa_t gpa, uint64_t ec)
{
	const struct kvm *kvm = v->base.kvm;

	*f = (struct kvm_page_fault){
		.addr = gpa,
		.error_code = ec,
		.exec = ec & PFERR_FETCH,
		.write = ec & PFERR_WRITE,
		.present = ec & PFERR_PRESENT,
		.rsvd = ec & PFERR_RSVD,
		.user = ec & PFERR_USER,
		.is_private = ec & PFERR_PRIVATE_ACCESS,
		.max_level = PG_LEVEL_MAX_LEAF,
		.gfn = GFN((gpa.v >> PAGE_SHIFT) & ~kvm->mmu.direct_bits),
		.page = HPA_INVALID,
		.host_level = PG_LEVEL_4K,
		.goal_level = PG_LEVEL_4K,
	};
}

int vcpu_memory_fault_exit(struct vcpu *v, const struct kvm_page_fault *f, int error)
{
	struct kvm_run *run = v->base.run;

	run->exit_reason = KVM_EXIT_MEMORY_FAULT;
	run->memory_fault.flags = f->is_private ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0;
	run->memory_fault.gpa = f->gfn.v << PAGE_SHIFT;
	run->memory_fault.size = PAGE_SIZE;
	counter_add(v->base.kvm->module->counters, COUNTER_MEMORY_FAULT_EXITS, 1);
	VCPU_TRACE(v, softcvm_memory_fault, v->base.id, run->memory_fault.gpa, f->is_private);
	return error;
}

/* kvm_handle_noslot_fault() */
static int no_slot(struct vcpu *v, struct kvm_page_fault *f, uint64_t generation)
{
	struct kvm_module *module = v->base.kvm->module;

	if (f->is_private)
		return vcpu_memory_fault_exit(v, f, -EFAULT);
	kvm_mmu_cache_mmio(&v->base, f->gfn, generation);
	f->slot = NULL;
	f->kind = KVM_PAGE_NOSLOT;
	f->map_writable = false;
	if (!module->enable_mmio_caching || f->gfn.v >= kvm_mmu_max_gfn(module).v)
		return RET_PF_EMULATE;
	return RET_PF_CONTINUE;
}

static int faultin_gmem(struct vcpu *v, struct kvm_page_fault *f)
{
	uint8_t level;
	int r;

	if (!kvm_slot_can_be_private(f->slot))
		return vcpu_memory_fault_exit(v, f, -EFAULT);
	r = kvm_gmem_get_pfn(v->base.kvm, f->slot, f->gfn, &f->page, &level);
	if (r)
		return vcpu_memory_fault_exit(v, f, r);
	f->kind = KVM_PAGE_MEMORY;
	f->map_writable = !(f->slot->flags & KVM_MEM_READONLY);
	f->host_level = level;
	f->max_level = MIN(f->max_level, level);
	return RET_PF_CONTINUE;
}

/*
 * The host is asked with no section open: a userfaultfd handler may itself
 * call our ioctls.  What the slot said before is worth nothing afterwards, so
 * the generation is compared and the fault starts over when it has moved.
 */
static int faultin_shared(struct vcpu *v, struct kvm_page_fault *f)
{
	struct kvm *kvm = v->base.kvm;
	uint64_t before = kvm_memslots_generation(kvm, 0);
	bool readonly = f->slot->flags & KVM_MEM_READONLY;
	hva_t hva = kvm_slot_hva(f->slot, f->gfn);
	struct kvm_host_page host;
	enum kvm_gup r;

	if (f->write && readonly)
		return RET_PF_EMULATE;
	srcu_read_unlock(&kvm->srcu, v->base.srcu_idx);
	r = kvm_gup(kvm, hva, f->write, &v->signal, &host);
	v->base.srcu_idx = srcu_read_lock(&kvm->srcu);
	/* Interrupted: who tries again looks for signals first. */
	if (kvm_memslots_generation(kvm, 0) != before || r == KVM_GUP_INTERRUPTED)
		return RET_PF_RETRY;
	if (r == KVM_GUP_FAULT)
		return -EFAULT;
	f->kind = KVM_PAGE_MEMORY;
	f->page = host.page;
	f->host_level = host.level;
	f->map_writable = host.writable && !readonly;
	return RET_PF_CONTINUE;
}

int vcpu_faultin_pfn(struct vcpu *v, struct kvm_page_fault *f)
{
	struct kvm *kvm = v->base.kvm;
	uint64_t generation;
	int r;

	f->mmu_seq = atomic64_load_acquire(&kvm->inv.seq);
	SYNC_POINT(fault_snapshot_seq);
	/* First of all, whatever the slot: one answer to a wrong alias (B1). */
	if (f->is_private != kvm_mem_is_private(kvm, f->gfn))
		return vcpu_memory_fault_exit(v, f, -EFAULT);
	SYNC_POINT(fault_attr_read);

	generation = kvm_memslots_generation(kvm, 0);
	f->slot = kvm_vcpu_gfn_to_memslot(&v->base, f->gfn);
	SYNC_POINT(fault_slot_read);
	if (!f->slot)
		return no_slot(v, f, generation);
	if (f->slot->flags & KVM_MEMSLOT_INVALID)
		return f->prefetch && kvm->module->abi > KERNEL_ABI_6_12 ? -EAGAIN : RET_PF_RETRY;
	if (f->slot->id == KVM_APIC_ACCESS_SLOT)
		return RET_PF_EMULATE;
	if (kvm_mmu_fault_may_be_stale(kvm, f))
		return RET_PF_RETRY;

	r = f->is_private || kvm_slot_is_gmem_only(f->slot) ? faultin_gmem(v, f)
							    : faultin_shared(v, f);
	SYNC_POINT(fault_pfn_got);
	if (r != RET_PF_CONTINUE)
		return r;
	return kvm_mmu_fault_may_be_stale(kvm, f) ? RET_PF_RETRY : RET_PF_CONTINUE;
}

/* fast_page_fault() must not answer for the wrong alias (spec 2.5 step 2). */
static bool fast_path_may_try(struct vcpu *v, const struct kvm_page_fault *f)
{
	if (f->rsvd || !f->present || !f->write)
		return false;
	return !v->base.kvm->has_private_mem ||
	       f->is_private == kvm_mem_is_private(v->base.kvm, f->gfn);
}

static int tdp_page_fault(struct vcpu *v, struct kvm_page_fault *f)
{
	int r;

	if (fast_path_may_try(v, f)) {
		f->slot = kvm_vcpu_gfn_to_memslot(&v->base, f->gfn);
		r = kvm_mmu_fast_page_fault(&v->base, f);
		if (r != RET_PF_INVALID)
			return r;
	}
	r = vcpu_faultin_pfn(v, f);
	if (r != RET_PF_CONTINUE)
		return r;
	SYNC_POINT(fault_before_lock);
	return kvm_mmu_map(&v->base, f);
}

int vcpu_do_page_fault(struct vcpu *v, struct kvm_page_fault *f)
{
	int r = tdp_page_fault(v, f);

	if (r == RET_PF_EMULATE && f->is_private)
		return vcpu_memory_fault_exit(v, f, -EFAULT);
	return r;
}

static void count_outcome(struct kvm_vcpu *b, int r)
{
	if (r == RET_PF_FIXED)
		KVM_VCPU_COUNT(b, pf_fixed);
	else if (r == RET_PF_EMULATE)
		KVM_VCPU_COUNT(b, pf_emulate);
	else if (r == RET_PF_SPURIOUS)
		KVM_VCPU_COUNT(b, pf_spurious);
}

/*
 * kvm_mmu_page_fault(): RET_PF_RETRY to go on in the guest, RET_PF_EMULATE, or
 * -errno.
 */
int vcpu_page_fault(struct vcpu *v, gpa_t gpa, uint64_t ec)
{
	struct kvm *kvm = v->base.kvm;
	struct kvm_page_fault f;
	int r = RET_PF_INVALID;

	counter_add(kvm->module->counters, COUNTER_PAGE_FAULTS, 1);
	/* A software-protected guest has no way to say which it means, unless by a bit. */
	if (!kvm->mmu.direct_bits && !(ec & PFERR_RSVD) && kvm->vm_type == KVM_X86_SW_PROTECTED_VM &&
	    kvm_mem_is_private(kvm, gpa_to_gfn(gpa)))
		ec |= PFERR_PRIVATE_ACCESS;
	if (ec & PFERR_RSVD) {
		if (ec & PFERR_PRIVATE_ACCESS)
			return -EFAULT;
		r = kvm_mmu_handle_mmio_fault(&v->base, gpa);
	}
	if (r == RET_PF_INVALID) {
		KVM_VCPU_COUNT(&v->base, pf_taken);
		vcpu_fault_init(v, &f, gpa, ec);
		r = vcpu_do_page_fault(v, &f);
		count_outcome(&v->base, r);
	}
	if (r < 0 || r == RET_PF_EMULATE)
		return r;
	return RET_PF_RETRY;
}
