/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_cpuid.c - what KVM offers, what a VMM may set, what the guest reads. */
#include <errno.h>

#include "a_vcpu.h"
#include "softcvm/identity.h"
#include "softcvm/uapi/kvm_para.h"
#include "kvm/mmu/spte.h"

static const struct machine { enum hw_vendor vendor; uint8_t phys_bits; } machines[] = {
	{ AMD, 36 }, { AMD, 48 }, { AMD, 52 }, { INTEL, 39 }, { INTEL, 46 }, { INTEL, 52 },
};

struct supported {
	struct kvm_module	module;
	struct kvm_cpuid_entry2	e[KVM_MAX_CPUID_ENTRIES];
	int			nr;
};

static void ask(struct supported *s, const struct machine *m)
{
	a_module_make(&s->module, m->vendor, m->phys_bits);
	s->nr = kvm_supported_cpuid(&s->module, s->e, ARRAY_SIZE(s->e));
	assert_in_range(s->nr, 10, ARRAY_SIZE(s->e));
}

static const struct kvm_cpuid_entry2 *leaf(const struct supported *s, uint32_t function)
{
	for (int i = 0; i < s->nr; i++) {
		if (s->e[i].function == function)
			return &s->e[i];
	}
	fail_msg("no leaf %#x", function);
	return NULL;
}

static void nothing_is_there_twice(const struct supported *s)
{
	for (int i = 0; i < s->nr; i++) {
		for (int j = 0; j < i; j++) {
			bool same = s->e[i].function == s->e[j].function;

			if (!same)
				continue;
			assert_true(s->e[i].flags & s->e[j].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
			assert_int_not_equal(s->e[i].index, s->e[j].index);
		}
	}
}

/* A block's first leaf names its last, and none lies beyond. */
static void blocks_end_where_they_say(const struct supported *s)
{
	const uint32_t blocks[] = { 0, 0x40000000, 0x80000000 };

	for (size_t b = 0; b < ARRAY_SIZE(blocks); b++) {
		uint32_t last = leaf(s, blocks[b])->eax;

		assert_true(last >= blocks[b]);
		for (int i = 0; i < s->nr; i++) {
			uint32_t f = s->e[i].function;

			if (f >> 28 == blocks[b] >> 28 && f != SOFTCVM_CPUID_LEAF)
				assert_true(f <= last);
		}
	}
}

static uint32_t reach(const struct supported *s, const struct machine *m)
{
	return s->module.spte->root_level == 5 ? m->phys_bits : MIN(m->phys_bits, 48u);
}

static void what_is_offered_holds_together(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		struct supported s;
		bool amd = machines[i].vendor == AMD;

		ask(&s, &machines[i]);
		nothing_is_there_twice(&s);
		blocks_end_where_they_say(&s);
		assert_memory_equal(&leaf(&s, 0)->ebx, amd ? "Auth" : "Genu", 4);
		/* Intel's has LA57; the tables reach 48 bits, or what there is */
		assert_int_equal(leaf(&s, 0x80000008)->eax,
				 machines[i].phys_bits | (amd ? 48u : 57u) << 8 | reach(&s, &machines[i]) << 16);
		assert_memory_equal(&leaf(&s, 0x40000000)->ebx, "KVMKVMKVM\0\0\0", 12);
		assert_int_equal(leaf(&s, 0x40000000)->eax, 0x40000001);
		assert_true(leaf(&s, 0x40000001)->eax & BIT(KVM_FEATURE_HC_MAP_GPA_RANGE));
		assert_int_equal(leaf(&s, SOFTCVM_CPUID_LEAF)->ebx, SOFTCVM_CPUID_EBX);
		a_module_free(&s.module);
	}
}

