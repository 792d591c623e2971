/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vm/vm.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/insn/machine.h"
#include "kvm/core/host_map.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/irqfd.h"
#include "kvm/mmu/mmu.h"
#include "kvm/vcpu/load.h"
#include "kvm/vcpu/msr_filter.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/audit.h"
#include "kvm/vm/memory.h"
#include "os/clock.h"
#include "os/memory.h"
#include "os/process.h"
#include "trace/counters.h"

#define MIN_MMU_PAGES	64	/* KVM_MIN_ALLOC_MMU_PAGES */
#define TSS_PAGES	3

struct kvm_vm_arch {
	void		*coalesced_page;	/* [c] shared with the VMM */
	void		*apic_access_page;	/* [L] one page of ours, or NULL */
	uint64_t	 identity_map_addr;	/* [L] */
	unsigned long	 nr_mmu_pages;		/* [S] 0: the default */
};

int kvm_module_load(struct kvm_module *module)
{
	const struct hw_config *c = hw_config(module->hw);
	int r;

	module->maxphyaddr = c->phys_bits - c->phys_reduction;
	r = kvm_host_map_create(module);
	if (r)
		return r;
	r = kvm_mmu_module_init(module);
	if (r)
		goto out_host_map;
	module->timers = irq_timers_create();
	module->irqfds = irqfds_create();
	module->lp_pool = lp_pool_create(module->hw);
	if (!module->lp_pool || !module->timers || !module->irqfds) {
		r = -ENOMEM;
		goto out_mmu;
	}
	return 0;

out_mmu:
	irqfds_destroy(module->irqfds);
	lp_pool_destroy(module->lp_pool);
	irq_timers_destroy(module->timers);
	kvm_mmu_module_fini(module);
out_host_map:
	kvm_host_map_destroy(module);
	return r;
}

void kvm_module_unload(struct kvm_module *module)
{
	irqfds_destroy(module->irqfds);
	irq_timers_destroy(module->timers);
	lp_pool_destroy(module->lp_pool);
	kvm_mmu_module_fini(module);
	if (module->audit)
		kvm_module_audit_at_end(module);
	kvm_host_map_destroy(module);
}

static void destroy_vcpus(struct kvm *kvm)
{
	unsigned nr = atomic32_load_acquire(&kvm->nr_vcpus);

	for (unsigned i = 0; i < nr; i++) {
		struct kvm_vcpu *b = kvm_get_vcpu(kvm, i);

		void *run_pages = b->run;

		kvm->ops->vcpu_free(b);
		vcpu_destroy(to_vcpu(b));
		os_unmap(run_pages, VCPU_RUN_PAGES * PAGE_SIZE);
	}
}

static struct kvm_vm_arch *arch_create(void)
{
	struct kvm_vm_arch *arch = calloc(1, sizeof(*arch));

	if (!arch)
		return NULL;
	arch->coalesced_page = os_map_shared_anonymous(PAGE_SIZE);
	if (!arch->coalesced_page) {
		free(arch);
		return NULL;
	}
	return arch;
}

static void arch_destroy(struct kvm_vm_arch *arch)
{
	if (arch->apic_access_page)
		os_unmap(arch->apic_access_page, PAGE_SIZE);
	os_unmap(arch->coalesced_page, PAGE_SIZE);
	free(arch);
}

void *kvm_vm_coalesced_page(const struct kvm *kvm)
{
	return kvm->arch->coalesced_page;
}

static void destroy_vm(struct kvm *kvm)
{
	struct kvm_module *module = kvm->module;

	TRACE(module->trace, softcvm_vm, kvm->vm_type, false);
	if (kvm->audit)
		kvm_vm_audit_at_end(kvm);
	kvm_irq_quiesce(kvm);
	destroy_vcpus(kvm);
	kvm->ops->vm_destroy(kvm);
	kvm_mmu_uninit_vm(kvm);
	kvm->ops->vm_free(kvm);
	kvm_vm_free_memory(kvm);
	arch_destroy(kvm->arch);
	msr_filter_free(atomicptr_load(&kvm->msr_filter));
	kvm_core_fini(kvm);	/* the buses let go of the chips */
	kvm_time_destroy(kvm);
	kvm_irq_destroy(kvm);
	free(kvm);
	atomic32_sub(&module->nr_vms, 1);
}

