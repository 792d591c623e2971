/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* KVM_SET_MEMORY_ATTRIBUTES: checks, the bracket, huge pages on the edges. */
#include "kvm/vm/memory.h"

#include "kvm/mmu/a_slot.h"

#include <errno.h>

#include "kvm/mmu/lpage.h"

#define PRIV	KVM_MEMORY_ATTRIBUTE_PRIVATE
#define P(n)	((uint64_t)(n) << PAGE_SHIFT)

static const struct hw_config machine = { HW_VENDOR_INTEL, 46, 0, 0, 1, NULL };

static int set(struct a_vm *vm, uint64_t gfn, uint64_t n, uint64_t attrs)
{
	struct kvm_memory_attributes a = { .address = P(gfn), .size = P(n), .attributes = attrs };

	return kvm_vm_set_memory_attributes(&vm->kvm, &a);
}

static void checks_come_in_the_order_of_the_kernel(void **unused)
{
	static const struct row {
		const char *why;
		bool	    private_mem;
		struct kvm_memory_attributes a;
		int	    want;
	} rows[] = {
		{ "private",		     true,  { 0, 4096, PRIV, 0 }, 0 },
		{ "no slot is needed, far",  true,  { P(BIT(51)), 4096, PRIV, 0 }, 0 },
		{ "flags",		     true,  { 0, 4096, PRIV, 1 }, -EINVAL },
		{ "unknown attribute",	     true,  { 0, 4096, PRIV | 1, 0 }, -EINVAL },
		{ "a normal VM has none",    false, { 0, 4096, PRIV, 0 }, -EINVAL },
		{ "but may be told so",	     false, { 0, 4096, 0, 0 }, 0 },
		{ "no size",		     true,  { 0, 0, PRIV, 0 }, -EINVAL },
		{ "wraps",		     true,  { -4096ull, 8192, PRIV, 0 }, -EINVAL },
		{ "wraps to 0",		     true,  { -4096ull, 4096, PRIV, 0 }, -EINVAL },
		{ "address not aligned",     true,  { 1, 4096, PRIV, 0 }, -EINVAL },
		{ "size not aligned",	     true,  { 0, 4097, PRIV, 0 }, -EINVAL },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct a_vm *vm = a_vm_create(&machine, rows[i].private_mem);
		int got = kvm_vm_set_memory_attributes(&vm->kvm, &rows[i].a);

		if (got != rows[i].want)
			print_error("row %zu: %s\n", i, rows[i].why);
		assert_int_equal(got, rows[i].want);
		assert_int_equal(kvm_mem_is_private(&vm->kvm, GFN(rows[i].a.address >> PAGE_SHIFT)),
				 !got && rows[i].private_mem);
		/* Without a slot nothing is invalidated. */
		assert_int_equal(atomic64_load(&vm->kvm.inv.seq), 0);
		a_vm_destroy(vm);
	}
}

static void a_conversion_takes_the_mapping_and_starts_faults_over(void **unused)
{
	struct a_vm *vm = a_vm_create(&machine, true);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 0x1000, 0);
	struct kvm_page_fault f = a_fault(vm, s, 0x500, true, PG_LEVEL_4K);

	(void)unused;
	assert_int_equal(a_map(vm, 0, s, 0x300, true, PG_LEVEL_4K), RET_PF_FIXED);
	assert_int_equal(a_map(vm, 0, s, 0x301, true, PG_LEVEL_4K), RET_PF_FIXED);
	assert_int_equal(set(vm, 0x300, 1, PRIV), 0);
	assert_false(a_is_mapped(vm, 0, 0x300));
	assert_true(a_is_mapped(vm, 0, 0x301));
	assert_int_equal(atomic64_load(&vm->kvm.inv.seq), 1);
	assert_int_equal(atomic64_load(&vm->kvm.inv.in_progress), 0);
	assert_true(kvm_check_request(KVM_REQ_TLB_FLUSH, &vm->vcpus[1]));
	assert_int_equal(kvm_mmu_map(&vm->vcpus[0], &f), RET_PF_RETRY);
	/* Again the same: nothing happens. */
	assert_int_equal(set(vm, 0x300, 1, PRIV), 0);
	assert_int_equal(atomic64_load(&vm->kvm.inv.seq), 1);
	/* Attributes outlive the slot. */
	a_slot_remove(&vm->kvm, s);
	assert_true(kvm_mem_is_private(&vm->kvm, GFN(0x300)));
	a_vm_destroy(vm);
}

static bool mixed(struct kvm_memory_slot *s, uint64_t gfn, uint8_t level)
{
	return lpage_info(s, GFN(gfn), level)->disallow & KVM_LPAGE_MIXED;
}

