/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_own_cpuid.c - the modelled host's CPUID as a program may have it that
 * runs on another processor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "preload/own_cpuid.h"

static void merged(void **unused)
{
	static const struct {
		const char	 *why;
		uint32_t	  leaf, subleaf;
		struct cpuid_regs model, host, want;
	} rows[] = {
		{ "a name is the model's", 0, 0, { 16, 1, 2, 3 }, { 7, 7, 7, 7 }, { 16, 1, 2, 3 } },
		{ "SSE4.2 only where both have it", 1, 0, { .ecx = 1 << 20 | 1 << 0 }, { .ecx = 1 << 0 },
		  { .ecx = 1 << 0 } },
		{ "nor what the model has not", 1, 0, { .ecx = 0 }, { .ecx = ~0u, .edx = ~0u }, { 0 } },
		{ "VMX is the model's", 1, 0, { .ecx = 1 << 5 }, { 0 }, { .ecx = 1 << 5 } },
		{ "APIC is the model's", 1, 0, { .edx = 1 << 9 | 1 << 25 }, { 0 }, { .edx = 1 << 9 } },
		{ "the hypervisor bit too", 1, 0, { 0 }, { .ecx = 1u << 31 }, { 0 } },
		{ "BMI1 where both have it, SMEP is the model's", 7, 0, { .ebx = 1 << 3 | 1 << 7 }, { 0 },
		  { .ebx = 1 << 7 } },
		{ "UMIP is the model's, RDPID is not", 7, 0, { .ecx = 1 << 2 | 1 << 22 }, { 0 },
		  { .ecx = 1 << 2 } },
		{ "other subleaves of 7", 7, 1, { .eax = 5 }, { 0 }, { .eax = 5 } },
		{ "XSAVE's sizes are the host's", 0xd, 0, { 3, 576, 576, 0 }, { 0xe7, 2440, 2696, 0 },
		  { 0xe7, 2440, 2696, 0 } },
		{ "SVM is the model's, LZCNT is not", 0x80000001, 0, { .ecx = 1 << 2 | 1 << 5 }, { 0 },
		  { .ecx = 1 << 2 } },
		{ "NX and long mode are the model's, RDTSCP is not", 0x80000001, 0,
		  { .edx = 1u << 20 | 1u << 29 | 1u << 27 }, { 0 }, { .edx = 1u << 20 | 1u << 29 } },
		{ "the C-bit is the model's", 0x8000001f, 0, { 1, 51, 0, 0 }, { 0 }, { 1, 51, 0, 0 } },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cpuid_regs r = own_cpuid_merge(rows[i].leaf, rows[i].subleaf, rows[i].model,
						      rows[i].host);

		if (r.eax != rows[i].want.eax || r.ebx != rows[i].want.ebx ||
		    r.ecx != rows[i].want.ecx || r.edx != rows[i].want.edx)
			print_error("%s: %x %x %x %x\n", rows[i].why, r.eax, r.ebx, r.ecx, r.edx);
		assert_memory_equal(&r, &rows[i].want, sizeof(r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(merged) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