static void set_type(struct kvm *kvm, const struct vm_type_ops *ops)
{
	kvm->ops = ops;
	kvm->vm_type = ops->vm_type;
	kvm->has_private_mem = ops->has_private_mem;
	kvm->has_protected_state = ops->has_protected_state;
	atomic32_store(&kvm->pre_fault_allowed, ops->pre_fault_at_once);
	kvm->nr_address_spaces = ops->has_private_mem ? 1 : KVM_MAX_ADDRESS_SPACES;
	kvm->owner_pid = os_pid();
	kvm->creator = os_tid();
	kvm->caps.tsc_khz = os_tsc_khz();
}

int kvm_vm_create(struct kvm_module *module, const struct vm_type_ops *ops, struct kvm **out)
{
	struct kvm *kvm = aligned_alloc(64, ALIGN_UP(sizeof(*kvm), 64));
	int r = -ENOMEM;

	if (!kvm)
		return -ENOMEM;
	*kvm = (struct kvm){ 0 };
	set_type(kvm, ops);
	kvm->audit = module->audit ? kvm_vm_audit : NULL;
	kvm->arch = arch_create();
	if (!kvm->arch)
		goto out_free;
	kvm->coalesced_ring = kvm->arch->coalesced_page;
	r = kvm_irq_create(kvm);
	if (!r)
		r = kvm_time_create(kvm);
	if (r)
		goto out_irq;
	r = kvm_core_init(kvm, module, destroy_vm);
	if (r)
		goto out_irq;
	r = kvm_mmu_init_vm(kvm);
	if (r)
		goto out_core;
	r = ops->vm_init(kvm);
	if (r)
		goto out_mmu;
	atomic32_add(&module->nr_vms, 1);
	counter_add(module->counters, COUNTER_VMS, 1);
	TRACE(module->trace, softcvm_vm, kvm->vm_type, true);
	*out = kvm;
	return 0;

out_mmu:
	kvm_mmu_uninit_vm(kvm);
out_core:
	kvm_core_fini(kvm);
out_irq:
	kvm_time_destroy(kvm);
	kvm_irq_destroy(kvm);
	arch_destroy(kvm->arch);
out_free:
	free(kvm);
	return r;
}

/*
 * Intel backs the APIC's page with an internal slot as soon as a vCPU with a
 * local APIC exists; AMD does so only with AVIC, which is off by default
 * (kvm_alloc_apic_access_page()).
 */
static int alloc_apic_access_page_locked(struct kvm *kvm)
{
	void *page;
	int r;

	if (kvm->arch->apic_access_page)
		return 0;
	page = os_map_private(PAGE_SIZE, PAGE_SIZE);
	if (!page)
		return -ENOMEM;
	r = kvm_vm_set_internal_slot(kvm, KVM_APIC_ACCESS_SLOT, GPA(LAPIC_DEFAULT_BASE), page,
				     PAGE_SIZE);
	if (r)
		os_unmap(page, PAGE_SIZE);
	else
		kvm->arch->apic_access_page = page;
	return r;
}

static int alloc_apic_access_page(struct kvm *kvm)
{
	int r;

	if (hw_config(kvm->module->hw)->vendor != HW_VENDOR_INTEL || !kvm->caps.irqchip)
		return 0;
	mutex_lock(&kvm->lock);
	r = alloc_apic_access_page_locked(kvm);
	mutex_unlock(&kvm->lock);
	return r;
}

/* The part of creation that needs kvm->lock: reserve a place for the newcomer. */
static int reserve_vcpu(struct kvm *kvm, unsigned long id)
{
	int r = 0;

	mutex_lock(&kvm->lock);
	/* Nobody asked in time: from the first vCPU on it is the greatest there is. */
	if (!kvm->max_vcpu_ids)
		kvm->max_vcpu_ids = KVM_MAX_VCPU_IDS_LIMIT;
	if (id >= kvm->max_vcpu_ids)
		r = -EINVAL;
	else
		r = kvm_reserve_vcpu(kvm);
	if (!r)
		atomic32_add(&kvm->created_vcpus, 1);
	mutex_unlock(&kvm->lock);
	return r;
}

