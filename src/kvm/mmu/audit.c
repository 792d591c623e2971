/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The auditor's findings; roots, bracket, totals. */
#include "kvm/mmu/audit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/audit_priv.h"
#include "kvm/mmu/tdp_mmu.h"
#include "os/memory.h"
#include "trace/counters.h"

#define MAX_KEPT	100	/* more of the same tells nobody more */

const char *kvm_guarantee_name(enum kvm_guarantee g)
{
	static const char *const names[] = {
#define X(id, name, title) name,
#include "kvm/mmu/guarantees.def"
#undef X
	};

	return names[g];
}

const char *kvm_guarantee_title(enum kvm_guarantee g)
{
	static const char *const titles[] = {
#define X(id, name, title) title,
#include "kvm/mmu/guarantees.def"
#undef X
	};

	return titles[g];
}

void kvm_audit_init(struct kvm_audit *a, struct kvm *kvm, gfn_t start, gfn_t end)
{
	*a = (struct kvm_audit){ .kvm = kvm, .start = start, .end = end };
	/* One that the processor walks can be read as it does. */
	if (hpa_is_valid(kvm->mmu.external_root))
		a->external = audit_external_ept;
}

void kvm_audit_fini(struct kvm_audit *a)
{
	free(a->findings);
	a->findings = NULL;
}

