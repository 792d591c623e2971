/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_walk.c - the same accesses by a processor that walks: the page under test is
 * mapped by 4K, 2M and 1G nested leaves, and holds data, a page table of the guest's
 * or nested tables.  What a TLB has kept of one access must fit the next, too.
 */
#include "model/rmp/a_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hw/insn/view.h"
#include "hw/mmu/a_guest.h"

#define C		BIT(47)
#define SLOT		ASID
#define VMPL		1u
#define ROOT		0x1000ull
#define TABLE(n)	(0x10000ull + (n) * PAGE_SIZE)	/* of the guest's linear addresses */
#define OWN_DATA	0x30000ull		/* what tables under test lead to, by c */
#define HOST_DATA	0x31000ull
#define UNDER_TEST	M2			/* the guest's memory that the cases are about */
#define GPA_4K		(4ull << 30)		/* where nested leaves map it, lower bits as its HPA */
#define GPA_2M		(5ull << 30)
#define GPA_1G		(6ull << 30)
#define GPA_NESTED	(7ull << 30)		/* a nested table under test maps this */
#define NR_MAPS		3u
#define NESTED_SLOT	500u			/* of the last table: GPA_NESTED */
/* Entries of a guest's table under test. */
enum { HAS_A = 1, NO_A = 3 };			/* + c */

static const uint8_t a_key[MEM_KEY_BYTES] = "a key of 32 bytes for two halves";
static const char *const maps[NR_MAPS] = { "4k", "2m", "1g" };
static const uint64_t gpas[NR_MAPS] = { GPA_4K, GPA_2M, GPA_1G };
static const unsigned pages[] = { 0, 5 };	/* of the 2 MiB: as a_page_make() has it */

struct walker {
	struct guest	 g;
	struct facts	*f;
	const char	*mode;
	uint64_t	 low;		/* lower 30 bits of the page's HPA */
};

static void put(struct guest *g, uint64_t hpa, uint64_t v)
{
	assert_true(view_write(g->hw, HPA(hpa), g->nested.key, &v, 8));
}

static void put_entry(struct guest *g, uint64_t table, unsigned slot, uint64_t v)
{
	put(g, guest_hpa(g, table) + slot * 8, v);
}

/* Last-level slots: by map, page and C-bit. */
static unsigned data_slot(unsigned map, unsigned page, unsigned c)
{
	return 1 + (map * 2 + page) * 2 + c;
}

static uint64_t data_at(unsigned slot)
{
	return (uint64_t)slot << 12;
}

/* The page under test as a table maps 2 MiB of its own. */
static uint64_t table_at(unsigned map, unsigned page, unsigned entry)
{
	return (1ull + map * 2 + page) << 21 | entry << 12;
}

static void give_to_guest(struct guest *g, uint64_t gpa)
{
	uint64_t a = guest_hpa(g, gpa);
	struct rmp_target t = target(a, gpa, false);

	assert_int_equal(assign(g->hw, a, gpa, ASID, false), RMP_SUCCESS);
	assert_int_equal(pvalidate(g->hw, a, gpa, false, true).eax, RMP_SUCCESS);
	assert_int_equal(snp_rmpadjust(g->hw, &t, 0, (uint64_t)RMP_PERM_ALL << 8 | VMPL).eax,
			 RMP_SUCCESS);
}

static void build_tables(struct walker *w)
{
	const uint64_t flags = P | W | U, known = flags | A | D;
	struct guest *g = &w->g;

	put_entry(g, ROOT, 0, TABLE(0) | known);
	put_entry(g, TABLE(0), 0, TABLE(1) | known);
	put_entry(g, TABLE(1), 0, TABLE(2) | known);
	for (unsigned m = 0; m < NR_MAPS; m++)
		for (unsigned p = 0; p < ARRAY_SIZE(pages); p++) {
			uint64_t gpa = gpas[m] + w->low + pages[p] * PAGE_SIZE;

			for (unsigned c = 0; c < 2; c++)
				put_entry(g, TABLE(2), data_slot(m, p, c), gpa | known | (c ? C : 0));
			put_entry(g, TABLE(1), 1 + m * 2 + p, gpa | known);
		}
	put_entry(g, TABLE(2), NESTED_SLOT, GPA_NESTED | known);
}

