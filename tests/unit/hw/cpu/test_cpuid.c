/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/insn/machine.h"

#include <string.h>

#include "hw/mem/a_machine.h"

#define AMD	HW_VENDOR_AMD
#define INTEL	HW_VENDOR_INTEL

enum reg { EAX, EBX, ECX, EDX };

static uint32_t ask(struct hw *hw, uint32_t leaf, uint32_t sub, enum reg reg)
{
	struct cpuid_regs r = hw_cpuid(hw, leaf, sub);
	const uint32_t all[] = { r.eax, r.ebx, r.ecx, r.edx };

	return all[reg];
}

/* Fields that software decides by: bits hi..lo of a register. */
static void fields_say_what_the_machine_is(void **unused)
{
	static const struct {
		const char *what;
		struct hw_config c;
		uint32_t leaf, sub;
		enum reg reg;
		unsigned hi, lo;
		uint32_t want;
	} rows[] = {
		{ "physical bits", { .vendor = AMD, .phys_bits = 48 }, 0x80000008, 0, EAX, 7, 0, 48 },
		{ "physical bits", { .vendor = INTEL, .phys_bits = 52 }, 0x80000008, 0, EAX, 7, 0, 52 },
		{ "linear bits", { .vendor = INTEL, .phys_bits = 46 }, 0x80000008, 0, EAX, 15, 8, 57 },
		{ "linear bits", { .vendor = AMD, .phys_bits = 46 }, 0x80000008, 0, EAX, 15, 8, 48 },
		{ "LA57", { .vendor = INTEL, .phys_bits = 46 }, 7, 0, ECX, 16, 16, 1 },
		{ "AVX state", { .vendor = AMD, .phys_bits = 46 }, 0xd, 2, EBX, 31, 0, 576 },
		{ "AVX state", { .vendor = INTEL, .phys_bits = 46 }, 0xd, 2, EAX, 31, 0, 256 },
		{ "XGETBV 1, no XSAVEC", { .vendor = INTEL, .phys_bits = 46 }, 0xd, 1, EAX, 3, 0, 5 },
		{ "AES", { .vendor = AMD, .phys_bits = 46 }, 1, 0, ECX, 25, 25, 1 },
		{ "family 19h", { .vendor = AMD, .phys_bits = 48 }, 1, 0, EAX, 27, 20, 0xa },
		{ "not a hypervisor", { .vendor = AMD, .phys_bits = 48 }, 1, 0, ECX, 31, 31, 0 },
		{ "not a hypervisor", { .vendor = INTEL, .phys_bits = 48 }, 1, 0, ECX, 31, 31, 0 },
		{ "VMX", { .vendor = INTEL, .phys_bits = 46 }, 1, 0, ECX, 5, 5, 1 },
		{ "no VMX", { .vendor = AMD, .phys_bits = 46 }, 1, 0, ECX, 5, 5, 0 },
		{ "SVM", { .vendor = AMD, .phys_bits = 46 }, 0x80000001, 0, ECX, 2, 2, 1 },
		{ "MISALIGNSSE", { .vendor = AMD, .phys_bits = 46, .misalign_sse = true }, 0x80000001, 0, ECX, 7, 7, 1 },
		{ "no MISALIGNSSE", { .vendor = AMD, .phys_bits = 46 }, 0x80000001, 0, ECX, 7, 7, 0 },
		{ "no MISALIGNSSE", { .vendor = INTEL, .phys_bits = 46, .misalign_sse = true }, 0x80000001, 0, ECX, 7, 7, 0 },
		{ "SSE4.2", { .vendor = AMD, .phys_bits = 46 }, 1, 0, ECX, 20, 20, 1 },
		{ "no AVX", { .vendor = INTEL, .phys_bits = 46 }, 1, 0, ECX, 28, 28, 0 },
		{ "logical processors", { .vendor = INTEL, .phys_bits = 46, .nr_cpus = 6 }, 1, 0, EBX, 23, 16, 6 },
		{ "x2APIC shift", { .vendor = INTEL, .phys_bits = 46, .nr_cpus = 6 }, 0xb, 1, EAX, 4, 0, 3 },
		{ "in the package", { .vendor = AMD, .phys_bits = 46, .nr_cpus = 6 }, 0xb, 1, EBX, 15, 0, 6 },
		{ "no more levels", { .vendor = AMD, .phys_bits = 46 }, 0xb, 2, ECX, 15, 8, 0 },
		{ "XSAVE area", { .vendor = AMD, .phys_bits = 46 }, 0xd, 0, ECX, 31, 0, 832 },
		{ "no encryption", { .vendor = AMD, .phys_bits = 48 }, 0x8000001f, 0, EAX, 31, 0, 0 },
		{ "SNP", { .vendor = AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 51, .snp = true }, 0x8000001f, 0, EAX, 4, 4, 1 },
		{ "VMPLs", { .vendor = AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 51, .snp = true }, 0x8000001f, 0, EBX, 15, 12, 4 },
		{ "no SNP", { .vendor = AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 51 }, 0x8000001f, 0, EAX, 4, 4, 0 },
		{ "no VMPLs", { .vendor = AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 51 }, 0x8000001f, 0, EBX, 15, 12, 0 },
		{ "C-bit", { .vendor = AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 51 }, 0x8000001f, 0, EBX, 5, 0, 51 },
		{ "reduction", { .vendor = AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 51 }, 0x8000001f, 0, EBX, 11, 6, 5 },
		{ "zeros past the end", { .vendor = AMD, .phys_bits = 48 }, 0x12345, 0, EAX, 31, 0, 0 },
		{ "zeros past the end", { .vendor = AMD, .phys_bits = 48 }, 0x40000000, 0, EBX, 31, 0, 0 },
		{ "the highest basic leaf", { .vendor = INTEL, .phys_bits = 48 }, 0x12345, 0, ECX, 31, 0, 100 },
		{ "the highest basic leaf", { .vendor = INTEL, .phys_bits = 48 }, 0x40000000, 0, ECX, 31, 0, 100 },
		{ "the highest basic leaf", { .vendor = INTEL, .phys_bits = 48 }, 0x80000009, 0, ECX, 31, 0, 100 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hw *hw = a_machine(rows[i].c);
		uint32_t v = ask(hw, rows[i].leaf, rows[i].sub, rows[i].reg);

		v = (uint32_t)(((uint64_t)v >> rows[i].lo) & ((2ull << (rows[i].hi - rows[i].lo)) - 1));
		if (v != rows[i].want)
			print_error("%s (row %zu)\n", rows[i].what, i);
		assert_int_equal(v, rows[i].want);
		no_machine(hw);
	}
}

static void names_are_honest(void **unused)
{
	static const struct { enum hw_vendor vendor; const char *id, *brand; } rows[] = {
		{ AMD, "AuthenticAMD", "SoftCVM modelled AMD processor" },
		{ INTEL, "GenuineIntel", "SoftCVM modelled Intel processor" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hw *hw = a_machine((struct hw_config){ .vendor = rows[i].vendor,
							      .phys_bits = 46 });
		struct cpuid_regs r = hw_cpuid(hw, 0, 0), parts[3];
		uint32_t id[4] = { r.ebx, r.edx, r.ecx, 0 };

		assert_string_equal((const char *)id, rows[i].id);
		for (unsigned p = 0; p < 3; p++)
			parts[p] = hw_cpuid(hw, 0x80000002 + p, 0);
		assert_string_equal((const char *)parts, rows[i].brand);
		no_machine(hw);
	}
}

/* Each announced cache leaf ends, and sizes are what the legacy leaves say. */
static void cache_leaves_end(void **unused)
{
	static const struct { enum hw_vendor vendor; uint32_t leaf; } rows[] = {
		{ AMD, 0x8000001d }, { INTEL, 4 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hw *hw = a_machine((struct hw_config){ .vendor = rows[i].vendor,
							      .phys_bits = 46, .nr_cpus = 4 });
		struct cpuid_regs r = hw_cpuid(hw, rows[i].leaf, 2);
		uint64_t size = ((r.ebx >> 22) + 1ull) * ((r.ebx & 0xfff) + 1) * (r.ecx + 1ull);

		assert_int_equal(size, (hw_cpuid(hw, 0x80000006, 0).ecx >> 16) * 1024ull);
		assert_int_equal(hw_cpuid(hw, rows[i].leaf, 3).eax >> 14 & 0xfff, 3);
		assert_int_equal(hw_cpuid(hw, rows[i].leaf, 4).eax & 0x1f, 0);
		no_machine(hw);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_say_what_the_machine_is),
		cmocka_unit_test(names_are_honest),
		cmocka_unit_test(cache_leaves_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
