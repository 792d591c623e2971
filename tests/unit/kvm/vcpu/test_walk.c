/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_walk.c - guest page tables in a slot, walked as KVM's emulator does:
 * four levels, PAE, 32 bits; page sizes, rights, reserved bits, error codes.
 */
#include "a_vcpu.h"
#include "kvm/mmu/fault.h"
#include "kvm/vcpu/walk.h"

#define SIZE	(1ull << 20)
#define ROOT	0x1000ull
#define L3	0x2000ull
#define L2	0x3000ull
#define L1	0x4000ull
#define DATA	0x9000ull

#define P	BIT(0)
#define W	BIT(1)
#define U	BIT(2)
#define PS	BIT(7)
#define NX	BIT(63)
#define PWU	(P | W | U)

enum paging { NONE, TWO, PAE, FOUR };

struct world {
	struct a_vcpu	 a;
	uint8_t		*memory;
	struct kvm_memory_slot slot;
};

static int make(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(os_uaccess_install(), 0);
	a_vcpu_make(&w->a, INTEL, true);
	a_vcpu_all_cpuid(&w->a);
	w->memory = a_vcpu_add_slot(&w->a, &w->slot, SIZE);
	*state = w;
	return 0;
}

static int clean(void **state)
{
	struct world *w = *state;

	a_vcpu_forget_slot(&w->a, &w->slot);
	a_vcpu_free(&w->a);
	munmap(w->memory, SIZE);
	free(w);
	return 0;
}

static void put(struct world *w, uint64_t at, uint64_t value, unsigned size)
{
	memcpy(w->memory + at, &value, size);
}

static void set_mode(struct world *w, enum paging mode, bool nx)
{
	struct x86_state *s = &w->a.v->state;

	s->cr0 = X86_CR0_PE | X86_CR0_ET | (mode == NONE ? 0 : X86_CR0_PG);
	s->cr4 = mode >= PAE ? X86_CR4_PAE : X86_CR4_PSE;
	s->efer = (mode == FOUR ? X86_EFER_LME | X86_EFER_LMA : 0) | (nx ? X86_EFER_NX : 0);
	s->cr3 = ROOT;
	s->rflags = X86_FLAGS_FIXED;
}

static enum walk_answer walk(struct world *w, uint64_t linear, unsigned access, gpa_t *gpa,
			     struct vcpu_walk_fault *fault)
{
	struct kvm *kvm = w->a.kvm;
	int idx = srcu_read_lock(&kvm->srcu);
	enum walk_answer r = vcpu_walk(w->a.v, linear, access, gpa, fault);

	srcu_read_unlock(&kvm->srcu, idx);
	return r;
}

/* Entries of one walk, from the root down; 0 where the mode has no such level. */
static const struct row {
	const char	*why;
	enum paging	mode;
	uint64_t	linear;
	uint64_t	e4, e3, e2, e1;
	uint64_t	gpa;
} good[] = {
	{ "no paging", NONE, 0x12345, 0, 0, 0, 0, 0x12345 },
	{ "no paging has 32 bits", NONE, 0x100012345, 0, 0, 0, 0, 0x12345 },
	{ "4 levels, 4K", FOUR, 0x7f8040201abc, L3 | PWU, L2 | PWU, L1 | PWU, DATA | PWU,
	  DATA + 0xabc },
	{ "4 levels, the upper half", FOUR, 0xffff800040201abc, L3 | PWU, L2 | PWU, L1 | PWU,
	  DATA | PWU, DATA + 0xabc },
	{ "4 levels, 2M", FOUR, 0x3456789, L3 | PWU, L2 | PWU, 0x40000000 | PS | PWU, 0,
	  0x40056789 },
	{ "4 levels, 2M with PAT", FOUR, 0x56789, L3 | PWU, L2 | PWU, 0x40001000 | PS | PWU, 0,
	  0x40056789 },
	{ "4 levels, 1G", FOUR, 0x12345678, L3 | PWU, 0x80000000 | PS | PWU, 0, 0, 0x92345678 },
	{ "PAE, 4K", PAE, 0xc0201abc, 0, L2 | P, L1 | PWU, DATA | PWU, DATA + 0xabc },
	{ "PAE, 2M", PAE, 0x456789, 0, L2 | P, 0x140000000 | PS | PWU, 0, 0x140056789 },
	{ "PAE has 32 bits of linear", PAE, 0x5000000000401abc, 0, L2 | P, L1 | PWU, DATA | PWU,
	  DATA + 0xabc },
	{ "32 bits, 4K", TWO, 0xc0401abc, 0, 0, L1 | PWU, DATA | PWU, DATA + 0xabc },
	{ "32 bits, 4M", TWO, 0x00456789, 0, 0, 0x40000000 | PS | PWU, 0, 0x40056789 },
	{ "32 bits, 4M above 4G", TWO, 0x00456789, 0, 0, 0x40004000 | PS | PWU, 0, 0x240056789 },
};