static void unreserve_vcpu(struct kvm *kvm)
{
	mutex_lock(&kvm->lock);
	atomic32_sub(&kvm->created_vcpus, 1);
	mutex_unlock(&kvm->lock);
}

static int publish_vcpu(struct kvm *kvm, struct vcpu *v)
{
	int r = 0;

	mutex_lock(&kvm->lock);
	if (kvm_get_vcpu_by_id(kvm, v->base.id)) {
		r = -EEXIST;
	} else {
		kvm_get(kvm);
		kvm_publish_vcpu(kvm, &v->base);
	}
	mutex_unlock(&kvm->lock);
	if (!r && v->base.lapic) {
		apic_map_changed(kvm->irq);
		apic_map_update(kvm);
	}
	return r;
}

int kvm_vm_create_vcpu(struct kvm *kvm, unsigned long id, void *run_pages, struct vcpu **out)
{
	struct vcpu *v;
	int r;

	if (id >= KVM_MAX_VCPU_IDS_LIMIT)
		return -EINVAL;
	r = reserve_vcpu(kvm, id);
	if (r)
		return r;
	r = vcpu_create(kvm, id, run_pages, &v);
	if (r)
		goto out_unreserve;
	r = kvm->ops->vcpu_create(&v->base);
	if (r)
		goto out_destroy;
	r = alloc_apic_access_page(kvm);
	if (!r)
		r = publish_vcpu(kvm, v);
	if (r)
		goto out_type;
	*out = v;
	return 0;

out_type:
	kvm->ops->vcpu_free(&v->base);
out_destroy:
	vcpu_destroy(v);
out_unreserve:
	unreserve_vcpu(kvm);
	return r;
}

/* Both machines run real mode without help: the address is checked, not used. */
int kvm_vm_set_tss_addr(struct kvm *kvm, unsigned long addr)
{
	return addr > (uint32_t)(-TSS_PAGES * (int)PAGE_SIZE) ? -EINVAL : 0;
}

int kvm_vm_set_identity_map_addr(struct kvm *kvm, uint64_t addr)
{
	int r = 0;

	mutex_lock(&kvm->lock);
	if (atomic32_load(&kvm->created_vcpus))
		r = -EINVAL;
	else
		kvm->arch->identity_map_addr = addr;
	mutex_unlock(&kvm->lock);
	return r;
}

/* For vCPUs to come; those that there are keep theirs. */
int kvm_vm_set_tsc_khz(struct kvm *kvm, uint32_t khz)
{
	if (khz >= kvm_max_tsc_khz(kvm->module))
		return -EINVAL;
	mutex_lock(&kvm->lock);
	kvm->caps.tsc_khz = khz ? khz : os_tsc_khz();
	mutex_unlock(&kvm->lock);
	return 0;
}

/* Bounds the shadow MMU, which we do not have; the number is kept. */
int kvm_vm_set_nr_mmu_pages(struct kvm *kvm, unsigned long nr)
{
	if (nr < MIN_MMU_PAGES)
		return -EINVAL;
	mutex_lock(&kvm->slots_lock);
	kvm->arch->nr_mmu_pages = nr;
	mutex_unlock(&kvm->slots_lock);
	return 0;
}

int kvm_vm_set_boot_cpu_id(struct kvm *kvm, unsigned long id)
{
	int r = 0;

	mutex_lock(&kvm->lock);
	if (atomic32_load(&kvm->created_vcpus))
		r = -EBUSY;
	else if (id > KVM_MAX_VCPU_IDS_LIMIT || (kvm->max_vcpu_ids && id > kvm->max_vcpu_ids))
		r = -EINVAL;
	else
		kvm->caps.bsp_vcpu_id = id;
	mutex_unlock(&kvm->lock);
	return r;
}
