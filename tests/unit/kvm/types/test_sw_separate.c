/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_sw_separate.c - the external table of a VM with separate tables, as the processor reads it. */
#include "kvm/types/types.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/insn/peek.h"
#include "hw/insn/phys.h"
#include "kvm/gmem/gmem.h"
#include "kvm/vcpu/vcpu.h"
#include "kvm/vm/memory.h"
#include "kvm/vm/vm.h"
#include "os/memory.h"
#include "trace/counters.h"

#define M		(1ull << 20)
#define BASE		(16 * M)
#define SIZE		(8 * M)
#define EPT_RWX		7ull
#define EPT_LARGE	BIT(7)
#define FALLOC_PUNCH	3		/* KEEP_SIZE | PUNCH_HOLE */
#define PRIVATE		KVM_MEMORY_ATTRIBUTE_PRIVATE

struct world {
	struct kvm_module	module;
	struct kvm		*kvm;
	struct vcpu		*vcpu;
	struct gmem_file	*gmem;
	char			*memory;
};

static void world_make(struct world *w, unsigned abi, uint8_t phys_bits)
{
	struct kvm_create_guest_memfd args = { .size = SIZE };
	struct kvm_userspace_memory_region2 r = { .flags = KVM_MEM_GUEST_MEMFD,
						  .guest_phys_addr = BASE, .memory_size = SIZE };
	struct hw_config config = { HW_VENDOR_INTEL, phys_bits, 0, 0, 1, counters_create(NR_COUNTERS) };

	*w = (struct world){ .module = { .abi = abi, .sw_separate = true, .audit = true,
					 .counters = config.counters,
					 .params = { .tdp_mmu = true, .mmio_caching = true } } };
	assert_int_equal(hw_create(&config, &w->module.hw), HW_OK);
	w->module.vm_types = vm_types_supported(&w->module);
	assert_int_equal(kvm_module_load(&w->module), 0);
	assert_int_equal(kvm_vm_create(&w->module,
				       vm_type_find(&w->module, KVM_X86_SW_PROTECTED_VM), &w->kvm), 0);
	assert_ptr_equal(w->kvm->ops, &vm_type_sw_separate);
	assert_int_equal(kvm_vm_create_vcpu(w->kvm, 0, os_map_shared_anonymous(VCPU_RUN_PAGES * PAGE_SIZE),
					    &w->vcpu), 0);
	w->memory = os_map_private(SIZE, 2 * M);
	r.userspace_addr = (uintptr_t)w->memory;
	assert_int_equal(kvm_gmem_create(w->kvm, &args, &w->gmem), 0);
	assert_int_equal(kvm_vm_set_memory_region(w->kvm, &r, false,
						  (struct kvm_gmem_arg){ 0, w->gmem }), 0);
}

static void world_end(struct world *w)
{
	kvm_put(w->kvm);	/* the vCPU's */
	kvm_gmem_release(w->gmem);
	kvm_put(w->kvm);
	rcu_barrier();
	assert_int_equal(peek_dram_pages(w->module.hw), 0);
	assert_int_equal(counter_read(w->module.counters, COUNTER_AUDIT_FINDINGS), 0);
	kvm_module_unload(&w->module);
	hw_destroy(w->module.hw);
	counters_destroy(w->module.counters);
	os_unmap(w->memory, SIZE);
}

/* A walk of the bytes: the leaf for @gpa, 0 when there is none. */
static uint64_t leaf(struct world *w, hpa_t table, uint64_t gpa)
{
	for (unsigned level = w->vcpu->base.mmu.root_level;; level--) {
		uint64_t e = phys_load64(w->module.hw,
					 HPA(table.v + (gpa >> PG_LEVEL_SHIFT(level)) % 512 * 8));

		if (!(e & EPT_RWX))
			return 0;
		if (level == PG_LEVEL_4K || (e & EPT_LARGE))
			return e;
		table = HPA(e & BITS(51, 12));
	}
}

static uint64_t external(struct world *w, uint64_t gpa)
{
	return leaf(w, w->kvm->mmu.external_root, gpa);
}

static uint64_t direct(struct world *w, uint64_t gpa)
{
	return leaf(w, w->vcpu->base.mmu.root, gpa);
}