/* Bits that a guest must, or must not, be offered: register 0 to 3 is EAX to EDX. */
static void bits_of_features(void **unused)
{
	static const struct { const char *why; uint32_t leaf; unsigned reg, bit; bool there; } bits[] = {
		{ "a hypervisor is the VMM's to tell", 1, 2, 31, false }, { "SSE4.2", 1, 2, 20, true },
		{ "POPCNT", 1, 2, 23, true }, { "CMPXCHG16B", 1, 2, 13, true },
		{ "x2APIC", 1, 2, 21, true }, { "VMX, not nested", 1, 2, 5, false },
		{ "MONITOR", 1, 2, 3, false }, { "OSXSAVE is the guest's", 1, 2, 27, false },
		{ "TSC deadline", 1, 2, 24, false }, { "HTT", 1, 3, 28, false },
		{ "APIC", 1, 3, 9, true }, { "SSE2", 1, 3, 26, true },
		{ "SVM, not nested", 0x80000001, 2, 2, false },
		{ "long mode", 0x80000001, 3, 29, true }, { "no-execute", 0x80000001, 3, 20, true },
		{ "SMEP", 7, 1, 7, true }, { "TSC_ADJUST", 7, 1, 1, true },
		{ "ARCH_CAPABILITIES", 7, 3, 29, true }, { "5-level paging", 7, 2, 16, true },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
		struct supported s;

		ask(&s, &machines[i]);
		for (size_t k = 0; k < ARRAY_SIZE(bits); k++) {
			const struct kvm_cpuid_entry2 *e = leaf(&s, bits[k].leaf);

			/* AMD's model is older than that. */
			if (bits[k].leaf == 7 && bits[k].bit == 16 && machines[i].vendor == AMD)
				assert_int_equal(e->ecx & BIT(16), 0);
			else if ((((&e->eax)[bits[k].reg] >> bits[k].bit) & 1) != bits[k].there)
				fail_msg("%s", bits[k].why);
		}
		for (int k = 0; k < s.nr; k++) {	/* memory encryption is not offered */
			if (s.e[k].function == 0x8000001f || s.e[k].function == 0x8000000a)
				assert_int_equal(s.e[k].eax | s.e[k].ebx | s.e[k].ecx | s.e[k].edx, 0);
		}
		a_module_free(&s.module);
	}
}

static void too_little_room_is_e2big(void **unused)
{
	struct supported s, less;

	(void)unused;
	ask(&s, &machines[1]);
	for (int room = 0; room < s.nr; room++) {
		memset(less.e, 0xa5, sizeof(less.e));
		assert_int_equal(kvm_supported_cpuid(&s.module, less.e, room), -E2BIG);
		assert_int_equal(less.e[room].function, 0xa5a5a5a5);	/* nothing beyond */
	}
	assert_int_equal(kvm_supported_cpuid(&s.module, less.e, s.nr), s.nr);
	assert_memory_equal(less.e, s.e, s.nr * sizeof(s.e[0]));
	a_module_free(&s.module);
}

#define ENTRY(f, i, fl, a, b, c, d) \
	{ .function = f, .index = i, .flags = fl, .eax = a, .ebx = b, .ecx = c, .edx = d }
#define SUB KVM_CPUID_FLAG_SIGNIFCANT_INDEX

static const struct kvm_cpuid_entry2 intel_like[] = {
	ENTRY(0, 0, 0, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69),
	ENTRY(1, 0, 0, 0x111, 0, 0, 0),
	ENTRY(0xb, 1, SUB, 0, 0, 0, 0x77),
	ENTRY(0xd, 0, SUB, 0xd0, 0xd1, 0xd2, 0xd3),
	ENTRY(0xd, 1, SUB, 0xe0, 0, 0, 0),
	ENTRY(0x40000000, 0, 0, 0x40000001, 0, 0, 0),
	ENTRY(0x80000000, 0, 0, 0x80000008, 0, 0, 0),
	ENTRY(0x80000008, 0, 0, 0x3027, 0, 0, 0),
};

/* SDM vol. 2A CPUID: past the end of a block Intel answers with the last basic leaf. */
static void leaves_out_of_range_go_by_vendor(void **unused)
{
	static const struct { const char *why; uint32_t leaf, sub, intel, amd; } asks[] = {
		{ "there", 0xd, 0, 0xd0, 0xd0 }, { "another subleaf", 0xd, 1, 0xe0, 0xe0 },
		{ "no such subleaf", 0xd, 9, 0, 0 }, { "a gap inside the block", 5, 0, 0, 0 },
		{ "past the basic ones", 0xe, 0, 0xd0, 0 },
		{ "past them, with a subleaf", 0x100, 1, 0xe0, 0 },
		{ "past the hypervisor's", 0x40000002, 0, 0xd0, 0 },
		{ "another hypervisor's", 0x40000100, 0, 0xd0, 0 },
		{ "a gap of the extended ones", 0x80000005, 0, 0, 0 },
		{ "past the extended ones", 0x80000009, 0, 0xd0, 0 },
		{ "far past the extended ones", 0x80010000, 0, 0xd0, 0 },
		{ "Centaur's", 0xc0000000, 0, 0xd0, 0 },
	};
	struct kvm_cpuid_entry2 amd_like[ARRAY_SIZE(intel_like)];
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, INTEL, true);
	memcpy(amd_like, intel_like, sizeof(amd_like));
	memcpy(&amd_like[0].ebx, "Auth", 4);
	memcpy(&amd_like[0].edx, "enti", 4);
	memcpy(&amd_like[0].ecx, "cAMD", 4);
	for (int amd = 0; amd < 2; amd++) {
		assert_int_equal(vcpu_set_cpuid(a.v, amd ? amd_like : intel_like,
						ARRAY_SIZE(intel_like)), 0);
		for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
			uint32_t eax = asks[i].leaf, ebx, ecx = asks[i].sub, edx;

			vcpu_cpuid(a.v, &eax, &ebx, &ecx, &edx);
			if (eax != (amd ? asks[i].amd : asks[i].intel))
				fail_msg("%s: %#x", asks[i].why, eax);
		}
	}
	a_vcpu_free(&a);
}

