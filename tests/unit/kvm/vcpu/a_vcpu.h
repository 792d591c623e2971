/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * a_vcpu.h - a whole machine with KVM loaded, one VM and its first vCPU, all of
 * it real; nothing runs.
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
#include "kvm/core/request.h"
#include "kvm/types/types.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/memory.h"
#include "kvm/vm/vm.h"
#include "os/file.h"
#include "os/memory.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define AMD	HW_VENDOR_AMD
#define INTEL	HW_VENDOR_INTEL

struct a_vcpu {
	struct kvm_module	 module;
	struct kvm		*kvm;
	struct vcpu		*v;
	struct kvm_run		*run;
};

static inline void a_module_make(struct kvm_module *m, enum hw_vendor vendor, uint8_t phys_bits)
{
	struct hw_config c = { .vendor = vendor, .phys_bits = phys_bits, .nr_cpus = 2 };

	*m = (struct kvm_module){ .abi = KERNEL_ABI_6_12,
				  .params = { .mmio_caching = true, .tdp_mmu = true } };
	m->counters = counters_create();
	assert_non_null(m->counters);
	c.counters = m->counters;
	assert_int_equal(hw_create(&c, &m->hw), HW_OK);
	m->vm_types = vm_types_supported(m);
	assert_int_equal(kvm_module_load(m), 0);
}

static inline void a_module_free(struct kvm_module *m)
{
	kvm_module_unload(m);
	hw_destroy(m->hw);
	counters_destroy(m->counters);
}

static inline struct vcpu *a_vcpu_add(struct a_vcpu *a, unsigned id)
{
	struct vcpu *v;
	int fd = os_shared_memfd("run", VCPU_RUN_PAGES * PAGE_SIZE, true);
	void *pages = os_map_shared(fd, VCPU_RUN_PAGES * PAGE_SIZE);

	assert_non_null(pages);
	os_close(fd);
	assert_int_equal(kvm_vm_create_vcpu(a->kvm, id, pages, &v), 0);
	return v;
}

/* A VM of @type with an irqchip when @apic, and vCPU 0. */
static inline void a_vcpu_make(struct a_vcpu *a, enum hw_vendor vendor, unsigned long type,
			       bool apic)
{
	a_module_make(&a->module, vendor, 46);
	assert_int_equal(kvm_vm_create(&a->module, vm_type_find(&a->module, type), &a->kvm), 0);
	if (apic)
		assert_int_equal(kvm_vm_create_irqchip(a->kvm), 0);
	a->v = a_vcpu_add(a, 0);
	a->run = a->v->base.run;
}

/* Gives the vCPU all that KVM supports. */
static inline void a_vcpu_all_cpuid(struct a_vcpu *a)
{
	struct kvm_cpuid_entry2 e[KVM_MAX_CPUID_ENTRIES];
	int nr = kvm_supported_cpuid(&a->module, e, KVM_MAX_CPUID_ENTRIES);

	assert_true(nr > 0);
	assert_int_equal(vcpu_set_cpuid(a->v, e, nr), 0);
}

/* vCPUs @nr each hold a reference, and the VM's own. */
static inline void a_vcpu_free(struct a_vcpu *a)
{
	unsigned nr = atomic32_load(&a->kvm->nr_vcpus);

	for (unsigned i = 0; i < nr; i++)
		kvm_put(a->kvm);
	kvm_put(a->kvm);
	a_module_free(&a->module);
}
