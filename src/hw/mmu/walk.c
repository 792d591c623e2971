/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * walk.c - the guest's own page tables: 32-bit, PAE, 4 and 5 levels.
 *
 * SDM vol. 3A chapter 4, APM vol. 2 chapter 5.  PAE's page-directory-pointer
 * entries are read at each walk, as with nested paging on AMD.
 *
 * A guest with a key: its tables and code are under it whatever their C-bits
 * say, data where the last entry has one, or where entries have no room for
 * one (APM vol. 2 15.34.5).
 */
#include "hw/mmu/tlb_priv.h"
#include "hw/mmu/walk_priv.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define MAX_LEVELS	5
#define PTE_P		BIT(0)
#define PTE_W		BIT(1)
#define PTE_U		BIT(2)
#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_LARGE	BIT(7)
#define PTE_G		BIT(8)
#define PTE_NX		BIT(63)
#define PTE_ADDRESS	BITS(51, 12)
#define PTE_32_ADDRESS	BITS(31, 12)
#define PDPTE_RESERVED	(BITS(2, 1) | BITS(8, 5))

#define PF_P		BIT(0)
#define PF_W		BIT(1)
#define PF_U		BIT(2)
#define PF_RSVD		BIT(3)
#define PF_FETCH	BIT(4)

enum format { FORMAT_32BIT, FORMAT_PAE, FORMAT_LONG };

struct guest_walk {
	struct mmu	*m;
	uint64_t	linear;
	enum mmu_access	access;
	enum format	format;
	unsigned	levels;
	unsigned	level;			/* of the leaf */
	uint64_t	gpa[MAX_LEVELS + 1];	/* of the entries */
	uint64_t	pte[MAX_LEVELS + 1];
	bool		user, write, nx;	/* of all entries together */
	uint64_t	target;			/* guest physical */
	bool		shared;			/* not under the guest's key */
	bool		locate;			/* mmu_locate() */
	struct mmu_fault *fault;
};

static bool is_write(enum mmu_access a)
{
	return a == MMU_WRITE || a == MMU_SYS_WRITE;
}

static bool is_user(const struct guest_walk *w)
{
	return w->m->state->cpl == 3 && w->access != MMU_SYS_READ && w->access != MMU_SYS_WRITE;
}

static enum mmu_result page_fault(struct guest_walk *w, uint64_t error)
{
	const struct x86_state *s = w->m->state;
	bool nx = (s->efer & X86_EFER_NX) && w->format != FORMAT_32BIT;

	if (is_write(w->access))
		error |= PF_W;
	if (is_user(w))
		error |= PF_U;
	if (w->access == MMU_EXEC && (nx || (s->cr4 & X86_CR4_SMEP)))
		error |= PF_FETCH;
	*w->fault = (struct mmu_fault){ .result = MMU_GUEST_FAULT, .pf_error = (uint32_t)error };
	return MMU_GUEST_FAULT;
}

static void walk_format(struct guest_walk *w)
{
	const struct x86_state *s = w->m->state;

	if (x86_in_long_mode(s)) {
		w->format = FORMAT_LONG;
		w->levels = s->cr4 & X86_CR4_LA57 ? 5 : 4;
	} else if (s->cr4 & X86_CR4_PAE) {
		w->format = FORMAT_PAE;
		w->levels = 3;
	} else {
		w->format = FORMAT_32BIT;
		w->levels = 2;
	}
}

static unsigned level_shift(const struct guest_walk *w, unsigned level)
{
	return w->format == FORMAT_32BIT ? PAGE_SHIFT + (level - 1) * 10 : PG_LEVEL_SHIFT(level);
}

static uint64_t root_table(const struct guest_walk *w)
{
	uint64_t cr3 = w->m->state->cr3;

	switch (w->format) {
	case FORMAT_LONG:
		return cr3 & PTE_ADDRESS & ~w->m->guest_c_bit;
	case FORMAT_PAE:
		return cr3 & BITS(31, 5);
	default:
		return cr3 & PTE_32_ADDRESS;
	}
}