static void lay(struct world *w, const struct row *r)
{
	uint64_t l = r->linear;

	memset(w->memory, 0, SIZE);
	switch (r->mode) {
	case FOUR:
		put(w, ROOT + (l >> 39 & 511) * 8, r->e4, 8);
		put(w, L3 + (l >> 30 & 511) * 8, r->e3, 8);
		break;
	case PAE:
		put(w, ROOT + (l >> 30 & 3) * 8, r->e3, 8);
		break;
	case TWO:
		put(w, ROOT + (l >> 22 & 1023) * 4, r->e2, 4);
		put(w, L1 + (l >> 12 & 1023) * 4, r->e1, 4);
		return;
	case NONE:
		return;
	}
	put(w, L2 + (l >> 21 & 511) * 8, r->e2, 8);
	put(w, L1 + (l >> 12 & 511) * 8, r->e1, 8);
}

static void every_mode_finds_its_page(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct vcpu_walk_fault fault = { 0 };
		gpa_t gpa = GPA(0);

		lay(w, &good[i]);
		set_mode(w, good[i].mode, true);
		if (walk(w, good[i].linear, WALK_WRITE | WALK_USER, &gpa, &fault) &&
		    good[i].mode != NONE)
			fail_msg("%s: fault %#x", good[i].why, fault.error);
		if (gpa.v != good[i].gpa)
			fail_msg("%s: %#llx", good[i].why, (unsigned long long)gpa.v);
	}
}

#define RD	0u
#define WR	WALK_WRITE
#define US	WALK_USER
#define FE	WALK_FETCH
#define EP	(uint32_t)PFERR_PRESENT
#define ER	(uint32_t)(PFERR_PRESENT | PFERR_RSVD)

