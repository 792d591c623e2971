/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_msr.c - index x who x value: taken, dropped or #GP; what is then read. */
#include <errno.h>

#include "a_vcpu.h"

enum who { GUEST, HOST };
enum on { ON_BOTH, ON_AMD, ON_INTEL };
#define GP	1
#define NONE	2		/* nobody knows it */
#define NOT_CANONICAL	0x8000000000000000ull
#define LOW_CANONICAL	0x00007fffffffffffull
#define WB8	0x0606060606060606ull
#define APIC	(LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE | LAPIC_BASE_BSP)

static const struct row {
	const char	*why;
	enum on		on;
	uint32_t	index;
	enum who	who;
	uint64_t	value;
	int		want;
	uint64_t	is;		/* read by the host afterwards */
} rows[] = {
	{ "nobody's register", ON_BOTH, 0xdeadbeef, GUEST, 0, NONE, 0 },
	{ "nobody's register", ON_BOTH, 0xdeadbeef, HOST, 0, NONE, 0 },
	{ "EFER: NX", ON_BOTH, 0xc0000080, GUEST, X86_EFER_NX, 0, X86_EFER_NX },
	{ "EFER: LMA is not written", ON_BOTH, 0xc0000080, HOST, X86_EFER_LMA, 0, 0 },
	{ "EFER: a reserved bit", ON_BOTH, 0xc0000080, HOST, 2, GP, 0 },
	{ "EFER: SVME, not nested", ON_BOTH, 0xc0000080, GUEST, X86_EFER_SVME, GP, 0 },
	{ "STAR takes anything", ON_BOTH, 0xc0000081, GUEST, ~0ull, 0, ~0ull },
	{ "LSTAR: canonical", ON_BOTH, 0xc0000082, GUEST, LOW_CANONICAL, 0, LOW_CANONICAL },
	{ "LSTAR: the kernel's half", ON_BOTH, 0xc0000082, GUEST, ~0ull << 47, 0, ~0ull << 47 },
	{ "LSTAR: not canonical", ON_AMD, 0xc0000082, GUEST, BIT(47), GP, 0 },
	{ "LSTAR: canonical with LA57", ON_INTEL, 0xc0000082, GUEST, BIT(47), 0, BIT(47) },
	{ "LSTAR: not canonical", ON_INTEL, 0xc0000082, GUEST, BIT(56), GP, 0 },
	{ "LSTAR: not canonical, host", ON_BOTH, 0xc0000082, HOST, NOT_CANONICAL, GP, 0 },
	{ "CSTAR: not canonical", ON_BOTH, 0xc0000083, GUEST, NOT_CANONICAL, GP, 0 },
	{ "FS base: not canonical", ON_BOTH, 0xc0000100, GUEST, NOT_CANONICAL, GP, 0 },
	{ "FS base", ON_BOTH, 0xc0000100, GUEST, 0x1234, 0, 0x1234 },
	{ "GS base", ON_BOTH, 0xc0000101, GUEST, 0x1234, 0, 0x1234 },
	{ "kernel GS base", ON_BOTH, 0xc0000102, GUEST, 0x1234, 0, 0x1234 },
	{ "kernel GS base: not canonical", ON_BOTH, 0xc0000102, HOST, NOT_CANONICAL, GP, 0 },
	{ "SYSENTER_ESP has 32 bits", ON_AMD, 0x175, GUEST, BIT(47) | 5, 0, 5 },
	{ "SYSENTER_ESP is made canonical", ON_INTEL, 0x175, GUEST, BIT(56), 0, ~0ull << 56 },
	{ "SYSENTER_EIP is made canonical", ON_BOTH, 0x176, HOST, NOT_CANONICAL, 0, 0 },
	{ "TSC_AUX", ON_BOTH, 0xc0000103, GUEST, 7, 0, 7 },
	{ "TSC_AUX: 33 bits", ON_INTEL, 0xc0000103, GUEST, BIT(32), GP, 0 },
	{ "TSC_AUX: upper half ignored", ON_AMD, 0xc0000103, GUEST, BIT(32) | 5, 0, 5 },
	{ "PAT: write back everywhere", ON_BOTH, 0x277, GUEST, WB8, 0, WB8 },
	{ "PAT: type 2", ON_BOTH, 0x277, GUEST, 2, GP, 0x0007040600070406ull },
	{ "PAT: type 8", ON_BOTH, 0x277, HOST, 8ull << 56, GP, 0x0007040600070406ull },
	{ "MTRR default: write back, on", ON_BOTH, 0x2ff, GUEST, 0xc06, 0, 0xc06 },
	{ "MTRR default: type 2", ON_BOTH, 0x2ff, GUEST, 0xc02, GP, 0 },
	{ "MTRR default: a reserved bit", ON_BOTH, 0x2ff, GUEST, 0x1000, GP, 0 },
	{ "fixed MTRR", ON_BOTH, 0x250, GUEST, WB8, 0, WB8 },
	{ "fixed MTRR: type 7", ON_BOTH, 0x26f, GUEST, 7ull << 32, GP, 0 },
	{ "variable MTRR: base", ON_BOTH, 0x200, GUEST, 0xc0000006, 0, 0xc0000006 },
	{ "variable MTRR: base, reserved", ON_BOTH, 0x200, GUEST, 0x106, GP, 0 },
	{ "variable MTRR: mask", ON_BOTH, 0x201, GUEST, 0xc0000800, 0, 0xc0000800 },
	{ "variable MTRR: mask, reserved", ON_BOTH, 0x20f, GUEST, 0x400, GP, 0 },
	{ "variable MTRR: beyond MAXPHYADDR", ON_BOTH, 0x201, HOST, BIT(46), GP, 0 },
	{ "MTRRcap is nobody's to write", ON_BOTH, 0x0fe, HOST, 0x508, NONE, 0x508 },
	{ "MCG_CAP is nobody's to write", ON_BOTH, 0x179, HOST, 32, NONE, 32 },
	{ "microcode: the guest's is dropped", ON_AMD, 0x8b, GUEST, 1, 0, 0x01000065 },
	{ "microcode: the guest's is dropped", ON_INTEL, 0x8b, GUEST, 1, 0, 0x100000000ull },
	{ "microcode: the host's is kept", ON_BOTH, 0x8b, HOST, 0x5500000000ull, 0, 0x5500000000ull },
	{ "PLATFORM_INFO is the host's", ON_BOTH, 0xce, GUEST, 0, GP, 0x80000000 },
	{ "PLATFORM_INFO is the host's", ON_BOTH, 0xce, HOST, 0, 0, 0 },
	{ "CPUID faulting", ON_BOTH, 0x140, GUEST, 1, 0, 1 },
	{ "CPUID faulting has one bit", ON_BOTH, 0x140, GUEST, 2, GP, 0 },
	{ "MISC_ENABLE: fast strings", ON_BOTH, 0x1a0, GUEST, 0x1801, 0, 0x1801 },
	{ "MISC_ENABLE: there is no PEBS", ON_BOTH, 0x1a0, GUEST, 0x800, GP, 0x1800 },
	{ "MISC_ENABLE: the host may", ON_BOTH, 0x1a0, HOST, 0, 0, 0 },
	{ "MISC_ENABLE: EMON stays", ON_BOTH, 0x1a0, GUEST, 0x1808, 0, 0x1800 },
	{ "DEBUGCTL: LBR is dropped", ON_BOTH, 0x1d9, GUEST, 1, 0, 0 },
	{ "DEBUGCTL without LBR takes anything", ON_AMD, 0x1d9, GUEST, BIT(15), 0, 0 },
	{ "DEBUGCTL: reserved", ON_INTEL, 0x1d9, GUEST, BIT(15), GP, 0 },
	{ "HWCR: what old guests set is dropped", ON_BOTH, 0xc0010015, GUEST, 0x148, 0, 0 },
	{ "HWCR: TscFreqSel", ON_BOTH, 0xc0010015, GUEST, BIT(24), 0, BIT(24) },
	{ "HWCR: others", ON_BOTH, 0xc0010015, GUEST, 1, GP, 0 },
	{ "VM_HSAVE_PA", ON_AMD, 0xc0010117, GUEST, 0x1000, 0, 0x1000 },
	{ "VM_HSAVE_PA: alignment", ON_AMD, 0xc0010117, GUEST, 0x1001, GP, 0 },
	{ "VM_HSAVE_PA: the host may", ON_AMD, 0xc0010117, HOST, 0x1001, 0, 0x1000 },
	{ "VM_HSAVE_PA is AMD's", ON_INTEL, 0xc0010117, GUEST, 0x1000, 0, 0 },
	{ "VIRT_SPEC_CTRL: SSBD", ON_AMD, 0xc001011f, HOST, 4, 0, 4 },
	{ "VIRT_SPEC_CTRL: others", ON_AMD, 0xc001011f, HOST, 1, GP, 0 },
	{ "FEAT_CTL is Intel's", ON_AMD, 0x3a, HOST, 1, NONE, 0 },
	{ "FEAT_CTL: VMX is not there", ON_INTEL, 0x3a, GUEST, 5, GP, 0 },
	{ "FEAT_CTL: VMX, by the host", ON_INTEL, 0x3a, HOST, 5, 0, 5 },
	{ "FEAT_CTL: beyond all features", ON_INTEL, 0x3a, HOST, BIT(3), GP, 0 },
	{ "FEAT_CTL: locked", ON_INTEL, 0x3a, GUEST, 1, 0, 1 },
	{ "XSS has no bits", ON_BOTH, 0xda0, GUEST, 1, GP, 0 },
	{ "XSS is not there", ON_BOTH, 0xda0, GUEST, 0, GP, 0 },
	{ "XSS: the host writes 0", ON_BOTH, 0xda0, HOST, 0, 0, 0 },
	{ "ARCH_CAPABILITIES is the host's", ON_BOTH, 0x10a, GUEST, 0, GP, 0x4000069 },
	{ "ARCH_CAPABILITIES: any value", ON_BOTH, 0x10a, HOST, ~0ull, 0, ~0ull },
	{ "PERF_CAPABILITIES: none", ON_BOTH, 0x345, HOST, 1, GP, 0 },
	{ "PERF_CAPABILITIES: 0", ON_BOTH, 0x345, HOST, 0, 0, 0 },
	{ "DE_CFG: LFENCE", ON_AMD, 0xc0011029, GUEST, 2, 0, 2 },
	{ "DE_CFG: others; it begins with 0", ON_AMD, 0xc0011029, GUEST, 1, GP, 0 },
	{ "DE_CFG is AMD's", ON_INTEL, 0xc0011029, HOST, 2, NONE, 0 },
	{ "MCG_CTL is not there", ON_BOTH, 0x17b, GUEST, ~0ull, GP, 0 },
	{ "MCG_CTL: the host writes 0", ON_BOTH, 0x17b, HOST, 0, 0, 0 },
	{ "MCG_STATUS", ON_BOTH, 0x17a, GUEST, 5, 0, 5 },
	{ "a bank: all on", ON_BOTH, 0x400, GUEST, ~0ull, 0, ~0ull },
	{ "a bank: but bit 10", ON_BOTH, 0x410, GUEST, ~0ull ^ BIT(10), 0, ~0ull ^ BIT(10) },
	{ "a bank: partly on", ON_BOTH, 0x400, GUEST, 2, GP, 0 },
	{ "a bank's status: 0", ON_BOTH, 0x401, GUEST, 0, 0, 0 },
	{ "a bank's status", ON_BOTH, 0x401, GUEST, 1, GP, 0 },
	{ "a bank's status, host", ON_BOTH, 0x401, HOST, 1, 0, 1 },
	{ "the last bank's last", ON_BOTH, 0x47f, GUEST, 9, 0, 9 },
	{ "CMCI is not there", ON_BOTH, 0x280, GUEST, 0, GP, 0 },
	{ "the hole between MTRRs", ON_BOTH, 0x210, HOST, 0, GP, 0 },
	{ "POWER_CTL", ON_BOTH, 0x1fc, GUEST, 3, 0, 3 },
	{ "SMI_COUNT is the host's", ON_BOTH, 0x34, GUEST, 0, GP, 0 },
	{ "SMBASE without SMM", ON_BOTH, 0x9e, HOST, 0, GP, 0 },
	{ "SPEC_CTRL: IBRS and SSBD", ON_BOTH, 0x48, GUEST, 5, 0, 5 },
	{ "SPEC_CTRL: others", ON_BOTH, 0x48, HOST, 8, GP, 0 },
	{ "PRED_CMD: a barrier", ON_BOTH, 0x49, GUEST, 1, 0, 0 },
	{ "PRED_CMD: others", ON_BOTH, 0x49, GUEST, 2, GP, 0 },
	{ "FLUSH_CMD is not there", ON_BOTH, 0x10b, HOST, 1, GP, 0 },
	{ "counters take anything", ON_BOTH, 0xc0010004, GUEST, 77, 0, 0 },
	{ "VM_CR: locked", ON_AMD, 0xc0010114, GUEST, 0x18, 0, 0x18 },
	{ "VM_CR: reserved", ON_AMD, 0xc0010114, GUEST, 0x20, GP, 0 },
	{ "TSC_RATIO stays", ON_AMD, 0xc0000104, HOST, 2, GP, BIT(32) },
	{ "TSC_RATIO: the value it has", ON_AMD, 0xc0000104, HOST, BIT(32), 0, BIT(32) },
	{ "listed, unknown, 0", ON_BOTH, 0x4b564d02, HOST, 0, 0, 0 },
	{ "listed, unknown, not 0", ON_BOTH, 0x4b564d02, HOST, 1, NONE, 0 },
	{ "listed, unknown, by the guest", ON_BOTH, 0x4b564d02, GUEST, 0, NONE, 0 },
	{ "steal time: reserved bits", ON_BOTH, 0x4b564d03, GUEST, 0x1003, GP, 0 },
	{ "steal time", ON_BOTH, 0x4b564d03, GUEST, 0x1001, 0, 0x1001 },
	{ "PV EOI is aligned", ON_BOTH, 0x4b564d04, GUEST, 0x1003, GP, 0 },
	{ "polling is on, and one bit", ON_BOTH, 0x4b564d05, GUEST, 2, GP, 1 },
	{ "polling can be switched off", ON_BOTH, 0x4b564d05, GUEST, 0, 0, 0 },
	{ "the system time's address", ON_BOTH, 0x4b564d01, GUEST, 0x2000, 0, 0x2000 },
	{ "the TSC deadline needs its mode", ON_BOTH, 0x6e0, GUEST, 5, 0, 0 },
	{ "APIC base moves", ON_BOTH, 0x1b, GUEST, 0xfed00900, 0, 0xfed00900 },
	{ "APIC base: reserved", ON_BOTH, 0x1b, GUEST, APIC | BIT(9), GP, APIC },
	{ "x2APIC", ON_BOTH, 0x1b, GUEST, APIC | BIT(10), 0, APIC | BIT(10) },
	{ "x2APIC without APIC", ON_BOTH, 0x1b, HOST, BIT(10), GP, APIC },
	{ "x2APIC's registers in xAPIC mode", ON_BOTH, 0x808, GUEST, 0x10, GP, 0 },
};