static bool is_leaf(const struct guest_walk *w, uint64_t pte)
{
	if (w->level == PG_LEVEL_4K)
		return true;
	if (!(pte & PTE_LARGE))
		return false;
	if (w->format == FORMAT_32BIT)
		return w->m->state->cr4 & X86_CR4_PSE;
	return w->level == PG_LEVEL_2M || (w->format == FORMAT_LONG && w->level == PG_LEVEL_1G);
}

/* 4 MiB pages (PSE-36): bits 20:13 are address bits 39:32. */
static uint64_t reserved_of_4m(const struct mmu *m)
{
	unsigned bits = MIN(m->guest_phys_bits, 40u);

	return bits <= 32 ? BITS(21, 13) : BITS(21, bits - 19);
}

static uint64_t reserved_bits(const struct guest_walk *w, bool leaf)
{
	const struct mmu *m = w->m;
	uint64_t r;

	if (w->format == FORMAT_32BIT)
		return leaf && w->level > PG_LEVEL_4K ? reserved_of_4m(m) : 0;
	r = (m->guest_phys_bits < 52 ? BITS(51, m->guest_phys_bits) : 0) & ~m->guest_c_bit;
	if (!(m->state->efer & X86_EFER_NX))
		r |= PTE_NX;
	if (w->format == FORMAT_PAE)
		r |= BITS(62, 52);
	if (w->format == FORMAT_PAE && w->level == PG_LEVEL_1G)
		return r | PDPTE_RESERVED | PTE_NX;
	if (w->level > PG_LEVEL_MAX_LEAF)
		r |= PTE_LARGE;
	if (m->amd && !leaf && w->format == FORMAT_LONG && w->level >= PG_LEVEL_1G)
		r |= PTE_G;
	if (leaf && w->level > PG_LEVEL_4K)
		r |= BITS(level_shift(w, w->level) - 1, 13);
	return r;
}

static struct nested_access table_access(bool write)
{
	return (struct nested_access){ .access = write ? MMU_WRITE : MMU_READ, .table = true,
				       .gla_valid = true };
}

static enum mmu_result entry_load(struct guest_walk *w, uint64_t table)
{
	unsigned size = w->format == FORMAT_32BIT ? 4 : 8;
	uint64_t index = (w->linear >> level_shift(w, w->level)) & (PAGE_SIZE / size - 1);
	gpa_t at = GPA(table + index * size);
	struct nested_page page;
	enum mmu_result r = nested_translate(w->m, at, table_access(false), &page, w->fault);
	uint32_t half = 0;
	bool there;

	if (r != MMU_OK)
		return r;
	w->gpa[w->level] = at.v;
	if (size == 4) {
		there = os_load32((const uint32_t *)(const void *)page.host, &half);
		w->pte[w->level] = half;
	} else {
		there = os_load64((const uint64_t *)(const void *)page.host, &w->pte[w->level]);
	}
	return likely(there) ? MMU_OK
			     : nested_host_fault(w->m, at, table_access(false), w->fault);
}

static uint64_t address_mask(const struct guest_walk *w)
{
	return w->format == FORMAT_32BIT ? PTE_32_ADDRESS : PTE_ADDRESS & ~w->m->guest_c_bit;
}

static bool is_shared(const struct guest_walk *w, uint64_t pte)
{
	return w->m->guest_c_bit && w->access != MMU_EXEC && w->format != FORMAT_32BIT &&
	       !(pte & w->m->guest_c_bit);
}

static uint64_t leaf_target(const struct guest_walk *w, uint64_t pte)
{
	uint64_t size = 1ull << level_shift(w, w->level);
	uint64_t base = pte & address_mask(w) & ~(size - 1);

	if (w->format == FORMAT_32BIT && w->level > PG_LEVEL_4K)
		base |= (pte & BITS(20, 13)) << 19;
	return base | (w->linear & (size - 1));
}

/* The hypervisor's word instead of memory's. */
static bool is_loaded(const struct guest_walk *w)
{
	return w->format == FORMAT_PAE && w->level == PG_LEVEL_1G && w->m->state->has_pdpte;
}

