/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_nested.c - walks through nested tables; single entries are in
 * tests/model/test_nested_entries.c.
 */
#include "hw/mmu/a_guest.h"

#define LINEAR	0x400000ull
#define TARGET	0x300000ull

static void begin(struct guest *g, enum hw_vendor vendor)
{
	guest_init(g, vendor);
	map(g, LINEAR, TARGET | P | W | U, 1);
	assert_int_equal(touch(g, LINEAR, MMU_READ), MMU_OK);
}

static enum mmu_result again(struct guest *g, enum mmu_access access)
{
	mmu_flush_asid(g->m, 1);
	return touch(g, LINEAR + 0x123, access);
}

/* SDM table 28-7: what was wanted in 2:0, what is allowed in 5:3. */
static void ept_violations(void **unused)
{
	(void)unused;
	for (unsigned leaf = 0; leaf < 8; leaf++) {
		for (unsigned pde = 0; pde < 8; pde++) {
			for (unsigned a = MMU_READ; a <= MMU_EXEC; a++) {
				uint64_t both = leaf & pde, q = 1ull << a | VMX_EPT_GLA_VALID |
							      VMX_EPT_FINAL;
				bool bad = (leaf & 3) == 2 || (pde & 3) == 2;
				struct guest g;

				if (bad)
					continue;
				begin(&g, HW_VENDOR_INTEL);
				nested_set(&g, 0x40000000, 1, guest_hpa(&g, TARGET) | leaf | 6 << 3);
				nested_set(&g, 0x40000000, 2,
					   (nested_get(&g, 0x40000000, 2) & ~7ull) | pde);
				map(&g, LINEAR, 0x40000000 | P | W | U, 1);
				if (leaf && pde)
					q |= both << 3;
				if (both >> a & 1) {
					assert_int_equal(again(&g, a), MMU_OK);
				} else {
					assert_int_equal(again(&g, a), MMU_NESTED_FAULT);
					assert_int_equal(g.fault.info, q);
					assert_int_equal(g.fault.gpa.v, 0x40000123);
				}
				guest_fini(&g);
			}
		}
	}
}

/* Accesses to the guest's own tables. */
static void faults_on_guest_tables(void **unused)
{
	static const struct { enum hw_vendor vendor; bool ad; uint64_t flags, want; } rows[] = {
		/* APM 15.25.6: always data writes by a user */
		{ HW_VENDOR_AMD, true, 0, SVM_NPF_USER | SVM_NPF_WRITE | SVM_NPF_TABLE },
		{ HW_VENDOR_AMD, true, P | U,
		  SVM_NPF_PRESENT | SVM_NPF_USER | SVM_NPF_WRITE | SVM_NPF_TABLE },
		/* SDM 29.3.3.2: writes when accessed and dirty flags are on */
		{ HW_VENDOR_INTEL, true, 0, VMX_EPT_READ | VMX_EPT_WRITE | VMX_EPT_GLA_VALID },
		{ HW_VENDOR_INTEL, true, 1 | 6 << 3,
		  VMX_EPT_READ | VMX_EPT_WRITE | VMX_EPT_READABLE | VMX_EPT_GLA_VALID },
		{ HW_VENDOR_INTEL, false, 0, VMX_EPT_READ | VMX_EPT_GLA_VALID },
		/* the accessed flag is to be set in the guest's entry */
		{ HW_VENDOR_INTEL, false, 1 | 6 << 3,
		  VMX_EPT_WRITE | VMX_EPT_READABLE | VMX_EPT_GLA_VALID },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t pte;
		struct guest g;

		begin(&g, rows[i].vendor);
		pte = (uint64_t)((uint8_t *)guest_entry(&g, LINEAR, 1) - g.bytes);
		*guest_entry(&g, LINEAR, 1) &= ~A;
		g.nested.ad = rows[i].ad;
		nested_set(&g, pte, 1, rows[i].flags ? guest_hpa(&g, pte & PAGE_MASK) | rows[i].flags
						     : 0);
		guest_enter(&g);
		assert_int_equal(again(&g, MMU_READ), MMU_NESTED_FAULT);
		if (g.fault.info != rows[i].want)
			print_error("row %zu: %#llx\n", i, (unsigned long long)g.fault.info);
		assert_int_equal(g.fault.info, rows[i].want);
		assert_int_equal(g.fault.gpa.v, pte);
		guest_fini(&g);
	}
}

