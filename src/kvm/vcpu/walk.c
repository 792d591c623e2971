/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * walk.c - the guest's page tables, walked by KVM (SDM vol. 3A chapter 4).
 *
 * As the processor does, it sets Accessed on the way and Dirty for a write, by
 * compare-exchange; an entry that has changed meanwhile means a new walk, one
 * that lies in a read-only slot stays as it is.
 */
#include "kvm/vcpu/walk.h"

#include <string.h>

#include "kvm/host/access.h"
#include "kvm/mmu/fault.h"
#include "kvm/vcpu/cpuid.h"

#define PTE_P	BIT(0)
#define PTE_W	BIT(1)
#define PTE_U	BIT(2)
#define PTE_A	BIT(5)
#define PTE_D	BIT(6)
#define PTE_PS	BIT(7)
#define PTE_NX	BIT(63)
#define PTE_ADDR BITS(51, 12)

struct mode {
	unsigned	levels;		/* 0: paging is off */
	unsigned	index_bits;	/* 9, or 10 for 32-bit paging */
	unsigned	entry_size;
	uint64_t	root;
};

static struct mode mode_of(const struct x86_state *s)
{
	if (!(s->cr0 & X86_CR0_PG))
		return (struct mode){ 0 };
	if (x86_in_long_mode(s))
		return (struct mode){ s->cr4 & X86_CR4_LA57 ? 5 : 4, 9, 8, s->cr3 & PTE_ADDR };
	if (s->cr4 & X86_CR4_PAE)
		return (struct mode){ 3, 9, 8, s->cr3 & 0xffffffe0 };
	return (struct mode){ 2, 10, 4, s->cr3 & 0xfffff000 };
}

#define MAX_LEVELS	5

struct walk {
	struct vcpu	*v;
	unsigned	 access;
	uint64_t	 reserved_address;	/* above the guest's MAXPHYADDR */
	bool		 user, write, exec;	/* what all levels allow */
	unsigned	 nr;			/* entries on the way, root first */
	gpa_t		 at[MAX_LEVELS];
	uint64_t	 pte[MAX_LEVELS];
};

static bool allowed(const struct walk *w)
{
	const struct x86_state *s = &w->v->state;
	bool by_user = w->access & WALK_USER;

	if (by_user && !w->user)
		return false;
	if ((w->access & WALK_WRITE) && !w->write && (by_user || (s->cr0 & X86_CR0_WP)))
		return false;
	if (w->access & WALK_FETCH)
		return w->exec && !(!by_user && w->user && (s->cr4 & X86_CR4_SMEP));
	return by_user || !w->user || !(s->cr4 & X86_CR4_SMAP) ||
	       ((s->rflags & X86_FLAGS_AC) && !(w->access & WALK_IMPLICIT));
}

/* @why: 0, PFERR_PRESENT, or that and PFERR_RSVD. */
static enum walk_answer fail(const struct walk *w, uint64_t linear, uint32_t why,
			     struct vcpu_walk_fault *fault)
{
	const struct x86_state *s = &w->v->state;
	uint32_t error = why | (w->access & (WALK_WRITE | WALK_USER));

	if ((w->access & WALK_FETCH) &&
	    ((s->efer & X86_EFER_NX) || (s->cr4 & X86_CR4_SMEP)))
		error |= PFERR_FETCH;
	*fault = (struct vcpu_walk_fault){ .address = linear, .error = error };
	return WALK_PAGE_FAULT;
}

static bool is_leaf(const struct vcpu *v, const struct mode *m, unsigned level, uint64_t pte)
{
	if (level == 1)
		return true;
	if (m->levels == 2)
		return (pte & PTE_PS) && (v->state.cr4 & X86_CR4_PSE);
	return (pte & PTE_PS) && level <= 3 && (m->levels > 3 || level == 2);
}

/* What each mode reserves in an entry that is present: SDM vol. 3A 4.3 to 4.5. */
static uint64_t reserved_bits(const struct walk *w, const struct mode *m, unsigned level,
			      bool leaf)
{
	uint64_t bits = w->reserved_address;

	if (m->entry_size == 4)		/* PSE-36 keeps bit 21 */
		return leaf && level == 2 ? BIT(21) : 0;
	if (m->levels == 3)
		bits |= BITS(62, 52);
	if (!(w->v->state.efer & X86_EFER_NX))
		bits |= PTE_NX;
	if (m->levels == 3 && level == 3)
		return bits | PTE_NX | BITS(8, 5) | BITS(2, 1);
	if (level >= 4)
		bits |= PTE_PS;
	if (leaf && level > 1)		/* the address below the page, but for PAT */
		bits |= BITS(PAGE_SHIFT + 9 * (level - 1) - 1, 13);
	return bits;
}

static void narrow(struct walk *w, const struct mode *m, unsigned level, uint64_t pte)
{
	if (m->levels == 3 && level == 3)
		return;			/* PDPTEs carry no rights */
	w->user &= !!(pte & PTE_U);
	w->write &= !!(pte & PTE_W);
	if (m->entry_size == 8 && (w->v->state.efer & X86_EFER_NX))
		w->exec &= !(pte & PTE_NX);
}