static int prefault(struct world *w, uint64_t gpa, uint64_t size)
{
	struct kvm_pre_fault_memory r = { .gpa = gpa, .size = size };

	return vcpu_prefault(w->vcpu, &r);
}

static void convert(struct world *w, uint64_t gpa, uint64_t size, uint64_t attributes)
{
	struct kvm_memory_attributes a = { .address = gpa, .size = size, .attributes = attributes };

	assert_int_equal(kvm_vm_set_memory_attributes(w->kvm, &a), 0);
}

static void each_page_is_in_its_half(struct world *w)
{
	uint64_t bit = w->kvm->mmu.direct_bits << PAGE_SHIFT, page = BASE + 2 * M;

	assert_int_equal(prefault(w, page, PAGE_SIZE), 0);
	assert_true(direct(w, page | bit));
	assert_false(direct(w, page) || external(w, page) || external(w, page | bit));

	convert(w, page, PAGE_SIZE, PRIVATE);
	assert_false(direct(w, page | bit));
	assert_int_equal(prefault(w, BASE, SIZE), 0);
	assert_int_equal(external(w, page) & EPT_RWX, EPT_RWX);
	assert_false(direct(w, page) || direct(w, page | bit) || external(w, page | bit));
	assert_true(direct(w, (page + PAGE_SIZE) | bit));
	assert_false(external(w, page + PAGE_SIZE));

	convert(w, page, PAGE_SIZE, 0);
	assert_false(external(w, page));
	assert_int_equal(prefault(w, page, PAGE_SIZE), 0);
	assert_true(direct(w, page | bit));
}

static void holes_and_slots_take_private_pages_away(struct world *w)
{
	struct kvm_userspace_memory_region2 none = { .guest_phys_addr = BASE };
	uint64_t bit = w->kvm->mmu.direct_bits << PAGE_SHIFT;

	convert(w, BASE, 4 * M, PRIVATE);
	assert_int_equal(prefault(w, BASE, SIZE), 0);
	assert_int_equal(kvm_gmem_fallocate(w->gmem, FALLOC_PUNCH, 0, 2 * M), 0);
	assert_false(external(w, BASE) || external(w, BASE + 2 * M - PAGE_SIZE));
	assert_true(external(w, BASE + 2 * M));
	assert_true(direct(w, (BASE + 4 * M) | bit));
	assert_int_equal(kvm_vm_set_memory_region(w->kvm, &none, true, (struct kvm_gmem_arg){ 0 }), 0);
	assert_false(external(w, BASE + 2 * M) || direct(w, (BASE + 4 * M) | bit));
}

static void private_pages_are_in_the_external_table(void **unused)
{
	static const uint8_t widths[] = { 36, 46, 48, 52 };

	(void)unused;
	for (size_t i = 0; i < sizeof(widths); i++) {
		struct world w;

		world_make(&w, KERNEL_ABI_6_12, widths[i]);
		assert_int_equal(w.kvm->mmu.direct_bits << PAGE_SHIFT, 1ull << (widths[i] - 1));
		each_page_is_in_its_half(&w);
		holes_and_slots_take_private_pages_away(&w);
		world_end(&w);
	}
}

/* Spec kvm.md 1.5, row 5a. */
static void prefault_takes_no_alias_since_6_16(void **unused)
{
	static const struct { unsigned abi; int want; } rows[] = {
		{ KERNEL_ABI_6_12, 0 }, { KERNEL_ABI_6_16, -EINVAL }, { KERNEL_ABI_6_18, -EINVAL },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bit = 1ull << 45;
		struct world w;

		world_make(&w, rows[i].abi, 46);
		assert_int_equal(prefault(&w, BASE | bit, PAGE_SIZE), rows[i].want);
		/* No root was needed to say so. */
		assert_int_equal(prefault(&w, BASE, PAGE_SIZE), 0);
		convert(&w, BASE, PAGE_SIZE, PRIVATE);
		assert_int_equal(prefault(&w, BASE | bit, PAGE_SIZE), rows[i].want);
		assert_int_equal(!external(&w, BASE), rows[i].want != 0);
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_pages_are_in_the_external_table),
		cmocka_unit_test(prefault_takes_no_alias_since_6_16),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
