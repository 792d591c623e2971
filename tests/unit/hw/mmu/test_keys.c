/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_keys.c - under which key each access of an encrypted guest is.  APM
 * vol. 2 15.34.5, tables 15-30 and 15-31.
 */
#include "hw/mmu/a_guest.h"

#include "hw/insn/view.h"

#include <string.h>
#include <sys/mman.h>

#define SLOT		7u
#define C		BIT(51)
#define LINEAR		0x400000ull	/* the second large page of each format */
#define TARGET		0x600000ull
#define ROOT		0x1000ull
#define TABLE(n)	(0x10000ull + (n) * PAGE_SIZE)

static const uint8_t a_key[MEM_KEY_BYTES] = "a key of 32 bytes for two halves";

enum paging { NO_PAGING, LEGACY, LEGACY_4M, PAE, PAE_2M, LONG, LONG_2M, NR_PAGING };

static bool trap(void *hw, void *host, bool write)
{
	return view_trap(hw, host, write);
}

/* Milan: 48 bits, five of them taken, the C-bit at 51. */
static void start(struct guest *g, keyslot_t key)
{
	guest_init_on(g, (struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48,
					     .phys_reduction = 5, .c_bit = 51 });
	/* As a VMM's memory is: of another kind than the machine's own beside it. */
	assert_int_equal(madvise(g->bytes, GUEST_SIZE, MADV_DOFORK), 0);
	os_uaccess_ask_first(trap, g->hw);
	assert_true(view_key_install(g->hw, SLOT, a_key));
	g->nested.key = key;
	g->nested.asid = key ? key : 1;
}

static void finish(struct guest *g)
{
	mmu_leave(g->m);
	view_key_remove(g->hw, SLOT);
	guest_fini(g);
	os_uaccess_ask_first(NULL, NULL);
}

/* A table's entry, as the guest wrote it: under its key. */
static void put(struct guest *g, uint64_t gpa, uint64_t v, size_t size)
{
	assert_true(view_write(g->hw, HPA(guest_hpa(g, gpa)), g->nested.key, &v, size));
}

static uint64_t get(struct guest *g, uint64_t gpa)
{
	uint64_t v = 0;

	assert_true(view_read(g->hw, HPA(guest_hpa(g, gpa)), g->nested.key, &v, 8));
	return v;
}

/* LINEAR to TARGET; the address of the last entry. */
static uint64_t build(struct guest *g, enum paging how, uint64_t c)
{
	struct x86_state *s = &g->state;
	uint64_t flags = P | W | U;

	s->cr3 = ROOT;
	s->cr0 = X86_CR0_PE | (how == NO_PAGING ? 0 : X86_CR0_PG) | X86_CR0_WP;
	s->cr4 = how == LEGACY || how == NO_PAGING ? 0 : how == LEGACY_4M ? X86_CR4_PSE : X86_CR4_PAE;
	s->efer = how >= LONG ? X86_EFER_LMA | X86_EFER_LME | X86_EFER_NX : 0;
	switch (how) {
	case LEGACY:
		put(g, ROOT + 4, TABLE(0) | flags, 4);
		put(g, TABLE(0), TARGET | flags, 4);
		return TABLE(0);
	case LEGACY_4M:
		put(g, ROOT + 4, 0x400000 | flags | PS, 4);
		return ROOT + 4;
	case PAE: case PAE_2M:
		put(g, ROOT, TABLE(0) | P, 8);
		put(g, TABLE(0) + 16, how == PAE ? TABLE(1) | flags : TARGET | flags | PS | c, 8);
		put(g, TABLE(1), TARGET | flags | c, 8);
		return how == PAE ? TABLE(1) : TABLE(0) + 16;
	case LONG: case LONG_2M:
		/* C-bits above the last level and in CR3 change nothing. */
		s->cr3 |= c;
		put(g, ROOT, TABLE(0) | flags | c, 8);
		put(g, TABLE(0), TABLE(1) | flags, 8);
		put(g, TABLE(1) + 16, how == LONG ? TABLE(2) | flags : TARGET | flags | PS | c, 8);
		put(g, TABLE(2), TARGET | flags | c, 8);
		return how == LONG ? TABLE(2) : TABLE(1) + 16;
	default:
		return 0;
	}
}

static const struct {
	enum paging	how;
	uint64_t	c;
	bool		data_is_private;
} rows[] = {
	{ NO_PAGING, 0, true }, { LEGACY, 0, true }, { LEGACY_4M, 0, true },
	{ PAE, 0, false }, { PAE, C, true }, { PAE_2M, 0, false }, { PAE_2M, C, true },
	{ LONG, 0, false }, { LONG, C, true }, { LONG_2M, 0, false }, { LONG_2M, C, true },
};

