/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mmu/a_guest.h"

#include <string.h>

#define LINEAR	0x7f1234567000ull
#define TARGET	0x200000ull

/* The manual's rules (SDM vol. 3A 4.6.1 and 4.7), written once more. */
struct rule_input {
	bool present, reserved, write, user, nx;	/* of all levels together */
};

static int64_t expected_error(const struct guest *g, enum mmu_access access, struct rule_input in)
{
	const struct x86_state *s = &g->state;
	bool sys = access == MMU_SYS_READ || access == MMU_SYS_WRITE;
	bool store = access == MMU_WRITE || access == MMU_SYS_WRITE, fetch = access == MMU_EXEC;
	bool user_mode = s->cpl == 3 && !sys, nxe = s->efer & X86_EFER_NX;
	uint32_t code = (store ? 2 : 0) | (user_mode ? 4 : 0);
	bool bad = false;

	if (fetch && (nxe || (s->cr4 & X86_CR4_SMEP)))
		code |= 16;
	if (!in.present)
		return code;
	if (in.reserved || (in.nx && !nxe))
		return code | 1 | 8;
	if (user_mode) {
		bad = !in.user || (store && !in.write) || (fetch && in.nx);
	} else if (fetch) {
		bad = in.nx || (in.user && (s->cr4 & X86_CR4_SMEP));
	} else {
		if (in.user && (s->cr4 & X86_CR4_SMAP))
			bad = sys || !(s->rflags & X86_FLAGS_AC);
		if (store && !in.write && (s->cr0 & X86_CR0_WP))
			bad = true;
	}
	return bad ? (int64_t)(code | 1) : -1;
}

/* Bits 0 to 6 of @mode: CPL 3, WP, SMEP, SMAP, AC, NXE, and Intel or AMD. */
static void set_mode(struct guest *g, unsigned mode)
{
	g->state.cpl = mode & 1 ? 3 : 0;
	g->state.cr0 = X86_CR0_PE | X86_CR0_PG | (mode & 2 ? X86_CR0_WP : 0);
	g->state.cr4 = X86_CR4_PAE | (mode & 4 ? X86_CR4_SMEP : 0) | (mode & 8 ? X86_CR4_SMAP : 0);
	g->state.rflags = mode & 16 ? X86_FLAGS_AC : 0;
	g->state.efer = X86_EFER_LMA | X86_EFER_LME | (mode & 32 ? X86_EFER_NX : 0);
}

static void one_access(struct guest *g, enum mmu_access access, struct rule_input in)
{
	int64_t want = expected_error(g, access, in);
	enum mmu_result r = touch(g, LINEAR + 5, access);

	if (want < 0) {
		assert_int_equal(r, MMU_OK);
		assert_ptr_equal(g->page.host, g->bytes + TARGET + 5);
		return;
	}
	assert_int_equal(r, MMU_GUEST_FAULT);
	assert_int_equal(g->fault.pf_error, want);
}

/*
 * One bit changed at each level, every access in every mode, twice in a row
 * and never flushed between modes, so that half of them are TLB hits.
 */
static void rights_are_the_manuals(void **state)
{
	static const struct { uint64_t clear, set; } changes[] = {
		{ 0, 0 }, { P, 0 }, { W, 0 }, { U, 0 }, { 0, NX }, { 0, BIT(50) }, { U | W, 0 },
	};
	struct guest g;

	guest_init(&g, *(enum hw_vendor *)*state);
	map(&g, LINEAR, TARGET | P | W | U, 1);
	for (unsigned level = 1; level <= 4; level++) {
		for (size_t c = 0; c < ARRAY_SIZE(changes); c++) {
			uint64_t *e = guest_entry(&g, LINEAR, level), was = *e;
			uint64_t now = (was & ~changes[c].clear) | changes[c].set;
			struct rule_input in = { now & P, now & BIT(50), now & W, now & U, now & NX };

			*e = now;
			mmu_flush_asid(g.m, 1);
			for (unsigned mode = 0; mode < 64; mode++) {
				uint64_t efer = g.state.efer;

				set_mode(&g, mode);
				mmu_efer_written(g.m, efer);
				mmu_mode_changed(g.m);
				for (unsigned a = 0; a < 2 * NR_MMU_ACCESS; a++)
					one_access(&g, a / 2, in);
			}
			*e = was;
		}
	}
	guest_fini(&g);
}