/* What the page under test says as a guest's table. */
static void fill_table(struct walker *w, uint64_t hpa)
{
	for (unsigned c = 0; c < 2; c++) {
		uint64_t e = c ? OWN_DATA | C : HOST_DATA;

		e = w->g.nested.key ? e : HOST_DATA;
		put(&w->g, hpa + (HAS_A + c) * 8, e | P | W | U | A | D);
		put(&w->g, hpa + (NO_A + c) * 8, e | P | W | U);
	}
}

static void map_nested(struct walker *w, uint64_t hpa)
{
	struct guest *g = &w->g;

	for (unsigned p = 0; p < ARRAY_SIZE(pages); p++)
		nested_set(g, GPA_4K + w->low + pages[p] * PAGE_SIZE, 1,
			   (hpa + pages[p] * PAGE_SIZE) | NPT_ALL | A | D);
	nested_set(g, GPA_2M + w->low, 2, hpa | NPT_ALL | PS | A | D);
	nested_set(g, GPA_1G, 3, (hpa & ~((1ull << 30) - 1)) | NPT_ALL | PS | A | D);
}

static bool trap(void *hw, void *host, bool write)
{
	return view_trap(hw, host, write);
}

static void start(struct walker *w, const char *mode, struct facts *f)
{
	struct guest *g = &w->g;
	uint64_t hpa;

	*w = (struct walker){ .mode = mode, .f = f };
	guest_init_on(g, (struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48, .c_bit = 47,
					     .phys_reduction = 5, .snp = true, .rmp_end = 1ull << 42 });
	/* As a VMM's memory is: of another kind than the machine's own beside it. */
	assert_int_equal(madvise(g->bytes, GUEST_SIZE, MADV_DOFORK), 0);
	os_uaccess_ask_first(trap, g->hw);
	assert_true(view_key_install(g->hw, SLOT, a_key));
	g->nested.key = is(mode, "plain") ? 0 : SLOT;
	g->nested.snp = is(mode, "snp");
	g->nested.asid = ASID;
	g->nested.vmpl = VMPL;
	g->state.cr3 = ROOT;
	for (uint64_t i = UNDER_TEST; i < UNDER_TEST + M2; i += PAGE_SIZE)
		hpa = guest_hpa(g, i);
	hpa -= M2 - PAGE_SIZE;
	assert_int_equal(hpa % M2, 0);
	w->low = hpa % (1ull << 30);
	a_page_place = (struct a_page_place){ hpa, 0 };
	map_nested(w, hpa);
	build_tables(w);
	for (unsigned p = 0; p < ARRAY_SIZE(pages); p++)
		fill_table(w, hpa + pages[p] * PAGE_SIZE);
	if (g->nested.snp) {
		give_to_guest(g, ROOT);
		for (unsigned i = 0; i < 3; i++)
			give_to_guest(g, TABLE(i));
		give_to_guest(g, OWN_DATA);
	}
	guest_enter(g);
}

static void finish(struct walker *w)
{
	mmu_leave(w->g.m);
	view_key_remove(w->g.hw, SLOT);
	os_unmap(w->g.bytes, GUEST_SIZE);
	no_machine(w->g.hw);
	os_uaccess_ask_first(NULL, NULL);
	a_page_place = (struct a_page_place){ AT, GPA_AT };
}

struct walk_case {
	const char	*access, *c, *map, *state, *size, *asid, *gpa, *vmpl;
};