static enum mmu_result descend(struct guest_walk *w)
{
	uint64_t table = root_table(w);

	w->user = w->write = true;
	w->nx = false;
	for (w->level = w->levels;; w->level--) {
		enum mmu_result r = MMU_OK;
		uint64_t pte;
		bool leaf;

		if (unlikely(is_loaded(w)))
			w->pte[w->level] = w->m->state->pdpte[w->linear >> 30 & 3];
		else
			r = entry_load(w, table);
		if (r != MMU_OK)
			return r;
		pte = w->pte[w->level];
		leaf = is_leaf(w, pte);
		if (!(pte & PTE_P))
			return page_fault(w, 0);
		if (pte & reserved_bits(w, leaf))
			return page_fault(w, PF_P | PF_RSVD);
		if (w->format != FORMAT_PAE || w->level != PG_LEVEL_1G) {
			w->user &= !!(pte & PTE_U);
			w->write &= !!(pte & PTE_W);
			w->nx |= !!(pte & PTE_NX);
		}
		if (leaf) {
			w->target = leaf_target(w, pte);
			w->shared = is_shared(w, pte);
			return MMU_OK;
		}
		table = pte & address_mask(w);
	}
}

/* What the guest's tables contribute to tlb_entry.frame. */
static uint64_t guest_denials(const struct guest_walk *w)
{
	uint64_t f = w->user ? TLB_U1 : TLB_U0;

	if (!w->write)
		f |= TLB_W0;
	if (w->nx)
		f |= TLB_NX;
	return f;
}

static bool entry_has_flags(const struct guest_walk *w, unsigned level)
{
	return w->format != FORMAT_PAE || level != PG_LEVEL_1G;
}

/* One entry's bits.  MMU_OK with *@lost: somebody has changed it, walk again. */
static enum mmu_result entry_set(struct guest_walk *w, unsigned level, uint64_t bits, bool *lost)
{
	gpa_t at = GPA(w->gpa[level]);
	struct nested_page page;
	enum mmu_result r = nested_translate(w->m, at, table_access(true), &page, w->fault);
	uint64_t was = w->pte[level];
	enum os_cas cas;

	if (r != MMU_OK)
		return r;
	if (w->format == FORMAT_32BIT) {
		uint32_t half = (uint32_t)was;

		cas = os_cas32((uint32_t *)(void *)page.host, &half, half | (uint32_t)bits);
	} else {
		cas = os_cas64((uint64_t *)(void *)page.host, &was, was | bits);
	}
	if (cas == OS_CAS_FAULT)
		return nested_host_fault(w->m, at, table_access(true), w->fault);
	*lost = cas == OS_CAS_LOST;
	if (!*lost)
		w->pte[level] |= bits;
	return MMU_OK;
}

static enum mmu_result set_ad(struct guest_walk *w, bool *lost)
{
	for (unsigned l = w->levels; l >= w->level && !*lost; l--) {
		uint64_t bits = l == w->level && is_write(w->access) ? PTE_A | PTE_D : PTE_A;
		enum mmu_result r;

		if (!entry_has_flags(w, l) || (w->pte[l] & bits) == bits)
			continue;
		r = entry_set(w, l, bits, lost);
		if (r != MMU_OK)
			return r;
	}
	return MMU_OK;
}

static uint64_t guest_kind(const struct guest_walk *w)
{
	uint64_t k = 0;

	if ((w->pte[w->level] & PTE_G) && (w->m->state->cr4 & X86_CR4_PGE))
		k |= TLB_GLOBAL;
	if (w->level == PG_LEVEL_1G)
		k |= TLB_1G;
	else if (w->level == PG_LEVEL_2M)
		k |= w->format == FORMAT_32BIT ? TLB_4M : TLB_2M;
	return k;
}

static enum mmu_access nested_kind(enum mmu_access a)
{
	if (a == MMU_SYS_READ)
		return MMU_READ;
	return a == MMU_SYS_WRITE ? MMU_WRITE : a;
}