/* PS where it may not be, and addresses that a large page may not have. */
static void reserved_bits_by_level(void **state)
{
	static const struct { unsigned level; uint64_t entry; bool amd, intel; } rows[] = {
		{ 4, PS, true, true },
		{ 4, G, true, false },
		{ 3, G, true, false },
		{ 2, G, false, false },
		{ 3, PS | BIT(13), true, true },
		{ 3, PS | BIT(29), true, true },
		{ 2, PS | BIT(13), true, true },
		{ 2, PS | BIT(20), true, true },
		{ 2, PS | BIT(12), false, false },
		{ 1, BIT(46), true, true },
		{ 1, BIT(51), true, true },
		{ 1, BIT(52), false, false },
		{ 1, BIT(62), false, false },
	};
	enum hw_vendor vendor = *(enum hw_vendor *)*state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct guest g;
		bool bad = vendor == HW_VENDOR_AMD ? rows[i].amd : rows[i].intel;

		guest_init(&g, vendor);
		map(&g, 0, TARGET | P | W | U, 1);
		*guest_entry(&g, 0, rows[i].level) |= rows[i].entry;
		if (rows[i].entry & PS)
			*guest_entry(&g, 0, rows[i].level) = rows[i].entry | P | W | U;
		assert_int_equal(touch(&g, 0, MMU_READ), bad ? MMU_GUEST_FAULT : MMU_OK);
		if (bad)
			assert_int_equal(g.fault.pf_error, 9);
		guest_fini(&g);
	}
}

static void accessed_and_dirty(void **state)
{
	struct guest g;

	guest_init(&g, *(enum hw_vendor *)*state);
	map(&g, LINEAR, TARGET | P | W | U, 1);
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	for (unsigned level = 1; level <= 4; level++)
		assert_int_equal(*guest_entry(&g, LINEAR, level) & (A | D), A);
	/* remembered as clean: the first write walks again */
	assert_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_WRITE));
	assert_non_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_READ));
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	assert_int_equal(*guest_entry(&g, LINEAR, 1) & (A | D), A | D);
	assert_int_equal(*guest_entry(&g, LINEAR, 2) & (A | D), A);
	assert_non_null(tlb_data(&g.m->tlb, LINEAR, 1, MMU_WRITE));
	/* a refused access leaves no mark */
	map(&g, LINEAR + PAGE_SIZE, TARGET | P, 1);
	assert_int_equal(touch(&g, LINEAR + PAGE_SIZE, MMU_WRITE), MMU_GUEST_FAULT);
	assert_int_equal(*guest_entry(&g, LINEAR + PAGE_SIZE, 1) & (A | D), 0);
	guest_fini(&g);
}

static void large_pages_and_five_levels(void **state)
{
	struct guest g;

	guest_init(&g, *(enum hw_vendor *)*state);
	map(&g, 0x40000000, TARGET | PS | P | W, 2);
	map(&g, 0x80000000, 0 | PS | P | W, 3);
	assert_int_equal(reach(&g, 0x40012345, MMU_WRITE), 0x212345);
	assert_int_equal(reach(&g, 0x80312345, MMU_READ), 0x312345);
	assert_int_equal(*guest_entry(&g, 0x40000000, 2) & (A | D), A | D);

	g.state.cr3 = g.next_table;
	g.next_table += PAGE_SIZE;
	g.state.cr4 |= X86_CR4_LA57;
	mmu_cr4_written(g.m, X86_CR4_PAE | X86_CR4_PGE);
	map(&g, 0xff000000001000ull, 0x5000 | P, 1);
	assert_int_equal(reach(&g, 0xff000000001008ull, MMU_READ), 0x5008);
	assert_true(mmu_is_canonical(g.m, 0xff000000001008ull));
	g.state.cr4 &= ~X86_CR4_LA57;
	assert_false(mmu_is_canonical(g.m, 0xff000000001008ull));
	assert_true(mmu_is_canonical(g.m, 0xffff800000000000ull));
	guest_fini(&g);
}