static void the_key_of_every_access(void **unused)
{
	struct guest g;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int access = 0; access < NR_MMU_ACCESS; access++) {
			bool is_private = access == MMU_EXEC || rows[i].data_is_private;
			bool write = access == MMU_WRITE || access == MMU_SYS_WRITE;
			uint64_t entry, target, was;

			start(&g, SLOT);
			entry = build(&g, rows[i].how, rows[i].c);
			target = rows[i].how == NO_PAGING || rows[i].how == LEGACY_4M ? LINEAR : TARGET;
			guest_enter(&g);
			assert_int_equal(touch(&g, LINEAR + 5, (enum mmu_access)access), MMU_OK);
			assert_int_equal(g.page.gpa.v, target + 5);
			assert_int_equal(g.page.hpa.v, guest_hpa(&g, target) + 5);
			assert_ptr_equal(g.page.host, view_host(g.hw, g.page.hpa, is_private ? SLOT : 0));
			if (entry) {
				was = get(&g, entry);
				assert_int_equal(was & (A | D), write ? A | D : A);
			}
			finish(&g);
		}
	}
}

/* One frame by both kinds of address: neither is taken for the other. */
static void both_views_of_a_frame(void **unused)
{
	struct guest g;

	start(&g, SLOT);
	build(&g, LONG, C);
	put(&g, TABLE(2) + 8, TARGET | P | W | U, 8);
	guest_enter(&g);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
		assert_ptr_equal(g.page.host, view_host(g.hw, HPA(guest_hpa(&g, TARGET)), SLOT));
		assert_int_equal(touch(&g, LINEAR + PAGE_SIZE, MMU_READ), MMU_OK);
		assert_ptr_equal(g.page.host, g.bytes + TARGET);
		mmu_invlpg(g.m, LINEAR);
		mmu_invlpg(g.m, LINEAR + PAGE_SIZE);
	}
	finish(&g);
}

/* A page that changes sides is met by the old translation until it is flushed. */
static void a_changed_c_bit_needs_a_flush(void **unused)
{
	struct guest g;
	uint8_t *before;

	start(&g, SLOT);
	build(&g, LONG, C);
	guest_enter(&g);
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	before = g.page.host;
	put(&g, TABLE(2), TARGET | P | W | U | A | D, 8);
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	assert_ptr_equal(g.page.host, before);
	mmu_invlpg(g.m, LINEAR);
	assert_int_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	assert_ptr_equal(g.page.host, g.bytes + TARGET);
	finish(&g);
}

/* 43 bits are left; the C-bit is none of them, and reserved for who has no key. */
static void which_bits_are_reserved(void **unused)
{
	static const struct {
		keyslot_t key; uint64_t bits; unsigned level; bool fault;
	} cases[] = {
		{ SLOT, C, 1, false }, { SLOT, C, 4, false }, { SLOT, BIT(43), 1, true },
		{ SLOT, BIT(50), 1, true }, { SLOT, BIT(42), 1, false },
		{ 0, C, 1, true }, { 0, C, 4, true }, { 0, BIT(43), 1, true },
	};
	struct guest g;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		enum mmu_result want = cases[i].fault ? MMU_GUEST_FAULT :
				       cases[i].bits == BIT(42) ? MMU_NESTED_FAULT : MMU_OK;

		start(&g, cases[i].key);
		build(&g, LONG, 0);
		put(&g, cases[i].level == 1 ? TABLE(2) : ROOT,
		    (cases[i].level == 1 ? TARGET : TABLE(0)) | P | W | U | cases[i].bits, 8);
		guest_enter(&g);
		assert_int_equal(touch(&g, LINEAR, MMU_READ), want);
		if (want == MMU_GUEST_FAULT)
			assert_int_equal(g.fault.pf_error, BIT(3) | BIT(0));
		if (want == MMU_NESTED_FAULT)
			assert_int_equal(g.fault.gpa.v, TARGET | BIT(42));
		finish(&g);
	}
}

/* EXITINFO2 is without the C-bit, whatever the access. */
static void a_fault_does_not_tell_the_c_bit(void **unused)
{
	struct guest g;

	for (int access = 0; access < NR_MMU_ACCESS; access++) {
		start(&g, SLOT);
		build(&g, LONG, C);
		nested_set(&g, TARGET, 1, 0);
		guest_enter(&g);
		assert_int_equal(touch(&g, LINEAR + 8, (enum mmu_access)access), MMU_NESTED_FAULT);
		assert_int_equal(g.fault.gpa.v, TARGET + 8);
		assert_int_equal(g.fault.info & (SVM_NPF_FINAL | SVM_NPF_RSVD | SVM_NPF_ENC),
				 SVM_NPF_FINAL);
		finish(&g);
	}
}

/* A page table in a shared page is garbage to the walker. */
static void a_table_that_the_guest_shares(void **unused)
{
	struct guest g;
	uint64_t e = TARGET | P | W | U;

	start(&g, SLOT);
	build(&g, LONG, 0);
	assert_true(view_write(g.hw, HPA(guest_hpa(&g, TABLE(2))), 0, &e, 8));
	assert_int_not_equal(get(&g, TABLE(2)), e);
	guest_enter(&g);
	assert_int_not_equal(touch(&g, LINEAR, MMU_READ), MMU_OK);
	finish(&g);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_of_every_access),
		cmocka_unit_test(both_views_of_a_frame),
		cmocka_unit_test(a_changed_c_bit_needs_a_flush),
		cmocka_unit_test(which_bits_are_reserved),
		cmocka_unit_test(a_fault_does_not_tell_the_c_bit),
		cmocka_unit_test(a_table_that_the_guest_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
