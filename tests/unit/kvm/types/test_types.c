/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_types.c - the tables of VM types: whole, and found by number only when offered. */
#include "kvm/types/types.h"

#include "trace/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct vm_type_ops *const all[] = { &vm_type_default, &vm_type_sw_protected,
						 &vm_type_sw_separate };

static void every_table_is_complete(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_true(vm_type_ops_complete(all[i]));
		assert_false(all[i]->has_protected_state);
		assert_int_equal(all[i]->mem_enc_ioctl(NULL, NULL), -25);	/* ENOTTY */
	}
	assert_false(vm_type_default.has_private_mem);
	assert_true(vm_type_sw_protected.has_private_mem);
}

static void a_type_is_found_when_it_is_offered(void **unused)
{
	static const struct { bool tdp_mmu; unsigned long type; int found; } rows[] = {
		{ true, 0, 0 }, { true, 1, 1 }, { false, 0, 0 }, { false, 1, -1 },
		{ true, 2, -1 }, { true, 5, -1 }, { true, 31, -1 }, { true, 32, -1 },
		{ true, 33, -1 }, { true, 1ul << 32, -1 }, { true, -1ul, -1 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_module m = { .params = { .tdp_mmu = rows[i].tdp_mmu } };

		m.vm_types = vm_types_supported(&m);
		assert_ptr_equal(vm_type_find(&m, rows[i].type),
				 rows[i].found < 0 ? NULL : all[rows[i].found]);
	}
}

static void separate_tables_are_for_intel(void **unused)
{
	static const struct { enum hw_vendor vendor; const struct vm_type_ops *want; } rows[] = {
		{ HW_VENDOR_INTEL, &vm_type_sw_separate }, { HW_VENDOR_AMD, NULL },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_module m = { .params.tdp_mmu = true, .sw_separate = true };
		struct hw_config config = { rows[i].vendor, 46, 0, 0, 1, counters_create(NR_COUNTERS) };

		assert_int_equal(hw_create(&config, &m.hw), HW_OK);
		m.vm_types = vm_types_supported(&m);
		assert_ptr_equal(vm_type_find(&m, KVM_X86_SW_PROTECTED_VM), rows[i].want);
		assert_ptr_equal(vm_type_find(&m, KVM_X86_DEFAULT_VM), &vm_type_default);
		hw_destroy(m.hw);
		counters_destroy(config.counters);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_table_is_complete),
		cmocka_unit_test(a_type_is_found_when_it_is_offered),
		cmocka_unit_test(separate_tables_are_for_intel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
