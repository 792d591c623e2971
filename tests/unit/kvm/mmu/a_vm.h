/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A machine, a loaded module and a VM with some vCPUs that never run. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "hw/insn/cpu.h"
#include "hw/insn/machine.h"
#include "kvm/core/attr.h"
#include "kvm/core/memslot.h"
#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/mmu.h"
#include "os/memory.h"
#include "trace/counters.h"

struct cpu {
	int unused;
};

void cpu_kick(struct cpu *cpu)
{
	(void)cpu;
}

#define A_VM_VCPUS	4

struct a_vm {
	struct kvm		kvm;
	struct kvm_module	module;
	struct vm_type_ops	ops;
	struct kvm_vcpu		vcpus[A_VM_VCPUS];
	atomic32_t		destroyed;
};

static inline int a_vm_init(struct kvm *kvm)
{
	(void)kvm;
	return 0;
}

static inline void a_vm_last_put(struct kvm *kvm)
{
	atomic32_store(&container_of(kvm, struct a_vm, kvm)->destroyed, 1);
}

static inline struct a_vm *a_vm_create(const struct hw_config *config, bool private_mem)
{
	struct a_vm *vm = calloc(1, sizeof(*vm));
	struct hw_config with_counters = *config;

	assert_non_null(vm);
	vm->module.counters = counters_create(NR_COUNTERS);
	with_counters.counters = vm->module.counters;
	assert_int_equal(hw_create(&with_counters, &vm->module.hw), HW_OK);
	vm->module.abi = KERNEL_ABI_6_12;
	vm->module.params.mmio_caching = true;
	assert_int_equal(kvm_mmu_module_init(&vm->module), 0);
	vm->ops = (struct vm_type_ops){
		.name = "test",
#define OP(ret, op, args)
#define OPT(ret, op, args, ...) .op = vm_type_no_##op,
#include "kvm/core/vm_type_ops.def"
#undef OPT
#undef OP
		.vm_init = a_vm_init,
		.has_private_mem = private_mem,
		.zap_all_on_slot_change = !private_mem,
	};
	assert_true(vm_type_ops_complete(&vm->ops));
	vm->kvm.ops = &vm->ops;
	vm->kvm.has_private_mem = private_mem;
	vm->kvm.nr_address_spaces = private_mem ? 1 : 2;
	assert_int_equal(kvm_core_init(&vm->kvm, &vm->module, a_vm_last_put), 0);
	assert_int_equal(kvm_mmu_init_vm(&vm->kvm), 0);
	mutex_lock(&vm->kvm.lock);
	for (unsigned i = 0; i < A_VM_VCPUS; i++) {
		kvm_vcpu_core_init(&vm->vcpus[i], &vm->kvm, i);
		assert_int_equal(kvm_reserve_vcpu(&vm->kvm), 0);
		kvm_publish_vcpu(&vm->kvm, &vm->vcpus[i]);
	}
	mutex_unlock(&vm->kvm.lock);
	return vm;
}

/* From now on shared addresses have the highest bit, and the others a mirror of their own. */
static inline void a_vm_add_mirror(struct a_vm *vm)
{
	vm->ops.has_mirror = true;
	vm->kvm.mmu.direct_bits = kvm_mmu_max_gfn(&vm->module).v >> 1;
}

/* No table is left: what the MMU counts can be looked at, slots can go. */
static inline void a_vm_drop_tables(struct a_vm *vm)
{
	for (unsigned i = 0; i < A_VM_VCPUS; i++)
		kvm_mmu_destroy_vcpu(&vm->vcpus[i]);
	kvm_mmu_uninit_vm(&vm->kvm);
}

static inline void a_vm_destroy(struct a_vm *vm)
{
	for (unsigned i = 0; i < A_VM_VCPUS; i++) {
		kvm_mmu_destroy_vcpu(&vm->vcpus[i]);
		kvm_vcpu_core_fini(&vm->vcpus[i]);
	}
	kvm_mmu_uninit_vm(&vm->kvm);
	kvm_put(&vm->kvm);
	assert_true(atomic32_load(&vm->destroyed));
	kvm_core_fini(&vm->kvm);
	kvm_mmu_module_fini(&vm->module);
	hw_destroy(vm->module.hw);
	counters_destroy(vm->module.counters);
	free(vm);
}

static inline uint32_t a_vm_random(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)(*state >> 4) * below) >> 28);
}
