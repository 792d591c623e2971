/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_tlb.c - what is remembered too long, and what makes it go: a table is
 * changed, the old page is still reached, then somebody flushes (or not).
 */
#include "hw/mmu/a_guest.h"

#include <string.h>

#define LINEAR	0x400000ull
#define OLD	0x300000ull
#define NEW	0x301000ull

static void cr3_again(struct guest *g)		{ mmu_cr3_written(g->m, false); }
static void cr3_keep(struct guest *g)		{ mmu_cr3_written(g->m, true); }
static void invlpg(struct guest *g)		{ mmu_invlpg(g->m, LINEAR + 0x800); }
static void invlpg_other(struct guest *g)	{ mmu_invlpg(g->m, LINEAR + PAGE_SIZE); }
static void invlpga(struct guest *g)		{ mmu_flush_address(g->m, 1, LINEAR); }
static void invlpga_other(struct guest *g)	{ mmu_flush_address(g->m, 2, LINEAR); }
static void flush_asid(struct guest *g)		{ mmu_flush_asid(g->m, 1); }
static void flush_asid_2(struct guest *g)	{ mmu_flush_asid(g->m, 2); }
static void flush_nonglobal(struct guest *g)	{ mmu_flush_asid_nonglobal(g->m, 1); }
static void flush_all(struct guest *g)		{ mmu_flush_all(g->m); }
static void invept(struct guest *g)		{ mmu_invept_single(g->m, g->nested.root.v | 0x5e); }
static void invept_other(struct guest *g)	{ mmu_invept_single(g->m, 0x5e); }
static void invvpid(struct guest *g)		{ mmu_invvpid_single(g->m, 1); }
static void invvpid_all(struct guest *g)	{ mmu_invvpid_all(g->m); }
static void nothing(struct guest *g)		{ (void)g; }
static void mode(struct guest *g)		{ mmu_mode_changed(g->m); }

static void exit_and_enter(struct guest *g)
{
	mmu_leave(g->m);
	guest_enter(g);
}

static void toggle_wp(struct guest *g)
{
	g->state.cr0 ^= X86_CR0_WP;
	mmu_cr0_written(g->m, g->state.cr0 ^ X86_CR0_WP);
}

static void toggle_pge(struct guest *g)
{
	g->state.cr4 ^= X86_CR4_PGE;
	mmu_cr4_written(g->m, g->state.cr4 ^ X86_CR4_PGE);
}

static void toggle_nx(struct guest *g)
{
	g->state.efer ^= X86_EFER_NX;
	mmu_efer_written(g->m, g->state.efer ^ X86_EFER_NX);
}

static void invpcid_page(struct guest *g)
{
	mmu_invpcid(g->m, MMU_INVPCID_ADDRESS, 0, LINEAR);
}

static void invpcid_global(struct guest *g)
{
	mmu_invpcid(g->m, MMU_INVPCID_ALL_GLOBAL, 0, 0);
}

static void invpcid_all(struct guest *g)
{
	mmu_invpcid(g->m, MMU_INVPCID_ALL, 0, 0);
}

/* Does the new page show: after a guest change, of a global page, after a nested change? */
static const struct row {
	const char	*why;
	void		(*act)(struct guest *g);
	bool		 guest, global, nested;
} rows[] = {
	{ "nothing forgets by itself",		nothing,		0, 0, 0 },
	{ "a new mode flushes nothing",		mode,			0, 0, 0 },
	{ "CR0.WP flushes nothing",		toggle_wp,		0, 0, 0 },
	{ "an exit flushes nothing",		exit_and_enter,		0, 0, 0 },
	{ "MOV CR3",				cr3_again,		1, 0, 0 },
	{ "MOV CR3, bit 63",			cr3_keep,		0, 0, 0 },
	{ "INVLPG",				invlpg,			1, 1, 0 },
	{ "INVLPG of the next page",		invlpg_other,		0, 0, 0 },
	{ "INVPCID address spares global",	invpcid_page,		1, 0, 0 },
	{ "INVPCID all with global",		invpcid_global,		1, 1, 0 },
	{ "INVPCID all",			invpcid_all,		1, 0, 0 },
	{ "CR4.PGE",				toggle_pge,		1, 1, 0 },
	{ "EFER.NX",				toggle_nx,		1, 1, 0 },
	{ "INVLPGA, INVVPID address",		invlpga,		1, 1, 0 },
	{ "the same of another ASID",		invlpga_other,		0, 0, 0 },
	{ "TLB_CONTROL 3",			flush_asid,		1, 1, 1 },
	{ "TLB_CONTROL 3 of another ASID",	flush_asid_2,		0, 0, 0 },
	{ "TLB_CONTROL 7",			flush_nonglobal,	1, 0, 0 },
	{ "TLB_CONTROL 1",			flush_all,		1, 1, 1 },
	{ "INVEPT single",			invept,			1, 1, 1 },
	{ "INVVPID single",			invvpid,		1, 1, 0 },
	{ "INVVPID all",			invvpid_all,		1, 1, 0 },
};