static void huge_pages_know_whether_they_are_mixed(void **unused)
{
	static const struct row {
		uint64_t gfn, n, attrs;
		bool	 mixed_2m[3];	/* of the second gigabyte */
		bool	 mixed_1g;
	} steps[] = {
		{ BIT(18) + 5, 1, PRIV,		{ true, false, false }, true },
		{ BIT(18) + 5, 1, 0,		{ false, false, false }, false },
		{ BIT(18) + 100, 512, PRIV,	{ true, true, false }, true },
		{ BIT(18), 512, PRIV,		{ false, true, false }, true },
		{ BIT(18), 1024, PRIV,		{ false, false, false }, true },
		{ BIT(18), BIT(18), PRIV,	{ false, false, false }, false },
		{ BIT(18) + 600, 1200, 0,	{ false, true, false }, true },
		{ 0, BIT(20), 0,		{ false, false, false }, false },
	};
	struct a_vm *vm = a_vm_create(&machine, true);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x10, 3 * BIT(18), 0);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		const struct row *r = &steps[i];

		assert_int_equal(set(vm, r->gfn, r->n, r->attrs), 0);
		for (int k = 0; k < 3; k++) {
			if (mixed(s, BIT(18) + 512 * k, PG_LEVEL_2M) != r->mixed_2m[k])
				print_error("step %zu, 2M page %d\n", i, k);
			assert_int_equal(mixed(s, BIT(18) + 512 * k, PG_LEVEL_2M), r->mixed_2m[k]);
		}
		if (mixed(s, BIT(18), PG_LEVEL_1G) != r->mixed_1g)
			print_error("step %zu, 1G\n", i);
		assert_int_equal(mixed(s, BIT(18), PG_LEVEL_1G), r->mixed_1g);
	}
	a_slot_remove(&vm->kvm, s);

	/* B6: three pages at a 2M boundary are no huge page. */
	s = a_slot_add(vm, 0, 0x200, 3, 0);
	assert_int_equal(set(vm, 0x201, 1, PRIV), 0);
	assert_int_equal(set(vm, 0x1ff, 5, PRIV), 0);
	a_slot_remove(&vm->kvm, s);
	/* A new slot finds out by itself. */
	s = a_slot_add(vm, 0, 0, 0x800, 0);
	assert_true(mixed(s, 0x200, PG_LEVEL_2M));
	assert_false(mixed(s, 0x400, PG_LEVEL_2M));
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

/* B7: between begin and end no huge page may come over a frame that changes. */
static void the_hull_covers_huge_pages_that_stick_out(void **unused)
{
	struct a_vm *vm = a_vm_create(&machine, true);
	struct kvm *kvm = &vm->kvm;
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0, 4 * BIT(18), 0);
	bool flush;

	(void)unused;
	assert_int_equal(kvm_mmu_reload(&vm->vcpus[0]), 0);
	mutex_lock(&kvm->slots_lock);
	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_begin(kvm);
	flush = kvm_mmu_pre_set_attributes(kvm, s, GFN(BIT(18) + 5), GFN(BIT(18) + 6), PRIV,
					   false);
	write_unlock(&kvm->mmu_lock);
	mutex_unlock(&kvm->slots_lock);
	assert_false(flush);
	assert_int_equal(a_map(vm, 0, s, BIT(18) + 100, true, PG_LEVEL_2M), RET_PF_RETRY);
	assert_int_equal(a_map(vm, 0, s, BIT(18) + 5000, true, PG_LEVEL_1G), RET_PF_RETRY);
	assert_int_equal(a_map(vm, 0, s, 2 * BIT(18), true, PG_LEVEL_1G), RET_PF_FIXED);
	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_end(kvm);
	write_unlock(&kvm->mmu_lock);
	assert_int_equal(a_map(vm, 0, s, BIT(18) + 5000, true, PG_LEVEL_1G), RET_PF_FIXED);
	a_slot_remove(kvm, s);
	a_vm_destroy(vm);
}

static void a_converted_page_splits_what_was_huge(void **unused)
{
	struct a_vm *vm = a_vm_create(&machine, true);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0, 2 * BIT(18), 0);
	uint8_t level;

	(void)unused;
	assert_int_equal(a_map(vm, 0, s, 700, true, PG_LEVEL_1G), RET_PF_FIXED);
	(void)a_spte(vm, 0, 700, &level);
	assert_int_equal(level, PG_LEVEL_1G);
	assert_int_equal(set(vm, 515, 1, PRIV), 0);
	assert_false(a_is_mapped(vm, 0, 700));
	assert_int_equal(a_map(vm, 0, s, 700, true, PG_LEVEL_1G), RET_PF_FIXED);
	(void)a_spte(vm, 0, 700, &level);
	assert_int_equal(level, PG_LEVEL_4K);
	assert_int_equal(a_map(vm, 0, s, 1600, true, PG_LEVEL_1G), RET_PF_FIXED);
	(void)a_spte(vm, 0, 1600, &level);
	assert_int_equal(level, PG_LEVEL_2M);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_come_in_the_order_of_the_kernel),
		cmocka_unit_test(a_conversion_takes_the_mapping_and_starts_faults_over),
		cmocka_unit_test(huge_pages_know_whether_they_are_mixed),
		cmocka_unit_test(the_hull_covers_huge_pages_that_stick_out),
		cmocka_unit_test(a_converted_page_splits_what_was_huge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