void kvm_audit_add(struct kvm_audit *a, enum kvm_guarantee g, gfn_t gfn, const char *fmt, ...)
{
	struct kvm_audit_finding *f;
	va_list ap;

	a->nr_findings++;
	if (a->nr_kept == MAX_KEPT)
		return;
	f = realloc(a->findings, (a->nr_kept + 1) * sizeof(*f));
	if (!f)
		return;
	a->findings = f;
	f += a->nr_kept++;
	f->guarantee = g;
	f->gfn = gfn;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

void kvm_audit_report(const struct kvm_audit *a)
{
	struct counters *counters = a->kvm->module->counters;

	counter_add(counters, COUNTER_AUDITS, 1);
	counter_add(counters, COUNTER_AUDIT_FINDINGS, a->nr_findings);
	for (size_t i = 0; i < a->nr_kept; i++) {
		const struct kvm_audit_finding *f = &a->findings[i];

		log_error("%s: gfn %#llx: %s (%s)", kvm_guarantee_name(f->guarantee),
			  (unsigned long long)f->gfn.v, f->text,
			  kvm_guarantee_title(f->guarantee));
	}
	if (a->nr_findings > a->nr_kept)
		log_error("audit: %zu more", a->nr_findings - a->nr_kept);
	if (KVM_AUDIT && a->nr_findings && !kvm_vm_is_dead(a->kvm))
		panic("the audit found %zu (first: %s)", a->nr_findings,
		      a->nr_kept ? kvm_guarantee_name(a->findings[0].guarantee) : "no memory");
}

/* ---- the bracket ---- */

static void audit_invalidation(struct kvm_audit *a)
{
	const struct kvm_invalidation *inv = &a->kvm->inv;
	uint64_t n = atomic64_load_relaxed(&inv->in_progress);
	uint64_t start = atomic64_load_relaxed(&inv->start), end = atomic64_load_relaxed(&inv->end);

	if (n >> 32)
		kvm_audit_add(a, KVM_GUARANTEE_I6, GFN(0), "more have ended than begun");
	else if (n && a->at_end)
		kvm_audit_add(a, KVM_GUARANTEE_I6, GFN(start), "%llu never ended",
			      (unsigned long long)n);
	else if (n && start >= end)
		kvm_audit_add(a, KVM_GUARANTEE_I6, GFN(0), "one has begun and has no range");
}

/* ---- roots ---- */

struct root_list {
	struct kvm_mmu_page **roots;	/* alive until the end of the RCU section */
	size_t		nr;
	size_t		size;		/* bytes behind roots */
	uint64_t	nr_pages;	/* the VM's count at that moment */
};

/*
 * mmu_lock is held for writing: none is added; under pages_lock none goes.  No
 * malloc(): the VMM's may be what has just unmapped something.
 */
static bool list_roots(struct kvm *kvm, struct root_list *l)
{
	struct kvm_mmu_page *root;
	size_t i = 0;

	*l = (struct root_list){ .nr = 0 };
	spin_lock(&kvm->mmu.pages_lock);
	list_for_each(root, &kvm->mmu.roots, link)
		l->nr++;
	l->size = ALIGN_UP((l->nr + 1) * sizeof(*l->roots), PAGE_SIZE);
	l->roots = os_map_private(l->size, PAGE_SIZE);
	if (l->roots)
		list_for_each(root, &kvm->mmu.roots, link)
			l->roots[i++] = root;
	l->nr_pages = atomic64_load(&kvm->mmu.nr_pages);
	spin_unlock(&kvm->mmu.pages_lock);
	return l->roots;
}

static void audit_root_itself(struct kvm_audit *a, const struct root_list *l, size_t at)
{
	const struct kvm_mmu_page *root = l->roots[at];
	unsigned level = a->kvm->module->spte->root_level;

	/* One is ours until it has been invalidated and zapped. */
	if (!spt_is_invalid(root) && !atomic32_load_acquire(&root->refs))
		kvm_audit_add(a, KVM_GUARANTEE_I8, GFN(0), "a valid root has lost our reference");
	if (spt_level(root) != level || hpa_is_valid(root->ptep) || root->gfn.v)
		kvm_audit_add(a, KVM_GUARANTEE_G2, GFN(0), "a root says that it is no root");
	for (size_t i = 0; i < at; i++)
		if (spt_role(l->roots[i]) == spt_role(root) && !spt_is_invalid(root) &&
		    !spt_is_invalid(l->roots[i]))
			kvm_audit_add(a, KVM_GUARANTEE_I8, GFN(0),
				      "two valid roots have the role %#x", spt_role(root));
}

/* ---- private and shared ---- */

static void audit_one_way(struct kvm_audit *a, const struct kvm_mmu_page *mirror,
			  const struct kvm_mmu_page *direct)
{
	struct kvm *kvm = a->kvm;
	gfn_t end = GFN(MIN(a->end.v, kvm_mmu_max_gfn(kvm->module).v));
	struct tdp_iter m, d;

	for_each_tdp_pte(m, kvm, mirror, a->start, end) {
		gfn_t to = GFN(m.gfn.v + PG_LEVEL_PAGES(m.level));

		if (!spte_is_present_leaf(m.old, m.level))
			continue;
		for_each_tdp_pte(d, kvm, direct, m.gfn, to)
			if (spte_is_present_leaf(d.old, d.level))
				kvm_audit_add(a, KVM_GUARANTEE_G1, m.gfn,
					      "mapped by the mirror root and by the direct root");
	}
}

static void audit_pairs(struct kvm_audit *a, const struct root_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		for (size_t j = 0; spt_is_mirror(l->roots[i]) && j < l->nr; j++)
			if (!spt_is_mirror(l->roots[j]) &&
			    spt_as_id(l->roots[i]) == spt_as_id(l->roots[j]))
				audit_one_way(a, l->roots[i], l->roots[j]);
}

/* ---- totals ---- */

static void audit_totals(const struct audit_walk *w, const struct root_list *l)
{
	struct kvm_audit *a = w->audit;
	uint64_t found = w->nr_tables + l->nr;

	if (found != l->nr_pages)
		kvm_audit_add(a, KVM_GUARANTEE_G3, GFN(0), "%llu tables are there, %llu are counted",
			      (unsigned long long)found, (unsigned long long)l->nr_pages);
	for (uint8_t level = PG_LEVEL_2M; level <= PG_LEVEL_MAX_LEAF; level++) {
		uint64_t counted = atomic64_load(&a->kvm->mmu.huge_pages[level]);

		if (w->nr_huge[level] != counted)
			kvm_audit_add(a, KVM_GUARANTEE_G3, GFN(0),
				      "%llu huge pages of level %u are there, %llu are counted",
				      (unsigned long long)w->nr_huge[level], level,
				      (unsigned long long)counted);
	}
}

static void audit_tables(struct kvm_audit *a, const struct root_list *l)
{
	struct audit_walk w = { .audit = a, .number = ++a->kvm->mmu.nr_audits };

	for (size_t i = 0; i < l->nr; i++) {
		audit_root_itself(a, l, i);
		w.root = l->roots[i];
		audit_root(&w);
	}
	audit_pairs(a, l);
	if (kvm_audit_is_whole(a))
		audit_totals(&w, l);
}

void kvm_mmu_audit(struct kvm_audit *a)
{
	struct kvm *kvm = a->kvm;
	struct root_list l;

	lock_assert_held_mutex(&kvm->slots_lock);
	write_lock(&kvm->mmu_lock);
	audit_invalidation(a);
	rcu_read_lock();
	if (list_roots(kvm, &l))
		audit_tables(a, &l);
	rcu_read_unlock();
	write_unlock(&kvm->mmu_lock);
	if (l.roots)
		os_unmap(l.roots, l.size);
}