static void levels_past_the_last_tell_their_number(void **unused)
{
	uint32_t eax = 0xb, ebx, ecx = 0x105, edx;
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, INTEL, true);
	assert_int_equal(vcpu_set_cpuid(a.v, intel_like, ARRAY_SIZE(intel_like)), 0);
	vcpu_cpuid(a.v, &eax, &ebx, &ecx, &edx);
	assert_int_equal(eax | ebx, 0);
	assert_int_equal(ecx, 5);
	assert_int_equal(edx, 0x77);
	a_vcpu_free(&a);
}

static void bits_of_the_moment(void **unused)
{
	struct kvm_cpuid_entry2 back[ARRAY_SIZE(intel_like)];
	uint32_t eax = 1, ebx, ecx = 0, edx;
	struct a_vcpu a;

	(void)unused;
	a_vcpu_make(&a, INTEL, true);
	assert_int_equal(vcpu_set_cpuid(a.v, intel_like, ARRAY_SIZE(intel_like)), 0);
	a.v->state.cr4 = X86_CR4_OSXSAVE;
	vcpu_cpuid(a.v, &eax, &ebx, &ecx, &edx);
	assert_true(ecx & BIT(27));
	assert_true(edx & BIT(9));
	a.v->apic_base &= ~LAPIC_BASE_ENABLE;
	vcpu_get_cpuid(a.v, back);
	assert_true(back[1].ecx & BIT(27));
	assert_false(back[1].edx & BIT(9));

	/* What was read may be given back to a vCPU that has run; nothing else. */
	a.v->has_run = true;
	a.v->state.cr4 = 0;
	assert_int_equal(vcpu_set_cpuid(a.v, back, ARRAY_SIZE(back)), 0);
	assert_int_equal(vcpu_set_cpuid(a.v, back, ARRAY_SIZE(back) - 1), -EINVAL);
	back[1].eax++;
	assert_int_equal(vcpu_set_cpuid(a.v, back, ARRAY_SIZE(back)), -EINVAL);
	a_vcpu_free(&a);
}

static void the_width_comes_from_the_vmm(void **unused)
{
	static const struct { const char *why; uint32_t max, eax; int r; unsigned width; } sets[] = {
		{ "told", 0x80000008, 0x3027, 0, 39 }, { "no linear width", 0x80000008, 0x34, 0, 52 },
		{ "five levels", 0x80000008, 0x392e, 0, 46 },
		{ "47 linear bits", 0x80000008, 0x2f2e, -EINVAL, 36 },
		{ "the leaf is beyond the last", 0x80000007, 0x3027, 0, 36 },
		{ "more than a register", 0x80000008, 0x30ff, 0, 255 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		const struct kvm_cpuid_entry2 e[] = {
			ENTRY(0x80000000, 0, 0, sets[i].max, 0, 0, 0),
			ENTRY(0x80000008, 0, 0, sets[i].eax, 0, 0, 0),
		};
		struct a_vcpu a;

		a_vcpu_make(&a, AMD, true);
		if (vcpu_set_cpuid(a.v, e, 2) != sets[i].r || a.v->maxphyaddr != sets[i].width)
			fail_msg("%s: %u", sets[i].why, a.v->maxphyaddr);
		assert_int_equal(vcpu_reserved_gpa_bits(a.v),
				 sets[i].width < 64 ? ~0ull << sets[i].width : 0);
		a_vcpu_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_offered_holds_together),
		cmocka_unit_test(bits_of_features),
		cmocka_unit_test(too_little_room_is_e2big),
		cmocka_unit_test(leaves_out_of_range_go_by_vendor),
		cmocka_unit_test(levels_past_the_last_tell_their_number),
		cmocka_unit_test(bits_of_the_moment),
		cmocka_unit_test(the_width_comes_from_the_vmm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