static enum mmu_result final_access(struct guest_walk *w, struct nested_page *to)
{
	struct nested_access why = { .access = nested_kind(w->access), .gla_valid = true,
				     .shared = w->shared, .locate = w->locate };

	return nested_translate(w->m, GPA(w->target), why, to, w->fault);
}

/* All but the fill; *@denials and *@kind are for the TLB entry. */
static enum mmu_result walk(struct guest_walk *w, struct nested_page *to, uint64_t *denials,
			    uint64_t *kind)
{
	bool lost;

	*denials = *kind = 0;
	if (!(w->m->state->cr0 & X86_CR0_PG)) {
		w->target = w->linear;
		return final_access(w, to);
	}
	walk_format(w);
	do {
		enum mmu_result r = descend(w);

		lost = false;
		if (r != MMU_OK)
			return r;
		*denials = guest_denials(w);
		if (*denials & w->m->tlb.deny[w->access])
			return page_fault(w, PF_P);
		r = final_access(w, to);
		if (r == MMU_OK)
			r = set_ad(w, &lost);
		if (r != MMU_OK)
			return r;
	} while (lost);
	if (!(w->pte[w->level] & PTE_D))
		*denials |= TLB_CLEAN;
	*kind = guest_kind(w);
	return MMU_OK;
}

enum mmu_result mmu_translate(struct mmu *m, uint64_t linear, enum mmu_access access,
			      struct mmu_page *page, struct mmu_fault *fault)
{
	struct guest_walk w = { .m = m, .linear = linear, .access = access, .fault = fault };
	uint64_t denials, kind;
	struct nested_page to;
	enum mmu_result r = walk(&w, &to, &denials, &kind);

	if (r != MMU_OK) {
		tlb_forget(&m->tlb, linear);
		return r;
	}
	if (likely(!to.void_frame && !to.no_fill)) {
		tlb_fill(&m->tlb, access == MMU_EXEC, linear, (uintptr_t)to.host & PAGE_MASK,
			 to.frame | to.denied | denials, (w.target & PAGE_MASK) | kind);
		if (unlikely(m->hw->frames.rmp) &&
		    !rmp_is_still(m->hw->frames.rmp, HPA(to.frame & PAGE_MASK), &to.owner))
			tlb_forget(&m->tlb, linear);
		counter_add(m->hw->config.counters, COUNTER_TLB_FILLS, 1);
	}
	*page = (struct mmu_page){ .host = to.host, .gpa = GPA(w.target),
				   .hpa = HPA((to.frame & PAGE_MASK) | (linear & ~PAGE_MASK)) };
	return MMU_OK;
}

enum mmu_result mmu_locate(struct mmu *m, uint64_t linear, struct mmu_target *out,
			   struct mmu_fault *fault)
{
	struct guest_walk w = { .m = m, .linear = linear, .access = MMU_READ, .fault = fault,
				.locate = true };
	uint64_t denials, kind;
	struct nested_page to;
	enum mmu_result r = walk(&w, &to, &denials, &kind);

	if (r == MMU_OK)
		*out = (struct mmu_target){ .gpa = GPA(w.target), .level = to.level,
					    .hpa = HPA((to.frame & PAGE_MASK) |
						       (linear & ~PAGE_MASK)),
					    .shared = w.shared };
	return r;
}

void mmu_host_fault(struct mmu *m, uint64_t linear, enum mmu_access access,
		    struct mmu_fault *fault)
{
	const struct tlb_entry *e = access == MMU_EXEC ? tlb_peek_code(&m->tlb, linear)
						       : tlb_peek_data(&m->tlb, linear);
	struct nested_access why = { .access = nested_kind(access), .gla_valid = true };
	struct mmu_page page;
	gpa_t gpa;

	if (e)
		gpa = GPA((e->guest & PAGE_MASK) | (linear & ~PAGE_MASK));
	else if (mmu_translate(m, linear, access, &page, fault) == MMU_OK)
		gpa = page.gpa;
	else
		return;		/* the tables have changed since: that fault it is */
	nested_host_fault(m, gpa, why, fault);
	tlb_forget(&m->tlb, linear);
}
