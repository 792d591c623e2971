/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_params.c - --param MODULE.NAME=VALUE, and what /sys/module shows. */
#include "an_abi.h"

#include <stdio.h>

static void an_assignment_is_read_as_the_kernel_does(void **unused)
{
	static const struct { const char *text; enum param_answer want; } rows[] = {
		{ "kvm.mmio_caching=0", PARAM_OK }, { "kvm.mmio_caching=N", PARAM_OK },
		{ "kvm.mmio_caching=off", PARAM_OK }, { "kvm.mmio_caching=y", PARAM_OK },
		{ "kvm.mmio_caching=2", PARAM_BAD_VALUE }, { "kvm.mmio_caching=", PARAM_BAD_VALUE },
		{ "kvm_intel.allow_smaller_maxphyaddr=1", PARAM_OK },
		{ "kvm_intel.ept=0", PARAM_FIXED }, { "kvm_amd.npt=1", PARAM_FIXED },
		{ "kvm.nx_huge_pages=force", PARAM_OK }, { "kvm.nx_huge_pages=auto", PARAM_OK },
		{ "kvm.nx_huge_pages=maybe", PARAM_BAD_VALUE },
		{ "kvm.nx_huge_pages_recovery_ratio=0", PARAM_OK },
		{ "kvm.nx_huge_pages_recovery_period_ms=0x10", PARAM_OK },
		{ "kvm.nx_huge_pages_recovery_ratio=-1", PARAM_BAD_VALUE },
		{ "kvm.nx_huge_pages_recovery_ratio=4294967296", PARAM_BAD_VALUE },
		{ "kvm.nx_huge_pages_recovery_ratio=", PARAM_BAD_VALUE },
		{ "kvm.gmem_order=9", PARAM_OK }, { "kvm.gmem_order=0", PARAM_OK },
		{ "kvm.gmem_order=1", PARAM_BAD_VALUE }, { "kvm.gmem_order=18", PARAM_BAD_VALUE },
		{ "kvm.nothing=1", PARAM_UNKNOWN }, { "kvm_arm.mmio_caching=1", PARAM_UNKNOWN },
		{ "kvm_amd.mmio_caching=1", PARAM_UNKNOWN },
		{ "mmio_caching=1", PARAM_BAD_FORM }, { "kvm.mmio_caching", PARAM_BAD_FORM },
		{ "", PARAM_BAD_FORM }, { "=.", PARAM_BAD_FORM }, { ".=", PARAM_UNKNOWN },
		{ "a_module_name_that_is_longer_than_any.x=1", PARAM_BAD_FORM },
		{ "kvm.a_parameter_name_that_is_a_good_deal_longer_than_any_that_the_kernel_has=1",
		  PARAM_BAD_FORM },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_params p = { .tdp_mmu = true };
		enum param_answer got = abi_param_set(&p, rows[i].text);

		if (got != rows[i].want)
			fail_msg("\"%s\": %d", rows[i].text, got);
		assert_true(p.tdp_mmu);
	}
}

static void what_is_set_is_shown(void **unused)
{
	struct abi_config c;
	struct abi *abi;

	(void)unused;
	abi_default_config(&c);
	c.hw.vendor = HW_VENDOR_INTEL;
	assert_int_equal(abi_param_set(&c.params, "kvm.mmio_caching=0"), PARAM_OK);
	assert_int_equal(abi_param_set(&c.params, "kvm_intel.allow_smaller_maxphyaddr=1"), PARAM_OK);
	assert_int_equal(abi_create(&c, &abi), 0);
	assert_string_equal(abi_param_text(abi, "kvm", "mmio_caching"), "N\n");
	assert_string_equal(abi_param_text(abi, "kvm", "tdp_mmu"), "Y\n");
	assert_string_equal(abi_param_text(abi, "kvm", "nx_huge_pages"), "N\n");
	assert_string_equal(abi_param_text(abi, "kvm", "nx_huge_pages_recovery_ratio"), "60\n");
	assert_string_equal(abi_param_text(abi, "kvm", "nx_huge_pages_recovery_period_ms"), "0\n");
	assert_string_equal(abi_param_text(abi, "kvm", "force_emulation_prefix"), "0\n");
	assert_string_equal(abi_param_text(abi, "kvm_intel", "allow_smaller_maxphyaddr"), "Y\n");
	assert_string_equal(abi_param_text(abi, "kvm_intel", "ept"), "Y\n");
	assert_null(abi_param_text(abi, "kvm_amd", "npt"));	/* not loaded on this machine */
	assert_null(abi_param_text(abi, "kvm", "nothing"));
	assert_null(abi_param_text(abi, "kvm", "gmem_order"));	/* ours */
	assert_true(abi_module_is_loaded(abi, "kvm"));
	assert_true(abi_module_is_loaded(abi, "kvm_intel"));
	assert_false(abi_module_is_loaded(abi, "kvm_amd"));
	abi_destroy(abi);
}

static void look_at_one(const char *module, const char *name, bool settable, void *arg)
{
	struct kvm_params p = { 0 };
	char text[128];

	snprintf(text, sizeof(text), "%s.%s=0", module, name);
	assert_int_equal(abi_param_set(&p, text), settable ? PARAM_OK : PARAM_FIXED);
	++*(unsigned *)arg;
}

static void the_list_is_what_can_be_set(void **unused)
{
	unsigned nr = 0;

	(void)unused;
	abi_param_each(look_at_one, &nr);
	assert_true(nr > 10);
}

/* Without the TDP MMU there is no software-protected VM. */
static void a_parameter_takes_a_vm_type_away(void **unused)
{
	struct abi_config c;
	struct abi *abi;
	int dev;

	(void)unused;
	abi_default_config(&c);
	assert_int_equal(abi_param_set(&c.params, "kvm.tdp_mmu=0"), PARAM_OK);
	assert_int_equal(abi_create(&c, &abi), 0);
	dev = abi_open(abi, 0);
	assert_int_equal(do_ioctl(abi, dev, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES), 1);
	assert_int_equal(do_ioctl(abi, dev, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM), -22);
	do_close(abi, dev);
	abi_destroy(abi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_assignment_is_read_as_the_kernel_does),
		cmocka_unit_test(what_is_set_is_shown),
		cmocka_unit_test(the_list_is_what_can_be_set),
		cmocka_unit_test(a_parameter_takes_a_vm_type_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
