/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_config.c - what may stand in the environment variable of softcvm exec.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "preload/config.h"

static void accepted(void **unused)
{
	struct exec_config c;
	char why[2560];

	(void)unused;
	assert_int_equal(exec_config_parse("", &c, why, sizeof(why)), 0);
	assert_null(c.stats);
	assert_int_equal(c.abi.kernel_abi, KERNEL_ABI_6_12);
	assert_false(c.abi.host_map_short_term);
	assert_false(c.abi.strict_host_access);
	assert_int_equal(exec_config_parse("cpu=amd\nkernel-abi=6.12\nphys-bits=48\n"
					   "phys-reduction=5\nc-bit=47\ncpus=7\n"
					   "host-map=short-term\nstrict-host-access=1\nparam=kvm.mmio_caching=N\nstats=/a b/c\nhost-cpuid=1\n",
					   &c, why, sizeof(why)), 0);
	assert_int_equal(c.abi.hw.vendor, HW_VENDOR_AMD);
	assert_int_equal(c.abi.kernel_abi, KERNEL_ABI_6_12);
	assert_int_equal(c.abi.hw.phys_bits, 48);
	assert_int_equal(c.abi.hw.phys_reduction, 5);
	assert_int_equal(c.abi.hw.c_bit, 47);
	assert_int_equal(c.abi.hw.nr_cpus, 7);
	assert_false(c.abi.params.mmio_caching);
	assert_true(c.host_cpuid);
	assert_true(c.abi.host_map_short_term);
	assert_true(c.abi.strict_host_access);
	assert_string_equal(c.stats, "/a b/c");
	exec_config_free(&c);
	assert_int_equal(exec_config_parse("cpu=amd\ncpu=intel", &c, why, sizeof(why)), 0);
	assert_int_equal(c.abi.hw.vendor, HW_VENDOR_INTEL);
}

static void refused(void **unused)
{
	static const struct { const char *text, *says; } rows[] = {
		{ "nonsense", "no option" },
		{ "color=red", "color" },
		{ "cpu=arm", "arm" },
		{ "cpu=", "neither" },
		{ "kernel-abi=5.10", "there is 6.12" },
		{ "kernel-abi=6.16", "there is 6.12" },
		{ "kernel-abi=6.19", "there is 6.12" },
		{ "kernel-abi=", "there is 6.12" },
		{ "sw-protected=both", "neither interleaved nor separate" },
		{ "host-map=long-term", "neither upstream nor short-term" },
		{ "strict-host-access=2", "0 to 1" },
		{ "phys-bits=35", "36 to 52" },
		{ "phys-bits=53", "36 to 52" },
		{ "phys-bits=+40", "not a number" },
		{ "phys-bits=0x30", "not a number" },
		{ "phys-bits=", "not a number" },
		{ "cpus=0", "1 to 4096" },
		{ "cpus=99999999999999999999", "not a number" },
		{ "c-bit=64", "0 to 63" },
		{ "cpu=amd\nc-bit=12", "c-bit" },
		{ "cpu=intel\nc-bit=47", "amd only" },
		{ "param=mmio_caching", "MODULE.NAME=VALUE" },
		{ "param=kvm.nothing=1", "kvm.mmio_caching" },
		{ "param=kvm.mmio_caching=maybe", "value" },
		{ "param=kvm_intel.ept=N", "cannot be set" },
		{ "stats=relative", "absolute" },
		{ "host-cpuid=2", "0 to 1" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exec_config c;
		char why[2560] = "";
		int r = exec_config_parse(rows[i].text, &c, why, sizeof(why));

		if (r != -EINVAL || !strstr(why, rows[i].says) || strchr(why, '\n'))
			print_error("%s: %d, %s\n", rows[i].text, r, why);
		assert_int_equal(r, -EINVAL);
		assert_non_null(strstr(why, rows[i].says));
		assert_null(strchr(why, '\n'));
		assert_null(c.stats);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