/* In a 4-level walk of 0x400000: what each level allows, who asks, what is answered. */
static void rights_are_those_of_all_levels(void **state)
{
	static const struct {
		const char *why;
		uint64_t e4, e3, e2, e1;
		unsigned access;
		uint64_t cr0, cr4, flags;
		bool nx, ok;
		uint32_t error;
	} rows[] = {
		{ "absent at the top", 0, PWU, PWU, PWU, RD, 0, 0, 0, true, false, 0 },
		{ "absent at the bottom", PWU, PWU, PWU, W | U, WR, 0, 0, 0, true, false, 2 },
		{ "absent, for a user", PWU, PWU, 0, PWU, US, 0, 0, 0, true, false, 4 },
		{ "absent, to fetch", PWU, PWU, 0, PWU, FE, 0, 0, 0, true, false, 16 },
		{ "absent, to fetch without NX", PWU, PWU, 0, PWU, FE, 0, 0, 0, false, false, 0 },
		{ "absent, to fetch with SMEP", PWU, PWU, 0, PWU, FE, 0, X86_CR4_SMEP, 0, false, false, 16 },
		{ "a supervisor's page, for a user", PWU, PWU, PWU, P | W, US, 0, 0, 0, true, false, EP | 4 },
		{ "a supervisor's level above", PWU, P | W, PWU, PWU, US, 0, 0, 0, true, false, EP | 4 },
		{ "a supervisor's page", P, P, P, P, RD, 0, 0, 0, true, true, 0 },
		{ "read-only, for a user", PWU, PWU, PWU, P | U, WR | US, 0, 0, 0, true, false, EP | 6 },
		{ "read-only, without WP", PWU, PWU, PWU, P | U, WR, 0, 0, 0, true, true, 0 },
		{ "read-only, with WP", PWU, PWU, PWU, P | U, WR, X86_CR0_WP, 0, 0, true, false, EP | 2 },
		{ "read-only above, with WP", PWU, P | U, PWU, PWU, WR, X86_CR0_WP, 0, 0, true, false, EP | 2 },
		{ "no-execute", PWU, PWU, PWU, PWU | NX, FE, 0, 0, 0, true, false, EP | 16 },
		{ "no-execute above", PWU | NX, PWU, PWU, PWU, FE | US, 0, 0, 0, true, false, EP | 20 },
		{ "no-execute is read", PWU, PWU, PWU, PWU | NX, RD, 0, 0, 0, true, true, 0 },
		{ "no-execute without NX is reserved", PWU, PWU, PWU, PWU | NX, RD, 0, 0, 0, false, false, ER },
		{ "SMEP", PWU, PWU, PWU, PWU, FE, 0, X86_CR4_SMEP, 0, true, false, EP | 16 },
		{ "SMEP, a supervisor's page", PWU, PWU, PWU, P | W, FE, 0, X86_CR4_SMEP, 0, true, true, 0 },
		{ "SMEP, for a user", PWU, PWU, PWU, PWU, FE | US, 0, X86_CR4_SMEP, 0, true, true, 0 },
		{ "SMAP", PWU, PWU, PWU, PWU, RD, 0, X86_CR4_SMAP, 0, true, false, EP },
		{ "SMAP with AC", PWU, PWU, PWU, PWU, RD, 0, X86_CR4_SMAP, X86_FLAGS_AC, true, true, 0 },
		{ "SMAP with AC, implicit", PWU, PWU, PWU, PWU, WALK_IMPLICIT, 0, X86_CR4_SMAP, X86_FLAGS_AC,
		  true, false, EP },
		{ "SMAP, a supervisor's page", PWU, PWU, PWU, P | W, WR, 0, X86_CR4_SMAP, 0, true, true, 0 },
		{ "SMAP does not touch fetches", PWU, PWU, PWU, PWU, FE, 0, X86_CR4_SMAP, 0, true, true, 0 },
		{ "beyond MAXPHYADDR", PWU, PWU, PWU, PWU | BIT(46), WR, 0, 0, 0, true, false, ER | 2 },
		{ "beyond MAXPHYADDR, above", PWU | BIT(51), PWU, PWU, PWU, RD, 0, 0, 0, true, false, ER },
		{ "PS at the top", PWU | PS, PWU, PWU, PWU, RD, 0, 0, 0, true, false, ER },
		{ "a crooked 2M page", PWU, PWU, PWU | PS | BIT(13), PWU, RD, 0, 0, 0, true, false, ER },
		{ "a crooked 1G page", PWU, PWU | PS | BIT(21), PWU, PWU, US, 0, 0, 0, true, false, ER | 4 },
		{ "reserved before absent below", PWU, PWU | BIT(50), 0, 0, RD, 0, 0, 0, true, false, ER },
		{ "ignored bits", PWU | BIT(52) | BIT(9), PWU | BIT(62), PWU | BIT(11), PWU | BIT(58), RD,
		  0, 0, 0, true, true, 0 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row lay_of = { "", FOUR, 0x400000, rows[i].e4 | L3,
			rows[i].e3 & PS ? rows[i].e3 : rows[i].e3 | L2,
			rows[i].e2 & PS ? rows[i].e2 : rows[i].e2 | L1, rows[i].e1 | DATA, 0 };
		struct x86_state *s = &w->a.v->state;
		struct vcpu_walk_fault fault = { 0 };
		enum walk_answer r;
		gpa_t gpa;

		lay(w, &lay_of);
		set_mode(w, FOUR, rows[i].nx);
		s->cr0 |= rows[i].cr0;
		s->cr4 |= rows[i].cr4;
		s->rflags |= rows[i].flags;
		r = walk(w, 0x400123, rows[i].access, &gpa, &fault);
		if (r != (rows[i].ok ? WALK_OK : WALK_PAGE_FAULT) || fault.error != rows[i].error)
			fail_msg("%s: %d, error %#x", rows[i].why, r, fault.error);
		if (!rows[i].ok)
			assert_int_equal(fault.address, 0x400123);
	}
}

static void tables_outside_the_slots_are_absent(void **state)
{
	struct world *w = *state;
	const struct row row = { "", FOUR, 0x400000, (4 * SIZE) | PWU, 0, 0, 0, 0 };
	struct vcpu_walk_fault fault = { 0 };
	gpa_t gpa;

	lay(w, &row);
	set_mode(w, FOUR, true);
	assert_int_equal(walk(w, 0x400000, WALK_WRITE, &gpa, &fault), WALK_PAGE_FAULT);
	assert_int_equal(fault.error, PFERR_WRITE);
	w->a.v->state.cr3 = 8 * SIZE;
	assert_int_equal(walk(w, 0x400000, WALK_USER, &gpa, &fault), WALK_PAGE_FAULT);
	assert_int_equal(fault.error, PFERR_USER);
}

static void copies_cross_pages(void **state)
{
	struct world *w = *state;
	struct kvm *kvm = w->a.kvm;
	struct row row = { "", FOUR, 0x400000, L3 | PWU, L2 | PWU, L1 | PWU, DATA | PWU, 0 };
	struct vcpu_walk_fault fault = { 0 };
	uint8_t got[16] = { 0 };
	int idx;

	lay(w, &row);
	put(w, L1 + 8, (DATA + 0x2000) | PWU, 8);	/* the next page lies elsewhere */
	put(w, L1 + 16, (16 * SIZE) | PWU, 8);		/* and the third in no slot */
	set_mode(w, FOUR, true);
	idx = srcu_read_lock(&kvm->srcu);
	assert_int_equal(vcpu_write_linear(w->a.v, 0x400ff8, "0123456789abcdef", 16, 0, &fault), WALK_OK);
	assert_memory_equal(w->memory + DATA + 0xff8, "01234567", 8);
	assert_memory_equal(w->memory + DATA + 0x2000, "89abcdef", 8);
	assert_int_equal(vcpu_read_linear(w->a.v, 0x400ff8, got, 16, 0, &fault), WALK_OK);
	assert_memory_equal(got, "0123456789abcdef", 16);
	assert_int_equal(vcpu_read_linear(w->a.v, 0x401ff8, got, 16, 0, &fault), WALK_NO_MEMORY);
	assert_int_equal(vcpu_read_linear(w->a.v, 0x402ff8, got, 16, 0, &fault), WALK_NO_MEMORY);
	assert_int_equal(vcpu_read_linear(w->a.v, 0x403000, got, 1, 0, &fault), WALK_PAGE_FAULT);
	assert_int_equal(fault.address, 0x403000);
	srcu_read_unlock(&kvm->srcu, idx);
}

static uint64_t entry_at(const struct world *w, uint64_t at, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, w->memory + at, size);
	return v;
}