static uint64_t leaf_address(const struct mode *m, uint64_t pte, unsigned shift, uint64_t linear)
{
	uint64_t base = pte & PTE_ADDR;

	if (m->entry_size == 4 && shift > PAGE_SHIFT)	/* PSE-36 */
		base = (pte & 0xffc00000) | ((pte >> 13 & 0xff) << 32);
	base &= ~((1ull << shift) - 1);
	return base | (linear & ((1ull << shift) - 1));
}

/* False: somebody has changed an entry since it was read. */
static bool set_accessed_dirty(struct walk *w, const struct mode *m)
{
	struct kvm *kvm = w->v->base.kvm;

	for (unsigned i = 0; i < w->nr; i++) {
		bool leaf = i == w->nr - 1;
		uint64_t old = w->pte[i], new = old | PTE_A;

		if (m->levels == 3 && i == 0)
			continue;	/* PDPTEs have neither */
		if (leaf && (w->access & WALK_WRITE))
			new |= PTE_D;
		if (new != old &&
		    kvm_cmpxchg_guest(kvm, w->at[i], &old, &new, m->entry_size) == KVM_CMPXCHG_LOST)
			return false;
	}
	return true;
}

/* One level; *@done: the walk has its answer. */
static enum walk_answer step(struct walk *w, const struct mode *m, unsigned level, uint64_t linear,
			     bool *done, struct vcpu_walk_fault *fault)
{
	unsigned shift = PAGE_SHIFT + (level - 1) * m->index_bits;
	uint64_t index = (linear >> shift) & ((1u << m->index_bits) - 1);
	uint64_t table = w->nr ? w->pte[w->nr - 1] & PTE_ADDR : m->root, pte = 0;
	gpa_t at = GPA(table + index * m->entry_size);

	if (m->levels == 3 && level == 3 && w->v->state.has_pdpte)
		pte = w->v->state.pdpte[index & 3];
	else if (kvm_read_guest(w->v->base.kvm, at, &pte, m->entry_size))
		pte = 0;
	if (!(pte & PTE_P))
		return fail(w, linear, 0, fault);
	*done = is_leaf(w->v, m, level, pte);
	if (pte & reserved_bits(w, m, level, *done))
		return fail(w, linear, PFERR_PRESENT | PFERR_RSVD, fault);
	narrow(w, m, level, pte);
	w->at[w->nr] = at;
	w->pte[w->nr++] = pte;
	return *done && !allowed(w) ? fail(w, linear, PFERR_PRESENT, fault) : WALK_OK;
}

enum walk_answer vcpu_walk(struct vcpu *v, uint64_t linear, unsigned access, gpa_t *gpa,
			   struct vcpu_walk_fault *fault)
{
	struct mode m = mode_of(&v->state);
	struct walk w;		/* but for the entries, set below */
	unsigned level;
	bool done;

	if (!x86_in_long_mode(&v->state))
		linear = (uint32_t)linear;
	if (!m.levels) {
		*gpa = GPA(linear);
		return WALK_OK;
	}
	w.v = v;
	w.access = access;
	w.reserved_address = vcpu_reserved_gpa_bits(v) & PTE_ADDR;
	do {
		w.user = w.write = w.exec = true;
		w.nr = 0;
		done = false;
		for (level = m.levels; !done; level--) {
			enum walk_answer a = step(&w, &m, level, linear, &done, fault);

			if (a != WALK_OK)
				return a;
		}
	} while (!set_accessed_dirty(&w, &m));
	*gpa = GPA(leaf_address(&m, w.pte[w.nr - 1], PAGE_SHIFT + level * m.index_bits, linear));
	return WALK_OK;
}

static enum walk_answer copy_linear(struct vcpu *v, uint64_t linear, void *to, const void *from,
				    unsigned n, unsigned access, struct vcpu_walk_fault *fault)
{
	while (n) {
		unsigned part = MIN(n, (unsigned)(PAGE_SIZE - (linear & ~PAGE_MASK)));
		enum walk_answer a;
		gpa_t gpa;
		int r;

		a = vcpu_walk(v, linear, access, &gpa, fault);
		if (a != WALK_OK)
			return a;
		if (to)
			r = kvm_read_guest(v->base.kvm, gpa, to, part);
		else
			r = kvm_write_guest(v->base.kvm, gpa, from, part);
		if (r)
			return WALK_NO_MEMORY;
		linear += part;
		n -= part;
		if (to)
			to = (char *)to + part;
		else
			from = (const char *)from + part;
	}
	return WALK_OK;
}

enum walk_answer vcpu_read_linear(struct vcpu *v, uint64_t linear, void *p, unsigned n,
				  unsigned access, struct vcpu_walk_fault *fault)
{
	return copy_linear(v, linear, p, NULL, n, access, fault);
}

enum walk_answer vcpu_write_linear(struct vcpu *v, uint64_t linear, const void *p, unsigned n,
				   unsigned access, struct vcpu_walk_fault *fault)
{
	return copy_linear(v, linear, NULL, p, n, access | WALK_WRITE, fault);
}
