/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The parameter nx_huge_pages: huge or executable, not both. */
#include "kvm/mmu/a_slot.h"

#include "kvm/mmu/lpage.h"
#include "os/clock.h"

#define PAGES	2048u		/* of slot 0: four of 2M */

enum { READ, EXEC };

/* Not recovered before a test wants it. */
static struct a_vm *a_careful_vm(enum hw_vendor vendor, struct kvm_memory_slot **slot)
{
	const struct hw_config machine = { vendor, 46, 0, 0, 1, NULL };
	struct a_vm *vm = a_vm_create(&machine, false);

	vm->module.params.nx_huge_pages = true;
	*slot = a_slot_add(vm, 0, 0, PAGES, 0);
	return vm;
}

static int access_to(struct a_vm *vm, struct kvm_memory_slot *slot, uint64_t gfn, int how)
{
	struct kvm_page_fault f = a_fault(vm, slot, gfn, false, PG_LEVEL_2M);

	f.exec = how == EXEC;
	assert_int_equal(kvm_mmu_reload(&vm->vcpus[0]), 0);
	return kvm_mmu_map(&vm->vcpus[0], &f);
}

static bool may_execute(struct a_vm *vm, uint64_t gfn, uint8_t *level)
{
	return spte_allows(vm->module.spte, a_spte(vm, 0, gfn, level), false, true);
}

static uint64_t nr_splits(struct a_vm *vm)
{
	return atomic64_load(&vm->kvm.mmu.nr_nx_splits);
}

static void end(struct a_vm *vm, struct kvm_memory_slot *slot)
{
	a_vm_drop_tables(vm);
	assert_int_equal(nr_splits(vm), 0);
	a_slot_remove(&vm->kvm, slot);
	a_vm_destroy(vm);
}

static void an_execution_gets_small_pages(void **unused)
{
	(void)unused;
	for (int vendor = HW_VENDOR_INTEL; vendor <= HW_VENDOR_AMD; vendor++) {
		struct kvm_memory_slot *slot;
		struct a_vm *vm = a_careful_vm(vendor, &slot);
		uint8_t level;

		assert_int_equal(access_to(vm, slot, 5, READ), RET_PF_FIXED);
		assert_false(may_execute(vm, 5, &level));
		assert_int_equal(level, PG_LEVEL_2M);
		assert_int_equal(nr_splits(vm), 0);
		/* What is mapped is split, and all of it may be executed. */
		assert_in_range(access_to(vm, slot, 5, EXEC), RET_PF_FIXED, RET_PF_SPURIOUS);
		for (uint64_t gfn = 0; gfn < 512; gfn += 73) {
			assert_true(may_execute(vm, gfn, &level));
			assert_int_equal(level, PG_LEVEL_4K);
		}
		assert_int_equal(nr_splits(vm), 1);
		/* Nothing was there. */
		assert_int_equal(access_to(vm, slot, 512 + 7, EXEC), RET_PF_FIXED);
		assert_true(may_execute(vm, 512 + 7, &level));
		assert_int_equal(level, PG_LEVEL_4K);
		assert_int_equal(nr_splits(vm), 2);
		/* A read does not take that away, whichever page it is of. */
		assert_int_equal(access_to(vm, slot, 512 + 8, READ), RET_PF_FIXED);
		assert_true(may_execute(vm, 512 + 7, &level));
		assert_int_equal(nr_splits(vm), 2);
		/* Memory that could not be huge anyway is not on the list. */
		lpage_info(slot, GFN(1024), PG_LEVEL_2M)->disallow++;
		assert_int_equal(access_to(vm, slot, 1024, EXEC), RET_PF_FIXED);
		assert_int_equal(nr_splits(vm), 2);
		end(vm, slot);
	}
}

static void off_is_off(void **unused)
{
	struct kvm_memory_slot *slot;
	struct a_vm *vm = a_careful_vm(HW_VENDOR_AMD, &slot);
	uint8_t level;

	(void)unused;
	vm->kvm.caps.nx_huge_pages_off = true;
	assert_int_equal(access_to(vm, slot, 5, EXEC), RET_PF_FIXED);
	assert_true(may_execute(vm, 5, &level));
	assert_int_equal(level, PG_LEVEL_2M);
	assert_int_equal(nr_splits(vm), 0);
	end(vm, slot);
}

static void wait_for_splits(struct a_vm *vm, uint64_t n)
{
	uint64_t until = os_monotonic_ns() + 20000000000ull;

	while (nr_splits(vm) != n && os_monotonic_ns() < until)
		sync_relax();
	assert_int_equal(nr_splits(vm), n);
}

/* All but what a log watches, which only leaves the list. */
static void splits_are_taken_back(void **unused)
{
	(void)unused;
	for (int logged = 0; logged < 2; logged++) {
		struct kvm_memory_slot *slot;
		struct a_vm *vm = a_careful_vm(HW_VENDOR_INTEL, &slot);

		for (uint64_t gfn = 0; gfn < PAGES; gfn += 512)
			assert_int_equal(access_to(vm, slot, gfn, EXEC), RET_PF_FIXED);
		assert_int_equal(nr_splits(vm), 4);
		if (logged)
			slot->flags |= KVM_MEM_LOG_DIRTY_PAGES;
		vm->module.params.nx_huge_pages_recovery_ratio = 3;
		vm->module.params.nx_huge_pages_recovery_period_ms = 1;
		assert_int_equal(nx_recovery_start(&vm->kvm), 0);
		wait_for_splits(vm, 0);
		nx_recovery_fini(&vm->kvm);
		for (uint64_t gfn = 0; gfn < PAGES; gfn += 512)
			assert_int_equal(a_is_mapped(vm, 0, gfn), logged);
		slot->flags &= ~KVM_MEM_LOG_DIRTY_PAGES;
		end(vm, slot);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_execution_gets_small_pages),
		cmocka_unit_test(off_is_off),
		cmocka_unit_test(splits_are_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