static void nested_flags_are_set(void **state)
{
	enum hw_vendor vendor = *(enum hw_vendor *)*state;
	uint64_t a = vendor == HW_VENDOR_AMD ? A : BIT(8), d = vendor == HW_VENDOR_AMD ? D : BIT(9);
	struct guest g;

	begin(&g, vendor);
	assert_int_equal(nested_get(&g, TARGET, 1) & (a | d), a);
	assert_int_equal(nested_get(&g, TARGET, 3) & (a | d), a);
	assert_int_equal(nested_get(&g, GUEST_PML4, 1) & (a | d), a | d);
	assert_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_WRITE));
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	assert_int_equal(nested_get(&g, TARGET, 1) & (a | d), a | d);
	guest_fini(&g);
}

static void nested_large_pages_and_levels(void **state)
{
	struct guest g;

	begin(&g, *(enum hw_vendor *)*state);
	nested_set(&g, 0x80000000, 2, guest_hpa(&g, 0x200000) | nested_all(&g) | PS);
	map(&g, LINEAR, 0x80042000 | P | W, 1);
	mmu_flush_asid(g.m, 1);
	assert_int_equal(reach(&g, LINEAR + 7, MMU_WRITE), 0x242007);
	/* beyond what four levels translate */
	map(&g, LINEAR, 1ull << 45 | P | W, 1);
	assert_int_equal(again(&g, MMU_READ), MMU_NESTED_FAULT);

	phys_store64(g.hw, phys_page_alloc(g.hw), 0);
	hpa_t root5 = phys_page_alloc(g.hw);

	phys_store64(g.hw, root5, g.nested.root.v | 7);
	g.nested.root = root5;
	g.nested.levels = 5;
	g.nested.asid = 9;
	map(&g, LINEAR, 0x80042000 | P | W, 1);
	guest_enter(&g);
	assert_int_equal(reach(&g, LINEAR + 7, MMU_WRITE), 0x242007);
	guest_fini(&g);
}

/* A frame whose host mapping went away, as data and as a guest table. */
static void host_faults(void **state)
{
	struct guest g;
	uint64_t info;
	void *hole;

	begin(&g, *(enum hw_vendor *)*state);
	mmu_host_fault(g.m, LINEAR + 8, MMU_WRITE, &g.fault);
	info = g.m->amd ? SVM_NPF_USER | SVM_NPF_WRITE | SVM_NPF_FINAL
			: VMX_EPT_WRITE | VMX_EPT_GLA_VALID | VMX_EPT_FINAL;
	assert_int_equal(g.fault.result, MMU_HOST_FAULT);
	assert_int_equal(g.fault.info, info);
	assert_int_equal(g.fault.gpa.v, TARGET + 8);
	assert_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_READ));

	hole = os_map_private(PAGE_SIZE, PAGE_SIZE);
	nested_set(&g, 0x40000000, 1, phys_publish(g.hw, hole).v | nested_all(&g));
	os_unmap(hole, PAGE_SIZE);
	*guest_entry(&g, LINEAR, 2) = 0x40000000 | P | W | U;
	assert_int_equal(again(&g, MMU_READ), MMU_HOST_FAULT);
	assert_int_equal(g.fault.gpa.v, 0x40000000);
	guest_fini(&g);
}

/* Nested tables that lead to no frame: ones, and a finding each time. */
static void absent_frames(void **state)
{
	struct guest g;

	begin(&g, *(enum hw_vendor *)*state);
	nested_set(&g, TARGET, 1, 0x3f00000000 | nested_all(&g));
	assert_int_equal(again(&g, MMU_WRITE), MMU_OK);
	assert_int_equal(*(uint8_t *)g.page.host, 0xff);
	assert_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_READ));
	assert_int_equal(hw_nr_findings(g.hw), 1);
	os_unmap(g.bytes, GUEST_SIZE);
	no_machine(g.hw);
}

#define SHARED_BIT	BIT(45)
#define SHARED_TARGET	0x310000ull