#define A	BIT(5)
#define D	BIT(6)

/* Accessed on every level (PAE's pointers have none), Dirty on the leaf of a write. */
static void walks_leave_their_mark(void **state)
{
	static const struct {
		const char *why;
		struct row row;
		unsigned access;
		bool fails;
		uint64_t e4, e3, e2, e1;	/* what is added */
	} rows[] = {
		{ "4 levels, read", { "", FOUR, 0, L3 | PWU, L2 | PWU, L1 | PWU, DATA | PWU, 0 },
		  RD, false, A, A, A, A },
		{ "4 levels, write", { "", FOUR, 0, L3 | PWU, L2 | PWU, L1 | PWU, DATA | PWU, 0 },
		  WR, false, A, A, A, A | D },
		{ "2M, write", { "", FOUR, 0, L3 | PWU, L2 | PWU, PS | PWU, 0, 0 },
		  WR, false, A, A, A | D, 0 },
		{ "PAE, write", { "", PAE, 0, 0, L2 | P, L1 | PWU, DATA | PWU, 0 },
		  WR, false, 0, 0, A, A | D },
		{ "32 bits, write", { "", TWO, 0, 0, 0, L1 | PWU, DATA | PWU, 0 },
		  WR, false, 0, 0, A, A | D },
		{ "fetch", { "", FOUR, 0, L3 | PWU, L2 | PWU, L1 | PWU, DATA | PWU, 0 },
		  FE, false, A, A, A, A },
		{ "refused: none", { "", FOUR, 0, L3 | PWU, L2 | PWU, L1 | PWU, DATA | P | U, 0 },
		  WR | US, true, 0, 0, 0, 0 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i].row;
		unsigned size = r->mode == TWO ? 4 : 8;
		struct vcpu_walk_fault fault = { 0 };
		gpa_t gpa;

		lay(w, r);
		set_mode(w, r->mode, true);
		assert_int_equal(walk(w, 0, rows[i].access, &gpa, &fault) != WALK_OK, rows[i].fails);
		if ((r->mode == FOUR && entry_at(w, ROOT, 8) != (r->e4 | rows[i].e4)) ||
		    (r->mode == FOUR && entry_at(w, L3, 8) != (r->e3 | rows[i].e3)) ||
		    (r->mode == PAE && entry_at(w, ROOT, 8) != (r->e3 | rows[i].e3)) ||
		    entry_at(w, r->mode == TWO ? ROOT : L2, size) != (r->e2 | rows[i].e2) ||
		    entry_at(w, L1, size) != (r->e1 | rows[i].e1))
			fail_msg("%s: %#llx %#llx", rows[i].why,
				 (unsigned long long)entry_at(w, L2, 8),
				 (unsigned long long)entry_at(w, L1, 8));
	}
}

/* A guest that keeps its tables in a read-only slot gets its translations all the same. */
static void read_only_tables_stay(void **state)
{
	const struct row row = { "", FOUR, 0, L3 | PWU, L2 | PWU, L1 | PWU, DATA | PWU, 0 };
	struct vcpu_walk_fault fault = { 0 };
	struct world *w = *state;
	gpa_t gpa;

	lay(w, &row);
	set_mode(w, FOUR, true);
	w->slot.flags |= KVM_MEM_READONLY;
	assert_int_equal(walk(w, 0, WR, &gpa, &fault), WALK_OK);
	assert_int_equal(entry_at(w, L1, 8), row.e1);
	w->slot.flags &= ~KVM_MEM_READONLY;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_mode_finds_its_page, make, clean),
		cmocka_unit_test_setup_teardown(rights_are_those_of_all_levels, make, clean),
		cmocka_unit_test_setup_teardown(tables_outside_the_slots_are_absent, make, clean),
		cmocka_unit_test_setup_teardown(copies_cross_pages, make, clean),
		cmocka_unit_test_setup_teardown(walks_leave_their_mark, make, clean),
		cmocka_unit_test_setup_teardown(read_only_tables_stay, make, clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
