/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Faults installed, refused, repaired in place; zaps; roots; MMIO; sizes. */
#include "kvm/mmu/mmu.h"

#include "kvm/mmu/a_slot.h"

#include "hw/insn/peek.h"
#include "kvm/mmu/lpage.h"

#define GIB_PAGES	(1ull << 18)

static const struct hw_config machines[] = {
	{ HW_VENDOR_INTEL, 46, 0, 0, 1, NULL },
	{ HW_VENDOR_AMD, 48, 0, 0, 1, NULL },
	{ HW_VENDOR_INTEL, 52, 0, 0, 1, NULL },		/* five levels */
};

static void for_each_machine(void (*fn)(struct a_vm *vm))
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(machines); i++) {
		struct a_vm *vm = a_vm_create(&machines[i / 2], false);

		/* With a mirror the direct roots are as they are without. */
		if (i % 2)
			a_vm_add_mirror(vm);
		fn(vm);
		a_vm_destroy(vm);
	}
}

static void maps(struct a_vm *vm)
{
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 0x1000, 0);
	struct kvm_page_fault f;
	uint8_t level;

	assert_int_equal(a_map(vm, 0, s, 0x123, false, PG_LEVEL_4K), RET_PF_FIXED);
	assert_int_equal(a_map(vm, 0, s, 0x123, false, PG_LEVEL_4K), RET_PF_SPURIOUS);
	assert_int_equal(a_map(vm, 1, s, 0x123, false, PG_LEVEL_4K), RET_PF_SPURIOUS);
	assert_int_equal(vm->vcpus[0].mmu.root.v, vm->vcpus[1].mmu.root.v);
	assert_false(spte_is_writable(a_spte(vm, 0, 0x123, &level)));
	assert_int_equal(level, PG_LEVEL_4K);
	assert_int_equal(a_map(vm, 0, s, 0x123, true, PG_LEVEL_4K), RET_PF_FIXED);
	assert_true(spte_is_writable(a_spte(vm, 0, 0x123, NULL)));
	f = a_fault(vm, s, 0x123, false, PG_LEVEL_4K);
	assert_int_equal(spte_address(vm->module.spte, a_spte(vm, 0, 0x123, NULL)).v, f.page.v);
	assert_false(a_is_mapped(vm, 0, 0x124));

	/* Root and one table for each level below. */
	assert_int_equal(atomic64_load(&vm->kvm.mmu.nr_pages),
			 vm->module.spte->root_level + vm->ops.has_mirror);
	assert_true(a_unmap(vm, s, 0x100, 0x1100));
	assert_false(a_is_mapped(vm, 0, 0x123));
	assert_false(a_unmap(vm, s, 0x100, 0x1100));
	a_slot_remove(&vm->kvm, s);
}

static void a_fault_maps_what_it_found(void **unused)
{
	(void)unused;
	for_each_machine(maps);
}

static void stale(struct a_vm *vm)
{
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 0x1000, 0);
	struct kvm_page_fault f = a_fault(vm, s, 0x200, true, PG_LEVEL_4K);
	struct kvm_vcpu *vcpu = &vm->vcpus[0];

	assert_int_equal(kvm_mmu_reload(vcpu), 0);
	write_lock(&vm->kvm.mmu_lock);
	kvm_mmu_invalidate_begin(&vm->kvm);
	write_unlock(&vm->kvm.mmu_lock);
	assert_true(kvm_mmu_fault_may_be_stale(&vm->kvm, &f));	/* no range given yet */
	write_lock(&vm->kvm.mmu_lock);
	kvm_mmu_invalidate_range_add(&vm->kvm, GFN(0x200), GFN(0x201));
	write_unlock(&vm->kvm.mmu_lock);
	assert_int_equal(kvm_mmu_map(vcpu, &f), RET_PF_RETRY);
	/* Beside the hull faults go on ... */
	assert_int_equal(a_map(vm, 0, s, 0x201, true, PG_LEVEL_4K), RET_PF_FIXED);
	write_lock(&vm->kvm.mmu_lock);
	kvm_mmu_invalidate_end(&vm->kvm);
	write_unlock(&vm->kvm.mmu_lock);
	/* ... and one that began before the end starts over, wherever it is. */
	assert_int_equal(kvm_mmu_map(vcpu, &f), RET_PF_RETRY);
	assert_int_equal(a_map(vm, 0, s, 0x200, true, PG_LEVEL_4K), RET_PF_FIXED);

	/* B11: the root it would go into is on its way out. */
	f = a_fault(vm, s, 0x300, true, PG_LEVEL_4K);
	mutex_lock(&vm->kvm.slots_lock);
	kvm_mmu_zap_all_fast(&vm->kvm);
	mutex_unlock(&vm->kvm.slots_lock);
	assert_int_equal(kvm_mmu_map(vcpu, &f), RET_PF_RETRY);
	assert_true(kvm_check_request(KVM_REQ_MMU_FREE_OBSOLETE_ROOTS, &vm->vcpus[1]));
	kvm_make_request(KVM_REQ_MMU_FREE_OBSOLETE_ROOTS, vcpu);
	assert_int_equal(a_map(vm, 0, s, 0x300, true, PG_LEVEL_4K), RET_PF_FIXED);
	assert_true(kvm_check_request(KVM_REQ_TLB_FLUSH, vcpu));
	assert_false(a_is_mapped(vm, 0, 0x201));
	a_slot_remove(&vm->kvm, s);
}