static bool shows_new(const struct row *r, enum hw_vendor vendor, bool global, bool nested,
		      enum mmu_access access)
{
	struct guest g;
	int64_t at;

	guest_init(&g, vendor);
	map(&g, LINEAR, OLD | P | W | (global ? G : 0), 1);
	assert_int_equal(reach(&g, LINEAR, access), OLD);
	if (nested)
		nested_set(&g, OLD, 1, guest_hpa(&g, NEW) | nested_all(&g));
	else
		map(&g, LINEAR, NEW | P | W | (global ? G : 0), 1);
	r->act(&g);
	at = reach(&g, LINEAR, access);
	assert_true(at == OLD || at == NEW);
	guest_fini(&g);
	return at == NEW;
}

static void tables_change_and_nobody_sees(void **state)
{
	enum hw_vendor vendor = *(enum hw_vendor *)*state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if (vendor == HW_VENDOR_AMD && r->act == invept)
			continue;	/* no such instruction */
		for (unsigned a = MMU_READ; a <= MMU_EXEC; a++) {
			bool guest = shows_new(r, vendor, false, false, a);
			bool global = shows_new(r, vendor, true, false, a);
			bool nested = shows_new(r, vendor, false, true, a);

			if (guest != r->guest || global != r->global || nested != r->nested)
				print_error("%s: %d %d %d\n", r->why, guest, global, nested);
			assert_int_equal(guest, r->guest);
			assert_int_equal(global, r->global);
			assert_int_equal(nested, r->nested);
		}
	}
}

static void other_ept_roots_are_spared(void **unused)
{
	const struct row r = { "INVEPT of another root", invept_other, 0, 0, 0 };

	(void)unused;
	assert_false(shows_new(&r, HW_VENDOR_INTEL, false, false, MMU_READ));
	assert_false(shows_new(&r, HW_VENDOR_INTEL, false, true, MMU_READ));
}

/* Intel: another root is another context.  AMD: the ASID alone names it. */
static void a_new_root_without_flush(void **state)
{
	struct guest g;
	hpa_t old_root;

	guest_init(&g, *(enum hw_vendor *)*state);
	map(&g, LINEAR, OLD | P | W, 1);
	assert_int_equal(reach(&g, LINEAR, MMU_READ), OLD);
	old_root = g.nested.root;
	g.nested.root = phys_page_alloc(g.hw);
	for (uint64_t gpa = 0; gpa < GUEST_SIZE; gpa += PAGE_SIZE)
		nested_set(&g, gpa, 1, guest_hpa(&g, gpa ^ (gpa == OLD || gpa == NEW ? OLD ^ NEW : 0)) |
				       nested_all(&g));
	mmu_leave(g.m);
	guest_enter(&g);
	assert_int_equal(reach(&g, LINEAR, MMU_READ), g.m->amd ? OLD : NEW);
	mmu_flush_asid(g.m, 1);
	assert_int_equal(reach(&g, LINEAR, MMU_READ), NEW);
	g.nested.root = old_root;
	guest_fini(&g);
}