/* The shared-EPT pointer: who has the bit is walked from there, with the whole address. */
static void shared_addresses_have_a_root_of_their_own(void **unused)
{
	struct guest g;
	hpa_t private_root, shared_root;

	(void)unused;
	guest_init(&g, HW_VENDOR_INTEL);
	private_root = g.nested.root;
	shared_root = phys_page_alloc(g.hw);
	g.nested.shared_root = shared_root;
	g.nested.shared_bit = SHARED_BIT;
	map(&g, LINEAR, TARGET | P | W | U, 1);
	map(&g, LINEAR + PAGE_SIZE, TARGET | SHARED_BIT | P | W | U, 1);
	guest_enter(&g);
	assert_int_equal(reach(&g, LINEAR, MMU_READ), TARGET);
	/* Nothing there yet: all bits of the address are told. */
	assert_int_equal(touch(&g, LINEAR + PAGE_SIZE + 8, MMU_WRITE), MMU_NESTED_FAULT);
	assert_int_equal(g.fault.gpa.v, TARGET | SHARED_BIT | 8);

	g.nested.root = shared_root;
	nested_set(&g, TARGET | SHARED_BIT, 1, guest_hpa(&g, SHARED_TARGET) | EPT_ALL);
	/* One without the bit is not found there. */
	nested_set(&g, TARGET, 1, guest_hpa(&g, SHARED_TARGET) | EPT_ALL);
	g.nested.root = private_root;
	nested_set(&g, TARGET | SHARED_BIT, 1, guest_hpa(&g, TARGET + PAGE_SIZE) | EPT_ALL);
	assert_int_equal(reach(&g, LINEAR + PAGE_SIZE, MMU_READ), SHARED_TARGET);
	assert_int_equal(reach(&g, LINEAR, MMU_READ), TARGET);
	guest_fini(&g);
}

/* INVEPT of either pointer forgets what came through them; another shared root is another context. */
static void translations_are_tagged_with_both_roots(void **unused)
{
	for (unsigned act = 0; act < 4; act++) {
		struct guest g;
		hpa_t private_root, shared_root;
		bool forgotten = act < 3;

		guest_init(&g, HW_VENDOR_INTEL);
		private_root = g.nested.root;
		shared_root = phys_page_alloc(g.hw);
		g.nested.root = shared_root;
		nested_set(&g, TARGET | SHARED_BIT, 1, guest_hpa(&g, SHARED_TARGET) | EPT_ALL);
		g.nested = (struct mmu_nested){ .asid = 1, .levels = 4, .ad = true,
						.root = private_root, .shared_root = shared_root,
						.shared_bit = SHARED_BIT };
		map(&g, LINEAR, TARGET | SHARED_BIT | P | W | U, 1);
		guest_enter(&g);
		assert_int_equal(reach(&g, LINEAR, MMU_READ), SHARED_TARGET);
		g.nested.root = shared_root;
		nested_set(&g, TARGET | SHARED_BIT, 1, 0);
		g.nested.root = private_root;
		if (act == 0)
			mmu_invept_single(g.m, private_root.v);
		else if (act == 1)
			mmu_invept_single(g.m, shared_root.v);
		else if (act == 2)
			g.nested.shared_root = phys_page_alloc(g.hw);
		else
			mmu_invept_single(g.m, phys_page_alloc(g.hw).v);
		guest_enter(&g);
		assert_int_equal(touch(&g, LINEAR, MMU_READ), forgotten ? MMU_NESTED_FAULT : MMU_OK);
		guest_fini(&g);
	}
	(void)unused;
}

int main(void)
{
	static enum hw_vendor intel = HW_VENDOR_INTEL, amd = HW_VENDOR_AMD;
#define BOTH(t) cmocka_unit_test_prestate(t, &intel), cmocka_unit_test_prestate(t, &amd)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_addresses_have_a_root_of_their_own),
		cmocka_unit_test(translations_are_tagged_with_both_roots),
		cmocka_unit_test(ept_violations),
		cmocka_unit_test(faults_on_guest_tables),
		BOTH(nested_flags_are_set),
		BOTH(nested_large_pages_and_levels),
		BOTH(host_faults),
		BOTH(absent_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