static void nothing_is_installed_over_an_invalidation(void **unused)
{
	(void)unused;
	for_each_machine(stale);
}

/* B9: a root that somebody else is about to zap still maps the page. */
static void unmap_visits_invalid_roots(void **unused)
{
	struct a_vm *vm = a_vm_create(&machines[0], false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 0x1000, 0);

	(void)unused;
	assert_int_equal(a_map(vm, 0, s, 0x123, true, PG_LEVEL_4K), RET_PF_FIXED);
	write_lock(&vm->kvm.mmu_lock);
	tdp_mmu_invalidate_roots(&vm->kvm, TDP_DIRECT_ROOTS);
	write_unlock(&vm->kvm.mmu_lock);
	assert_true(a_is_mapped(vm, 0, 0x123));
	/* No flush is owed: nobody can enter with that root. */
	assert_false(a_unmap(vm, s, 0x123, 0x124));
	assert_false(a_is_mapped(vm, 0, 0x123));
	read_lock(&vm->kvm.mmu_lock);
	tdp_mmu_zap_invalidated_roots(&vm->kvm, true);
	read_unlock(&vm->kvm.mmu_lock);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

static void sizes(struct a_vm *vm)
{
	/* From 2M - 4K to 3G + 2M + 4K: both ends are ragged. */
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 511, 3 * GIB_PAGES + 514, 0);
	uint8_t level;

	assert_int_equal(a_map(vm, 0, s, 511, true, PG_LEVEL_1G), RET_PF_FIXED);
	(void)a_spte(vm, 0, 511, &level);
	assert_int_equal(level, PG_LEVEL_4K);
	assert_int_equal(a_map(vm, 0, s, 700, true, PG_LEVEL_1G), RET_PF_FIXED);
	(void)a_spte(vm, 0, 700, &level);
	assert_int_equal(level, PG_LEVEL_2M);		/* the first gigabyte is not whole */
	assert_int_equal(a_map(vm, 0, s, GIB_PAGES + 5, true, PG_LEVEL_4K), RET_PF_FIXED);
	assert_int_equal(a_map(vm, 0, s, GIB_PAGES + 700, true, PG_LEVEL_2M), RET_PF_FIXED);
	(void)a_spte(vm, 0, GIB_PAGES + 700, &level);
	assert_int_equal(level, PG_LEVEL_2M);
	assert_int_equal(atomic64_load(&vm->kvm.mmu.huge_pages[PG_LEVEL_2M]), 2);
	/* Tables make way for a bigger page. */
	assert_int_equal(a_map(vm, 0, s, GIB_PAGES + 9, true, PG_LEVEL_1G), RET_PF_FIXED);
	(void)a_spte(vm, 0, GIB_PAGES + 5, &level);
	assert_int_equal(level, PG_LEVEL_1G);
	assert_int_equal(atomic64_load(&vm->kvm.mmu.huge_pages[PG_LEVEL_2M]), 1);
	assert_int_equal(atomic64_load(&vm->kvm.mmu.huge_pages[PG_LEVEL_1G]), 1);
	assert_int_equal(counter_read(vm->module.counters, COUNTER_REMOTE_FLUSHES), 1);

	/* A smaller fault splits, and what was there stays there. */
	lpage_info(s, GFN(GIB_PAGES), PG_LEVEL_1G)->disallow = 1;
	lpage_info(s, GFN(GIB_PAGES), PG_LEVEL_2M)->disallow = 1;
	assert_int_equal(a_map(vm, 0, s, GIB_PAGES + 5, true, PG_LEVEL_1G), RET_PF_SPURIOUS);
	(void)a_spte(vm, 0, GIB_PAGES + 5, &level);
	assert_int_equal(level, PG_LEVEL_4K);
	(void)a_spte(vm, 0, GIB_PAGES + 512, &level);
	assert_int_equal(level, PG_LEVEL_2M);
	assert_int_equal(atomic64_load(&vm->kvm.mmu.huge_pages[PG_LEVEL_1G]), 0);
	assert_int_equal(atomic64_load(&vm->kvm.mmu.huge_pages[PG_LEVEL_2M]), 1 + 511);
	a_slot_remove(&vm->kvm, s);
}