/* Rights: more are noticed without a flush, fewer are not. */
static void rights_grow_but_do_not_shrink_unseen(void **state)
{
	struct guest g;
	uint64_t ro;

	guest_init(&g, *(enum hw_vendor *)*state);
	ro = g.m->amd ? P | U : 5 | 6 << 3;
	map(&g, LINEAR, OLD | P, 1);
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	map(&g, LINEAR, OLD | P | W, 1);
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	map(&g, LINEAR, OLD | P, 1);
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	mmu_invlpg(g.m, LINEAR);
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_GUEST_FAULT);

	map(&g, LINEAR, OLD | P | W, 1);
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	nested_set(&g, OLD, 1, guest_hpa(&g, OLD) | ro);
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	mmu_flush_asid(g.m, 1);
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_NESTED_FAULT);
	nested_set(&g, OLD, 1, guest_hpa(&g, OLD) | nested_all(&g));
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	guest_fini(&g);
}

static void invlpg_takes_the_whole_large_page(void **state)
{
	static const struct { uint64_t flush; bool gone; } cases[] = {
		{ 0x40000000, true }, { 0x401ff000, true }, { 0x40200000, false },
		{ 0x3ffff000, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct guest g;

		guest_init(&g, *(enum hw_vendor *)*state);
		map(&g, 0x40000000, 0x200000 | PS | P | W, 2);
		map(&g, 0x80000000, PS | P | W, 3);
		assert_int_equal(reach(&g, 0x40012000, MMU_READ), 0x212000);
		assert_int_equal(reach(&g, 0x80013000, MMU_EXEC), 0x13000);
		map(&g, 0x40000000, 0x400000 | PS | P | W, 2);
		map(&g, 0x80000000, PS | P | W | NX, 3);
		mmu_invlpg(g.m, cases[i].flush);
		assert_int_equal(reach(&g, 0x40012000, MMU_READ), cases[i].gone ? 0x412000 : 0x212000);
		assert_int_equal(reach(&g, 0x80013000, MMU_EXEC), 0x13000);
		mmu_invlpg(g.m, 0xbffff000);
		assert_int_equal(touch(&g, 0x80013000, MMU_EXEC), MMU_GUEST_FAULT);
		guest_fini(&g);
	}
}

static void pcids_are_apart(void **state)
{
	struct guest g;

	guest_init(&g, *(enum hw_vendor *)*state);
	g.state.cr4 |= X86_CR4_PCIDE;
	mmu_cr4_written(g.m, g.state.cr4 & ~X86_CR4_PCIDE);
	for (unsigned pcid = 1; pcid <= 3; pcid++) {
		map(&g, LINEAR, (OLD + pcid * PAGE_SIZE) | P | W, 1);
		g.state.cr3 = GUEST_PML4 | pcid;
		mmu_cr3_written(g.m, true);
		assert_int_equal(reach(&g, LINEAR, MMU_READ), OLD + pcid * PAGE_SIZE);
		/* from another slot of the array: the neighbours stay */
		map(&g, LINEAR + pcid * PAGE_SIZE, (OLD + pcid * PAGE_SIZE) | P | W, 1);
		assert_int_equal(reach(&g, LINEAR + pcid * PAGE_SIZE, MMU_READ), OLD + pcid * PAGE_SIZE);
	}
	for (unsigned pcid = 1; pcid <= 3; pcid++)
		map(&g, LINEAR + pcid * PAGE_SIZE, NEW | P | W, 1);
	mmu_invpcid(g.m, MMU_INVPCID_SINGLE, 2, 0);
	for (unsigned pcid = 1; pcid <= 3; pcid++) {
		g.state.cr3 = GUEST_PML4 | pcid;
		mmu_cr3_written(g.m, true);
		assert_int_equal(reach(&g, LINEAR + pcid * PAGE_SIZE, MMU_READ),
				 pcid == 2 ? NEW : OLD + pcid * PAGE_SIZE);
	}
	guest_fini(&g);
}

/* More contexts than there are tags: correct, if forgetful. */
static void tags_are_used_again(void **state)
{
	struct guest g;

	guest_init(&g, *(enum hw_vendor *)*state);
	map(&g, LINEAR, OLD | P | W, 1);
	for (unsigned i = 0; i < 3 * TLB_NR_TAGS; i++) {
		map(&g, LINEAR, (i & 1 ? OLD : NEW) | P | W, 1);
		mmu_cr3_written(g.m, false);
		assert_int_equal(reach(&g, LINEAR, MMU_READ), i & 1 ? OLD : NEW);
	}
	for (unsigned asid = 2; asid < 2 * TLB_NR_TAGS; asid++) {
		map(&g, LINEAR, (asid & 1 ? OLD : NEW) | P | W, 1);
		g.nested.asid = asid;
		guest_enter(&g);
		assert_int_equal(reach(&g, LINEAR, MMU_READ), asid & 1 ? OLD : NEW);
	}
	guest_fini(&g);
}

static void one_look_is_one_page(void **state)
{
	struct guest g;

	guest_init(&g, *(enum hw_vendor *)*state);
	map(&g, LINEAR, OLD | P | W, 1);
	map(&g, LINEAR + PAGE_SIZE, OLD | P | W, 1);
	assert_int_equal(touch(&g, LINEAR, MMU_WRITE), MMU_OK);
	assert_int_equal(touch(&g, LINEAR + PAGE_SIZE, MMU_WRITE), MMU_OK);
	assert_non_null(tlb_data(&g.m->tlb, LINEAR + 0xff8, 8, MMU_READ));
	assert_null(tlb_data(&g.m->tlb, LINEAR + 0xff9, 8, MMU_READ));
	assert_non_null(tlb_data(&g.m->tlb, LINEAR, PAGE_SIZE, MMU_READ));
	mmu_leave(g.m);
	assert_null(tlb_data(&g.m->tlb, LINEAR, 8, MMU_READ));
	assert_null(tlb_data(&g.m->tlb, 0, 8, MMU_READ));
	guest_fini(&g);
}

static void retiring_what_is_still_mapped_is_a_finding(void **state)
{
	struct guest g;

	guest_init(&g, *(enum hw_vendor *)*state);
	map(&g, LINEAR, OLD | P | W, 1);
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	phys_retire(g.hw, g.bytes + NEW, PAGE_SIZE);
	assert_int_equal(hw_nr_findings(g.hw), 0);
	phys_retire(g.hw, g.bytes + OLD, PAGE_SIZE);
	assert_int_equal(hw_nr_findings(g.hw), 1);
	assert_true(hpa_is_valid(phys_publish(g.hw, g.bytes + OLD)));
	mmu_flush_asid(g.m, 1);
	phys_retire(g.hw, g.bytes + OLD, PAGE_SIZE);
	assert_int_equal(hw_nr_findings(g.hw), 1);
	os_unmap(g.bytes, GUEST_SIZE);
	no_machine(g.hw);
}

static void count_old(const struct peek_tlb_entry *e, void *arg)
{
	if (e->linear.v == LINEAR && e->guest.v == OLD && e->tag == 1 && e->cr3 == GUEST_PML4 &&
	    !e->write && !e->user && e->execute && !e->global && !e->dirty)
		++*(unsigned *)arg;
}

static void peeking_sees_the_entry(void **state)
{
	struct guest g;
	unsigned n = 0;

	guest_init(&g, *(enum hw_vendor *)*state);
	map(&g, LINEAR, OLD | P, 1);
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	mmu_peek_tlb(g.m, count_old, &n);
	assert_int_equal(n, 1);
	mmu_invlpg(g.m, LINEAR);
	mmu_peek_tlb(g.m, count_old, &n);
	assert_int_equal(n, 1);
	guest_fini(&g);
}

int main(void)
{
	static enum hw_vendor intel = HW_VENDOR_INTEL, amd = HW_VENDOR_AMD;
#define BOTH(t) cmocka_unit_test_prestate(t, &intel), cmocka_unit_test_prestate(t, &amd)
	static const struct CMUnitTest tests[] = {
		BOTH(tables_change_and_nobody_sees),
		cmocka_unit_test(other_ept_roots_are_spared),
		BOTH(a_new_root_without_flush),
		BOTH(rights_grow_but_do_not_shrink_unseen),
		BOTH(invlpg_takes_the_whole_large_page),
		BOTH(pcids_are_apart),
		BOTH(tags_are_used_again),
		BOTH(one_look_is_one_page),
		BOTH(retiring_what_is_still_mapped_is_a_finding),
		BOTH(peeking_sees_the_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
