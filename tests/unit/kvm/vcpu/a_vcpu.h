/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * a_vcpu.h - a machine, its module, a plain VM and its first vCPU, as the room
 * below kvm/vm sees them; nothing runs.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "hw/insn/machine.h"
#include "kvm/core/memslot.h"
#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/irq/irq.h"
#include "kvm/mmu/mmu.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/load.h"
#include "kvm/vcpu/vcpu.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define AMD	HW_VENDOR_AMD
#define INTEL	HW_VENDOR_INTEL

struct a_vcpu {
	struct kvm_module	 module;
	struct vm_type_ops	 ops;
	struct kvm		*kvm;
	struct vcpu		*v;
};

static inline int a_vm_init(struct kvm *kvm)
{
	return 0;
}

/* The fixture takes the VM apart itself. */
static inline void a_vm_last_put(struct kvm *kvm)
{
}

static inline void a_module_make(struct kvm_module *m, enum hw_vendor vendor, uint8_t phys_bits)
{
	struct hw_config c = { .vendor = vendor, .phys_bits = phys_bits, .nr_cpus = 2 };

	*m = (struct kvm_module){ .abi = KERNEL_ABI_6_12, .maxphyaddr = phys_bits,
				  .params = { .mmio_caching = true, .tdp_mmu = true } };
	m->counters = counters_create(NR_COUNTERS);
	assert_non_null(m->counters);
	c.counters = m->counters;
	assert_int_equal(hw_create(&c, &m->hw), HW_OK);
	assert_int_equal(kvm_mmu_module_init(m), 0);
	m->timers = irq_timers_create();
	assert_non_null(m->timers);
	m->lp_pool = lp_pool_create(m->hw);
	assert_non_null(m->lp_pool);
}

static inline void a_module_free(struct kvm_module *m)
{
	irq_timers_destroy(m->timers);
	lp_pool_destroy(m->lp_pool);
	kvm_mmu_module_fini(m);
	hw_destroy(m->hw);
	counters_destroy(m->counters);
}

static inline struct vcpu *a_vcpu_add(struct a_vcpu *a, unsigned id)
{
	struct vcpu *v;
	void *pages = os_map_inherited(VCPU_RUN_PAGES * PAGE_SIZE);

	assert_non_null(pages);
	assert_int_equal(vcpu_create(a->kvm, id, pages, &v), 0);
	mutex_lock(&a->kvm->lock);
	assert_int_equal(kvm_reserve_vcpu(a->kvm), 0);
	kvm_publish_vcpu(a->kvm, &v->base);
	mutex_unlock(&a->kvm->lock);
	return v;
}

/* A VM, with a local APIC for each vCPU when @apic, and vCPU 0. */
static inline void a_vcpu_make(struct a_vcpu *a, enum hw_vendor vendor, bool apic)
{
	a_module_make(&a->module, vendor, 46);
	a->ops = (struct vm_type_ops){
		.name = "test",
#define OP(ret, op, args)
#define OPT(ret, op, args, ...) .op = vm_type_no_##op,
#include "kvm/core/vm_type_ops.def"
#undef OPT
#undef OP
		.vm_init = a_vm_init,
	};
	a->kvm = aligned_alloc(64, ALIGN_UP(sizeof(*a->kvm), 64));
	assert_non_null(a->kvm);
	*a->kvm = (struct kvm){ .ops = &a->ops, .nr_address_spaces = 1 };
	a->kvm->caps.irqchip = apic;
	assert_int_equal(kvm_irq_create(a->kvm), 0);
	assert_int_equal(kvm_time_create(a->kvm), 0);
	a->kvm->irq->mode = apic ? IRQCHIP_KERNEL : IRQCHIP_NONE;
	assert_int_equal(kvm_core_init(a->kvm, &a->module, a_vm_last_put), 0);
	assert_int_equal(kvm_mmu_init_vm(a->kvm), 0);
	a->v = a_vcpu_add(a, 0);
}

/* Gives the vCPU all that KVM supports. */
static inline void a_vcpu_all_cpuid(struct a_vcpu *a)
{
	struct kvm_cpuid_entry2 e[KVM_MAX_CPUID_ENTRIES];
	int nr = kvm_supported_cpuid(&a->module, e, KVM_MAX_CPUID_ENTRIES);

	assert_true(nr > 0);
	assert_int_equal(vcpu_set_cpuid(a->v, e, nr), 0);
}

/* @slot is in the memslots from now on. */
static inline void a_vcpu_put_slot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	uint64_t generation;

	mutex_lock(&kvm->slots_lock);
	assert_int_equal(kvm_mmu_alloc_slot_metadata(kvm, slot), 0);
	assert_int_equal(kvm_memslots_reserve(kvm, 0, slot->id), 0);
	kvm_memslots_replace(kvm, 0, NULL, slot);
	generation = kvm_memslots_publish(kvm, 0);
	kvm_memslots_settle(kvm, 0, generation);
	kvm_memslots_replace(kvm, 0, NULL, slot);
	mutex_unlock(&kvm->slots_lock);
}

/*
 * @slot is slot 0 from 0 on, put into the map by hand, over @size fresh bytes: its
 * memory.  Gone again before a_vcpu_free().
 */
static inline uint8_t *a_vcpu_add_slot(struct a_vcpu *a, struct kvm_memory_slot *slot, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	slot->npages = size >> PAGE_SHIFT;
	slot->userspace_addr = HVA((uintptr_t)memory);
	a_vcpu_put_slot(a->kvm, slot);
	return memory;
}

static inline void a_vcpu_forget_slot(struct a_vcpu *a, struct kvm_memory_slot *slot)
{
	kvm_memslots_forget(a->kvm, slot);
	kvm_mmu_free_slot_metadata(slot);
}

static inline void a_vcpu_free(struct a_vcpu *a)
{
	unsigned nr = atomic32_load(&a->kvm->nr_vcpus);

	for (unsigned i = 0; i < nr; i++) {
		struct kvm_vcpu *b = kvm_get_vcpu(a->kvm, i);
		void *pages = b->run;

		vcpu_destroy(to_vcpu(b));
		os_unmap(pages, VCPU_RUN_PAGES * PAGE_SIZE);
	}
	kvm_time_destroy(a->kvm);
	kvm_irq_destroy(a->kvm);
	kvm_mmu_uninit_vm(a->kvm);
	kvm_core_fini(a->kvm);
	free(a->kvm);
	a_module_free(&a->module);
}