static void pages_are_as_large_as_everybody_permits(void **unused)
{
	(void)unused;
	for_each_machine(sizes);
}

static void fast(struct a_vm *vm)
{
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x200, 0x1000, KVM_MEM_LOG_DIRTY_PAGES);
	struct kvm_page_fault f = a_fault(vm, s, 0x205, true, PG_LEVEL_4K);
	struct kvm_vcpu *vcpu = &vm->vcpus[0];
	struct tdp_iter it;

	assert_int_equal(kvm_mmu_reload(vcpu), 0);
	f.present = true;
	assert_int_equal(kvm_mmu_fast_page_fault(vcpu, &f), RET_PF_INVALID);	/* nothing there */
	assert_int_equal(a_map(vm, 0, s, 0x205, true, PG_LEVEL_2M), RET_PF_FIXED);
	assert_int_equal(s->dirty_bitmap[0], BIT(5));
	assert_int_equal(kvm_mmu_fast_page_fault(vcpu, &f), RET_PF_SPURIOUS);

	/* Write-protected for the log, as GET_DIRTY_LOG leaves it. */
	s->dirty_bitmap[0] = 0;
	rcu_read_lock();
	for_each_tdp_pte(it, &vm->kvm, vcpu->mmu.root_sp, GFN(0x205), GFN(0x206))
		if (it.level == PG_LEVEL_4K)
			(void)phys_and64(vm->module.hw, it.sptep, ~SPTE_WRITABLE);
	rcu_read_unlock();
	assert_int_equal(kvm_mmu_fast_page_fault(vcpu, &f), RET_PF_FIXED);
	assert_true(spte_is_writable(a_spte(vm, 0, 0x205, NULL)));
	assert_int_equal(s->dirty_bitmap[0], BIT(5));

	/* The host does not let us write: not ours to repair. */
	assert_int_equal(a_map(vm, 0, s, 0x206, false, PG_LEVEL_4K), RET_PF_FIXED);
	f = a_fault(vm, s, 0x206, true, PG_LEVEL_4K);
	f.present = true;
	assert_int_equal(kvm_mmu_fast_page_fault(vcpu, &f), RET_PF_INVALID);
	a_slot_remove(&vm->kvm, s);
}

static void write_protection_is_lifted_without_a_lock(void **unused)
{
	(void)unused;
	for_each_machine(fast);
}

static int map_mmio(struct a_vm *vm, uint64_t gfn)
{
	struct kvm_page_fault f = { .addr = GPA((gfn | vm->kvm.mmu.direct_bits) << PAGE_SHIFT),
				    .gfn = GFN(gfn), .max_level = PG_LEVEL_1G,
				    .kind = KVM_PAGE_NOSLOT };

	assert_int_equal(kvm_mmu_reload(&vm->vcpus[0]), 0);
	return kvm_mmu_map(&vm->vcpus[0], &f);
}