static void legacy_paging(void **state)
{
	struct guest g;
	uint32_t *pd, *pt;
	uint64_t *pdpt;

	guest_init(&g, *(enum hw_vendor *)*state);
	/* paging off: linear is physical, nothing is forbidden but by the host */
	g.state.efer = 0;
	g.state.cr4 = 0;
	g.state.cr0 = X86_CR0_PE;
	g.state.cpl = 3;
	guest_enter(&g);
	mmu_flush_asid(g.m, 1);
	assert_int_equal(reach(&g, 0x3456, MMU_WRITE), 0x3456);

	/* 32-bit: two levels of 1,024 entries, 4 MiB pages with PSE */
	pd = (uint32_t *)(void *)(g.bytes + 0x2000);
	pt = (uint32_t *)(void *)(g.bytes + 0x3000);
	pd[1] = 0x3000 | 7;
	pt[0x2a5] = 0x5000 | 7;
	pd[2] = 0x400000 | PS | 7;
	pd[3] = (uint32_t)(0x400000 | PS | 7 | BIT(21));
	g.state.cr0 |= X86_CR0_PG;
	g.state.cr3 = 0x2000;
	mmu_cr0_written(g.m, X86_CR0_PE);
	assert_int_equal(reach(&g, 0x6a5123, MMU_WRITE), 0x5123);
	assert_int_equal(pt[0x2a5] & (A | D), A | D);
	assert_int_equal(touch(&g, 0x800000, MMU_READ), MMU_GUEST_FAULT);
	g.state.cr4 = X86_CR4_PSE;
	mmu_cr4_written(g.m, 0);
	assert_int_equal(reach(&g, 0x9abcde, MMU_READ), 0x5abcde);
	assert_int_equal(touch(&g, 0xc00000, MMU_READ), MMU_GUEST_FAULT);
	assert_int_equal(g.fault.pf_error, 1 | 4 | 8);

	/* PAE: 8-byte entries, directory pointers without rights */
	g.state.cr3 = 0x6020;
	g.state.cr4 = X86_CR4_PAE;
	mmu_cr4_written(g.m, X86_CR4_PSE);
	pdpt = (uint64_t *)(void *)(g.bytes + 0x6020);
	pdpt[3] = 0x7000 | P;
	((uint64_t *)(void *)(g.bytes + 0x7000))[0] = 0x200000 | PS | 7;
	assert_int_equal(reach(&g, 0xc0012345, MMU_WRITE), 0x212345);
	assert_int_equal(pdpt[3], 0x7000 | P);
	pdpt[2] = 0x7000 | P | W;
	assert_int_equal(touch(&g, 0x80000000, MMU_READ), MMU_GUEST_FAULT);
	assert_int_equal(g.fault.pf_error, 1 | 4 | 8);
	guest_fini(&g);
}

int main(void)
{
	static enum hw_vendor intel = HW_VENDOR_INTEL, amd = HW_VENDOR_AMD;
#define BOTH(t) cmocka_unit_test_prestate(t, &intel), cmocka_unit_test_prestate(t, &amd)
	static const struct CMUnitTest tests[] = {
		BOTH(rights_are_the_manuals),
		BOTH(reserved_bits_by_level),
		BOTH(accessed_and_dirty),
		BOTH(large_pages_and_five_levels),
		BOTH(legacy_paging),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