static void each_register_by_its_rule(enum hw_vendor vendor)
{
	struct a_vcpu a;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		uint64_t is = 0;
		int got;

		if ((r->on == ON_AMD && vendor != AMD) || (r->on == ON_INTEL && vendor != INTEL))
			continue;
		a_vcpu_make(&a, vendor, true);
		a_vcpu_all_cpuid(&a);
		a.v->enforce_pv = true;		/* asynchronous page faults are not announced */
		got = vcpu_set_msr(a.v, r->index, r->who == HOST, r->value);
		if (vcpu_get_msr(a.v, r->index, true, &is))
			is = 0;
		if (got != r->want || is != r->is)
			fail_msg("%s: %d, reads %#llx", r->why, got, (unsigned long long)is);
		a_vcpu_free(&a);
	}
}

static void each_register_by_its_rule_on_amd(void **unused)
{
	(void)unused;
	each_register_by_its_rule(AMD);
}

static void each_register_by_its_rule_on_intel(void **unused)
{
	(void)unused;
	each_register_by_its_rule(INTEL);
}

/* Every listed register can be read, and the same value written back. */
static void what_is_listed_can_be_saved_and_restored(void **unused)
{
	static const enum hw_vendor vendors[] = { AMD, INTEL };
	uint32_t list[256];

	(void)unused;
	for (size_t k = 0; k < ARRAY_SIZE(vendors); k++) {
		struct a_vcpu a;
		unsigned nr;

		a_vcpu_make(&a, vendors[k], true);
		a_vcpu_all_cpuid(&a);
		nr = vcpu_msr_list(&a.module, list, ARRAY_SIZE(list));
		assert_in_range(nr, 10, ARRAY_SIZE(list));
		for (unsigned i = 0; i < nr; i++) {
			uint64_t value;

			if (vcpu_get_msr(a.v, list[i], true, &value) ||
			    vcpu_set_msr(a.v, list[i], true, value))
				fail_msg("register %#x", list[i]);
			for (unsigned j = 0; j < i; j++)
				assert_int_not_equal(list[i], list[j]);
		}
		nr = vcpu_feature_msr_list(&a.module, list, ARRAY_SIZE(list));
		for (unsigned i = 0; i < nr; i++) {
			uint64_t value;

			assert_int_equal(vcpu_get_feature_msr(&a.module, list[i], &value), 0);
		}
		assert_int_equal(vcpu_msr_list(&a.module, NULL, 0), vcpu_msr_list(&a.module, list, 256));
		a_vcpu_free(&a);
	}
}

