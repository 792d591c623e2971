/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Entries as the manuals print them, and which machines can cache MMIO. */
#include "kvm/mmu/spte.h"

#include "kvm/mmu/a_vm.h"

static const struct row {
	const char	*why;
	enum hw_vendor	 vendor;
	struct spte_leaf leaf;
	uint64_t	 want;
} leaves[] = {
	{ "EPT: RWX, WB, IPAT, A, D, MMU-present, host- and MMU-writable, #VE suppressed",
	  HW_VENDOR_INTEL, { HPA(0x12345000), PG_LEVEL_4K, true, false },
	  BIT(63) | BIT(58) | BIT(57) | 0x12345000 | BIT(11) | BIT(9) | BIT(8) | BIT(6) | 6 << 3 | 7 },
	{ "EPT: read-only, prefetched: no W, no A",
	  HW_VENDOR_INTEL, { HPA(0x12345000), PG_LEVEL_4K, false, true },
	  BIT(63) | 0x12345000 | BIT(11) | BIT(6) | 6 << 3 | 5 },
	{ "EPT: 2M",
	  HW_VENDOR_INTEL, { HPA(0x12200000), PG_LEVEL_2M, false, false },
	  BIT(63) | 0x12200000 | BIT(11) | BIT(8) | BIT(7) | BIT(6) | 6 << 3 | 5 },
	{ "NPT: P, W, U, A, D, MMU-present, host- and MMU-writable",
	  HW_VENDOR_AMD, { HPA(0x12345000), PG_LEVEL_4K, true, false },
	  0x12345000 | BIT(11) | BIT(10) | BIT(9) | BIT(6) | BIT(5) | 7 },
	{ "NPT: 1G, read-only",
	  HW_VENDOR_AMD, { HPA(0x40000000), PG_LEVEL_1G, false, false },
	  0x40000000 | BIT(11) | BIT(7) | BIT(5) | 5 },
};

static void leaves_are_as_the_manuals_print_them(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		const struct row *r = &leaves[i];
		struct hw_config config = { r->vendor, 46, 0, 0, 1, NULL };
		struct spte_layout l;
		spte_t got;

		spte_layout_init(&l, &config);
		got = spte_make_leaf(&l, &r->leaf);
		if (got.v != r->want)
			print_error("row %zu: %s\n", i, r->why);
		assert_int_equal(got.v, r->want);
		assert_true(spte_is_present_leaf(got, r->leaf.level));
		assert_int_equal(spte_address(&l, got).v, r->leaf.page.v);
		assert_int_equal(spte_allows(&l, got, true, false), r->leaf.writable);
		assert_true(spte_allows(&l, got, false, true));
		assert_int_equal(spte_can_be_made_writable(&l, got), r->leaf.writable);
	}
}

static void split_children_cover_the_parent(void **unused)
{
	struct hw_config config = { HW_VENDOR_INTEL, 46, 0, 0, 1, NULL };
	struct spte_leaf huge = { HPA(0x80000000), PG_LEVEL_1G, true, false };
	struct spte_leaf small = { HPA(0x80000000 + 7 * 0x200000), PG_LEVEL_2M, true, false };
	struct spte_leaf page = { HPA(0x80000000 + 7 * 0x200000 + 5 * 4096), PG_LEVEL_4K, true };
	struct spte_layout l;
	spte_t s;

	(void)unused;
	spte_layout_init(&l, &config);
	s = spte_make_split_child(&l, spte_make_leaf(&l, &huge), PG_LEVEL_1G, 7);
	assert_int_equal(s.v, spte_make_leaf(&l, &small).v);
	s = spte_make_split_child(&l, s, PG_LEVEL_2M, 5);
	assert_int_equal(s.v, spte_make_leaf(&l, &page).v);
}