static void mmio(struct a_vm *vm)
{
	struct kvm_vcpu *vcpu = &vm->vcpus[0];
	gpa_t addr = GPA(0xfec00010 | vm->kvm.mmu.direct_bits << PAGE_SHIFT);
	struct kvm_memory_slot *s;

	assert_int_equal(kvm_mmu_reload(vcpu), 0);
	assert_int_equal(kvm_mmu_handle_mmio_fault(vcpu, addr), RET_PF_RETRY);	/* nothing */
	assert_int_equal(map_mmio(vm, 0xfec00), RET_PF_EMULATE);
	assert_true(spte_is_mmio(&vm->kvm, a_spte(vm, 0, 0xfec00, NULL)));
	assert_false(kvm_mmu_is_cached_mmio(vcpu, GFN(0xfec00)));
	assert_int_equal(kvm_mmu_handle_mmio_fault(vcpu, addr), RET_PF_EMULATE);
	assert_true(kvm_mmu_is_cached_mmio(vcpu, GFN(0xfec00)));

	/* A new map: neither entry nor cache is current. */
	s = a_slot_add(vm, 0, 0x100, 0x10, 0);
	assert_false(kvm_mmu_is_cached_mmio(vcpu, GFN(0xfec00)));
	assert_int_equal(kvm_mmu_handle_mmio_fault(vcpu, addr), RET_PF_INVALID);
	assert_int_equal(map_mmio(vm, 0xfec00), RET_PF_EMULATE);
	assert_int_equal(kvm_mmu_handle_mmio_fault(vcpu, addr), RET_PF_EMULATE);

	/* While the map is being changed nothing counts as known. */
	kvm_mmu_cache_mmio(vcpu, GFN(5), 8 | KVM_GENERATION_IN_PROGRESS);
	assert_false(kvm_mmu_is_cached_mmio(vcpu, GFN(5)));
	a_slot_remove(&vm->kvm, s);
}

static void mmio_is_known_for_one_generation(void **unused)
{
	(void)unused;
	for_each_machine(mmio);
}

/* B16: 19 bits of generation start over, in either address space. */
static void old_mmio_entries_never_come_alive_again(void **unused)
{
	static const struct {
		uint64_t generation;
		bool	 zap;
	} rows[] = {
		{ 2, false }, { (1 << 19) - 2, false }, { 1 << 19, true }, { (1 << 19) + 1, true },
		{ (1 << 19) + 2, false }, { 5ull << 19, true },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct a_vm *vm = a_vm_create(&machines[0], false);

		assert_int_equal(map_mmio(vm, 0xfec00), RET_PF_EMULATE);
		mutex_lock(&vm->kvm.slots_lock);
		kvm_mmu_invalidate_mmio(&vm->kvm, rows[i].generation);
		mutex_unlock(&vm->kvm.slots_lock);
		assert_int_equal(kvm_request_pending(&vm->vcpus[1]), rows[i].zap);
		a_vm_destroy(vm);
	}
}

static void every_table_is_given_back(void **unused)
{
	struct a_vm *vm = a_vm_create(&machines[1], false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0, 4 * GIB_PAGES, 0);
	size_t before = peek_dram_pages(vm->module.hw);

	(void)unused;
	for (uint64_t g = 0; g < 4 * GIB_PAGES; g += 511 * 7)
		assert_int_equal(a_map(vm, g % 3, s, g, true, PG_LEVEL_4K), RET_PF_FIXED);
	mutex_lock(&vm->kvm.slots_lock);
	kvm_mmu_zap_all_fast(&vm->kvm);
	mutex_unlock(&vm->kvm.slots_lock);
	/* Three vCPUs still hold the root, and nothing else is left. */
	assert_int_equal(atomic64_load(&vm->kvm.mmu.nr_pages), 1);
	for (unsigned i = 0; i < A_VM_VCPUS; i++)
		kvm_mmu_destroy_vcpu(&vm->vcpus[i]);
	assert_int_equal(atomic64_load(&vm->kvm.mmu.nr_pages), 0);
	rcu_barrier();
	assert_int_equal(peek_dram_pages(vm->module.hw), before);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_maps_what_it_found),
		cmocka_unit_test(nothing_is_installed_over_an_invalidation),
		cmocka_unit_test(unmap_visits_invalid_roots),
		cmocka_unit_test(pages_are_as_large_as_everybody_permits),
		cmocka_unit_test(write_protection_is_lifted_without_a_lock),
		cmocka_unit_test(mmio_is_known_for_one_generation),
		cmocka_unit_test(old_mmio_entries_never_come_alive_again),
		cmocka_unit_test(every_table_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