static void unknown_registers_can_be_ignored(void **unused)
{
	struct a_vcpu a;
	uint64_t value = 5;

	(void)unused;
	a_vcpu_make(&a, INTEL, true);
	a.module.params.ignore_msrs = true;
	assert_int_equal(vcpu_get_msr(a.v, 0xdeadbeef, false, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(vcpu_set_msr(a.v, 0xdeadbeef, false, 1), 0);
	assert_int_equal(vcpu_set_msr(a.v, 0xc0000082, false, BIT(56)), 1);
	a_vcpu_free(&a);
}

static void x2apic_mode_opens_its_registers(void **unused)
{
	struct a_vcpu a;
	uint64_t value;

	(void)unused;
	a_vcpu_make(&a, AMD, true);
	a_vcpu_all_cpuid(&a);
	assert_int_equal(vcpu_set_msr(a.v, 0x1b, false, APIC | BIT(10)), 0);
	assert_int_equal(vcpu_set_msr(a.v, 0x808, false, 0x30), 0);
	assert_int_equal(a.v->state.cr8, 3);
	assert_int_equal(vcpu_get_msr(a.v, 0x808, false, &value), 0);
	assert_int_equal(value, 0x30);
	assert_int_equal(vcpu_get_msr(a.v, 0x802, false, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(vcpu_set_msr(a.v, 0x802, false, 1), GP);
	assert_int_equal(vcpu_set_msr(a.v, 0x1b, false, APIC), GP);	/* not back to xAPIC */
	assert_int_equal(vcpu_set_msr(a.v, 0x1b, false, LAPIC_DEFAULT_BASE), 0);
	assert_int_equal(vcpu_get_msr(a.v, 0x808, false, &value), GP);
	assert_int_equal(vcpu_set_msr(a.v, 0x1b, false, APIC | BIT(10)), GP);	/* from off */
	a_vcpu_free(&a);
}

static void the_clock_moves_with_its_adjustment(void **unused)
{
	struct a_vcpu a;
	uint64_t before;

	(void)unused;
	a_vcpu_make(&a, AMD, true);
	a_vcpu_all_cpuid(&a);
	assert_int_equal(vcpu_set_msr(a.v, 0x10, true, 0), 0);
	before = a.v->tsc.offset;
	assert_int_equal(vcpu_set_msr(a.v, 0x3b, false, 1000), 0);
	assert_int_equal(a.v->tsc.offset, before + 1000);
	assert_int_equal(vcpu_set_msr(a.v, 0x3b, true, 5000), 0);
	assert_int_equal(a.v->tsc.offset, before + 1000);
	a_vcpu_free(&a);
}

static void locked_feature_control_stays(void **unused)
{
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, INTEL, true);
	assert_int_equal(vcpu_set_msr(a.v, 0x3a, false, 1), 0);
	assert_int_equal(vcpu_set_msr(a.v, 0x3a, false, 0), GP);
	assert_int_equal(vcpu_set_msr(a.v, 0x3a, true, 0), 0);
	a_vcpu_free(&a);
}

/* What CPUID does not tell is not there for the guest, and is for the host. */
static void the_guest_sees_what_cpuid_tells(void **unused)
{
	static const uint32_t gated[] = { 0x48, 0x10a, 0x345, 0xda0, 0x1c4, 0xc0000103 };
	struct a_vcpu a;
	uint64_t value;

	(void)unused;
	a_vcpu_make(&a, AMD, true);
	for (size_t i = 0; i < ARRAY_SIZE(gated); i++) {
		assert_int_equal(vcpu_get_msr(a.v, gated[i], false, &value), GP);
		assert_int_equal(vcpu_get_msr(a.v, gated[i], true, &value), 0);
	}
	assert_int_equal(vcpu_get_msr(a.v, 0xc0010140, true, &value), GP);	/* OSVW: both */
	a_vcpu_free(&a);
}

/* Features of the model are what they are once the vCPU has run. */
static void the_model_is_fixed_by_the_first_run(void **unused)
{
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, INTEL, true);
	a_vcpu_all_cpuid(&a);
	assert_int_equal(vcpu_set_msr(a.v, 0x10a, true, 5), 0);
	a.v->has_run = true;
	assert_int_equal(vcpu_set_msr(a.v, 0x10a, true, 5), 0);
	assert_int_equal(vcpu_set_msr(a.v, 0x10a, true, 4), GP);
	assert_int_equal(vcpu_set_msr(a.v, 0x8b, true, 4), 0);	/* but the microcode's revision */
	a_vcpu_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_register_by_its_rule_on_amd),
		cmocka_unit_test(each_register_by_its_rule_on_intel),
		cmocka_unit_test(what_is_listed_can_be_saved_and_restored),
		cmocka_unit_test(unknown_registers_can_be_ignored),
		cmocka_unit_test(x2apic_mode_opens_its_registers),
		cmocka_unit_test(the_clock_moves_with_its_adjustment),
		cmocka_unit_test(locked_feature_control_stays),
		cmocka_unit_test(the_guest_sees_what_cpuid_tells),
		cmocka_unit_test(the_model_is_fixed_by_the_first_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