/* Computed by hand from spec kvm.md 3.4. */
static const struct sweep {
	enum hw_vendor	vendor;
	uint8_t		phys_bits, reduction, c_bit;
	uint64_t	value;
} sweep[] = {
	{ HW_VENDOR_INTEL, 36, 0,  0, 6 },
	{ HW_VENDOR_INTEL, 46, 0,  0, 6 },
	{ HW_VENDOR_INTEL, 52, 0,  0, 6 },		/* misconfigured whatever the width */
	{ HW_VENDOR_AMD,   40, 0,  0, BIT(51) | 1 },
	{ HW_VENDOR_AMD,   48, 0,  0, BIT(51) | 1 },
	{ HW_VENDOR_AMD,   51, 0,  0, BIT(51) | 1 },
	{ HW_VENDOR_AMD,   52, 0,  0, 0 },
	{ HW_VENDOR_AMD,   48, 5, 47, BITS(51, 43) | 1 },
	{ HW_VENDOR_AMD,   48, 1, 47, BITS(51, 48) | 1 },	/* the C-bit is no reserved bit */
	{ HW_VENDOR_AMD,   52, 6, 51, BITS(51, 46) | 1 },
	{ HW_VENDOR_AMD,   52, 1, 51, 0 },
	{ HW_VENDOR_AMD,   51, 0, 51, 0 },
	{ HW_VENDOR_AMD,   52, 0, 51, 0 },
	{ HW_VENDOR_AMD,   52, 2, 51, BITS(51, 50) | 1 },
	{ HW_VENDOR_AMD,   52, 1, 47, BIT(51) | 1 },
};

static void mmio_needs_a_reserved_bit(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(sweep); i++) {
		const struct sweep *r = &sweep[i];
		struct hw_config config = { r->vendor, r->phys_bits, r->reduction, r->c_bit, 1, NULL };
		struct spte_layout l;

		spte_layout_init(&l, &config);
		if (l.mmio_value != r->value)
			print_error("row %zu\n", i);
		assert_int_equal(l.mmio_value, r->value);
		assert_int_equal(spte_layout_can_cache_mmio(&l), r->value != 0);
	}
}

static void mmio_entries_hold_gfn_and_generation(void **unused)
{
	static const uint64_t gfns[] = { 1, 0xfee00, 0x3ffffff };
	static const uint64_t generations[] = { 0, 1, 0xff, 0x100, 0x7ffff, 0x80001 };
	static const enum hw_vendor vendors[] = { HW_VENDOR_INTEL, HW_VENDOR_AMD };

	(void)unused;
	for (size_t v = 0; v < ARRAY_SIZE(vendors); v++) {
		struct hw_config config = { vendors[v], 40, 0, 0, 1, NULL };
		struct a_vm *vm = a_vm_create(&config, false);

		for (size_t g = 0; g < ARRAY_SIZE(gfns); g++) {
			for (size_t n = 0; n < ARRAY_SIZE(generations); n++) {
				spte_t s = spte_make_mmio(&vm->kvm, GFN(gfns[g]), generations[n]);

				assert_true(spte_is_mmio(&vm->kvm, s));
				assert_false(spte_is_present(s));
				assert_int_equal(spte_mmio_gfn(&vm->kvm, s).v, gfns[g]);
				assert_int_equal(spte_mmio_generation(s),
						 generations[n] & SPTE_MMIO_GEN_MASK);
			}
		}
		assert_false(spte_is_mmio(&vm->kvm, SPTE_NONPRESENT));
		assert_false(spte_is_mmio(&vm->kvm, SPTE_FROZEN));
		assert_false(spte_is_present(SPTE_FROZEN));
		vm->module.enable_mmio_caching = false;
		assert_false(spte_is_mmio(&vm->kvm, spte_make_mmio(&vm->kvm, GFN(1), 0)));
		a_vm_destroy(vm);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_are_as_the_manuals_print_them),
		cmocka_unit_test(split_children_cover_the_parent),
		cmocka_unit_test(mmio_needs_a_reserved_bit),
		cmocka_unit_test(mmio_entries_hold_gfn_and_generation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