static char *const *row_of(struct walker *w, const struct walk_case *k, struct fact_case *c)
{
	bool owner = has_owner(k->state);

	*c = (struct fact_case){ 0 };
	fact_is(c, "mode", w->mode);
	fact_is(c, "access", k->access);
	fact_is(c, "c", k->c);
	fact_is(c, "map", k->map);
	fact_is(c, "state", k->state);
	fact_is(c, "size", owner ? k->size : "-");
	fact_is(c, "asid", owner ? k->asid : "-");
	fact_is(c, "gpa", owner ? k->gpa : "-");
	fact_is(c, "vmpl", owner ? k->vmpl : "-");
	return facts_find(w->f, c);
}

static bool result_fits(struct walker *w, char *const *row, enum mmu_result r)
{
	const char *want = fact_cell(w->f, row, "outcome");
	uint64_t code = strtoull(fact_cell(w->f, row, "code"), NULL, 0);
	uint64_t mask = strtoull(fact_cell(w->f, row, "mask"), NULL, 0);

	if (is(want, "ok"))
		return r == MMU_OK;
	if (is(want, "vc"))
		return r == MMU_GUEST_VC && w->g.fault.pf_error == code;
	return r == MMU_NESTED_FAULT && (w->g.fault.info & mask) == code;
}

static void try(struct walker *w, const struct walk_case *k, uint64_t linear)
{
	enum mmu_access a = is(k->access, "write") ? MMU_WRITE :
			    k->access[0] == 'f' ? MMU_EXEC : MMU_READ;
	char *const *row;
	struct fact_case c;
	enum mmu_result r;
	char got[80];

	w->g.state.cpl = is(k->access, "fetch-user") ? 3 : 0;
	mmu_mode_changed(w->g.m);
	row = row_of(w, k, &c);
	if (!row)
		return;
	r = touch(&w->g, linear, a);
	if (result_fits(w, row, r) &&
	    (r != MMU_OK || a != MMU_WRITE || tlb_data(&w->g.m->tlb, linear, 1, MMU_WRITE)))
		return;
	snprintf(got, sizeof(got), "by walk, or not kept: %d %#llx", r,
		 (unsigned long long)w->g.fault.info);
	facts_wrong(w->f, &c, row, got);
}

/* Each pair without a flush between: the second finds what the first one left in the TLB. */
static const char *const data_pairs[][2] = {
	{ "read", "write" }, { "write", "read" }, { "fetch-user", "fetch-super" },
	{ "fetch-super", "fetch-user" },
};

static uint8_t need_of_pair(const char *access)
{
	return is(access, "read") ? RMP_PERM_READ : is(access, "write") ? RMP_PERM_WRITE :
	       is(access, "fetch-user") ? RMP_PERM_XU : RMP_PERM_XS;
}

/* A mask that allows the one and denies the other, if there is one. */
static uint8_t mask_of(const char *const pair[2], bool first, bool second)
{
	uint8_t perm = RMP_PERM_ALL;

	if (!first)
		perm &= (uint8_t)~need_of_pair(pair[0]);
	if (!second)
		perm &= (uint8_t)~need_of_pair(pair[1]);
	return perm;
}

static void put_page(struct walker *w, const struct walk_case *k, uint64_t gpa_base, uint8_t perm)
{
	struct a_page p = { k->state, k->size, k->asid, k->gpa,
			    .perm = { (uint8_t)~perm, perm, (uint8_t)~perm, (uint8_t)~perm } };
	uint64_t at, gpa;

	a_page_place.gpa = gpa_base + w->low;
	a_page_make(w->g.hw, &p, &at, &gpa);
	mmu_flush_all(w->g.m);
}

static void check_pair(struct walker *w, struct walk_case *k, unsigned m, unsigned page, unsigned c,
		       const char *const pair[2])
{
	bool owner = has_owner(k->state), reads = *pair[0] != 'f';
	uint64_t at = data_at(data_slot(m, page, c));

	for (unsigned allow = 0; allow < 4; allow++) {
		bool first = allow & 1, second = allow & 2;

		/* Without an owner there is no mask; nobody may write and not read. */
		if (!owner && allow != 3)
			continue;
		if (reads && ((!first && is(pair[0], "read")) || (!second && is(pair[1], "read"))) &&
		    (first || second))
			continue;
		put_page(w, k, gpas[m], mask_of(pair, first, second));
		k->access = pair[0];
		k->vmpl = first ? "allow" : "deny";
		try(w, k, at);
		k->access = pair[1];
		k->vmpl = second ? "allow" : "deny";
		try(w, k, at);
		if (reads)
			continue;
		k->access = "write";
		k->vmpl = "allow";
		try(w, k, at);
	}
}

/* The page is a table: it leads to data that passes. */
static void check_table(struct walker *w, struct walk_case *k, unsigned m, unsigned page, unsigned c)
{
	for (unsigned ad = 0; ad < 2; ad++)
		for (unsigned allow = 0; allow < 2; allow++) {
			if (!has_owner(k->state) && !allow)
				continue;
			/* It is read before, as what its map says. */
			if (ad && m && is(k->state, "hypervisor-mixed"))
				continue;
			k->access = ad ? "pt-ad" : "pt-read";
			k->vmpl = allow ? "allow" : "deny";
			put_page(w, k, gpas[m], allow ? RMP_PERM_ALL : ad ?
				 RMP_PERM_ALL & ~RMP_PERM_WRITE : RMP_PERM_ALL & ~RMP_PERM_READ);
			try(w, k, table_at(m, page, (ad ? NO_A : HAS_A) + c));
			if (ad)
				fill_table(w, a_page_place.at + pages[page] * PAGE_SIZE);
		}
}

static void check_maps(struct walker *w, struct walk_case *k)
{
	bool plain = is(w->mode, "plain");
	unsigned page = is(k->size, "head") ? 0 : 1;

	for (unsigned m = 0; m < NR_MAPS; m++)
		for (unsigned c = 0; c < (plain ? 1 : 2); c++) {
			k->map = maps[m];
			k->c = plain ? "-" : c ? "1" : "0";
			for (size_t i = 0; i < ARRAY_SIZE(data_pairs); i++)
				check_pair(w, k, m, page, c, data_pairs[i]);
			check_table(w, k, m, page, c);
		}
}

/* The page holds a nested table, whose entry is to get its accessed bit. */
static void check_nested(struct walker *w, struct walk_case *k)
{
	unsigned page = is(k->size, "head") ? 0 : 5;
	uint64_t hpa = a_page_place.at + page * PAGE_SIZE, e;
	struct guest *g = &w->g;

	k->access = "npt-ad";
	k->map = k->c = "-";
	k->vmpl = "allow";
	e = guest_hpa(g, HOST_DATA) | NPT_ALL;
	assert_true(view_write(g->hw, HPA(hpa), 0, &e, 8));
	nested_set(g, GPA_NESTED, 2, hpa | NPT_ALL | A);
	put_page(w, k, GPA_4K, RMP_PERM_ALL);
	try(w, k, data_at(NESTED_SLOT));
}

static void each_state(struct walker *w, void (*check)(struct walker *w, struct walk_case *k))
{
	EACH(state, "hypervisor", "hypervisor-mixed", "hv-fixed", "reclaim", "firmware", "context",
	     "pre-guest", "pre-swap", "guest-invalid", "guest-valid")
	EACH(size, "4k", "head", "sub") EACH(asid, "own", "other") EACH(gpa, "same", "other") {
		struct walk_case k = { .state = *state, .size = *size, .asid = *asid, .gpa = *gpa };

		if (has_owner(*state) || (is(*size, "4k") && is(*asid, "own") && is(*gpa, "same")))
			check(w, &k);
	}
}

void check_walks(struct facts *f)
{
	EACH(mode, "plain", "sev", "snp") {
		static struct walker w;

		start(&w, *mode, f);
		each_state(&w, check_maps);
		each_state(&w, check_nested);
		finish(&w);
	}
}
