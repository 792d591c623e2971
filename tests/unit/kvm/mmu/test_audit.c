/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * For each guarantee: a VM in order, one thing put out of order, and the
 * auditor must report exactly that name; put right again, it must be silent.
 */
#include "kvm/mmu/audit.h"

#include "kvm/mmu/a_slot.h"

#include <stdio.h>

#include "hw/insn/peek.h"
#include "kvm/mmu/lpage.h"
#include "os/pages.h"

#define PAGES	2048u		/* of slot 0: 4K from 0, one 2M page at 1024 */
#define HUGE	1024u

struct fixture {
	struct a_vm		*vm;
	struct kvm_memory_slot	*slot;
	bool			 at_end;
};

/* The TLB of the only processor. */
static struct peek_tlb_entry tlb[4];
static size_t nr_tlb;

void peek_tlb(const struct cpu *cpu, void (*fn)(const struct peek_tlb_entry *e, void *arg),
	      void *arg)
{
	(void)cpu;
	for (size_t i = 0; i < nr_tlb; i++)
		fn(&tlb[i], arg);
}

static void fixture_init(struct fixture *x, enum hw_vendor vendor, bool private_mem)
{
	struct hw_config machine = { vendor, 46, 0, 0, 1, NULL };

	*x = (struct fixture){ .vm = a_vm_create(&machine, private_mem) };
	x->slot = a_slot_add(x->vm, 0, 0, PAGES, 0);
	for (uint32_t g = 0; g < 20; g++)
		assert_int_equal(a_map(x->vm, 0, x->slot, g, true, PG_LEVEL_4K), RET_PF_FIXED);
	/* The host has the whole of the huge page. */
	for (uint32_t g = HUGE; g < HUGE + 512; g++)
		assert_true(hpa_is_valid(a_fault(x->vm, x->slot, g, true, PG_LEVEL_2M).page));
	assert_int_equal(a_map(x->vm, 0, x->slot, HUGE, true, PG_LEVEL_2M), RET_PF_FIXED);
}

static void fixture_fini(struct fixture *x)
{
	a_vm_drop_tables(x->vm);
	a_slot_remove(&x->vm->kvm, x->slot);
	a_vm_destroy(x->vm);
}

static struct kvm *kvm_of(struct fixture *x)
{
	return &x->vm->kvm;
}

static void audit(struct fixture *x, struct kvm_audit *a, gfn_t start, gfn_t end)
{
	kvm_audit_init(a, kvm_of(x), start, end);
	a->at_end = x->at_end;
	mutex_lock(&kvm_of(x)->slots_lock);
	kvm_mmu_audit(a);
	mutex_unlock(&kvm_of(x)->slots_lock);
}

static void check(const char *file, int line, const struct kvm_audit *a, int want)
{
	bool ok = want < 0 ? !a->nr_findings : a->nr_findings > 0;

	for (size_t i = 0; i < a->nr_kept; i++)
		ok = ok && (int)a->findings[i].guarantee == want;
	for (size_t i = 0; !ok && i < a->nr_kept; i++)
		print_error("%s: %s\n", kvm_guarantee_name(a->findings[i].guarantee),
			    a->findings[i].text);
	if (!ok)
		print_error("wanted: %s\n", want < 0 ? "nothing" : kvm_guarantee_name(want));
	_assert_true(ok, "only what was put out of order is reported", file, line);
}

static void expect_at(const char *file, int line, struct fixture *x, int want)
{
	struct kvm_audit a;

	audit(x, &a, GFN(0), GFN(~0ull));
	check(file, line, &a, want);
	kvm_audit_fini(&a);
}

#define expect(x, name)		expect_at(__FILE__, __LINE__, x, KVM_GUARANTEE_##name)
#define expect_order(x)		expect_at(__FILE__, __LINE__, x, -1)

/* The entry at @level for @gfn of vCPU 0's root. */
static hpa_t sptep_of(struct fixture *x, uint64_t gfn, uint8_t level)
{
	struct tdp_iter it;
	hpa_t at = HPA_INVALID;

	rcu_read_lock();
	for_each_tdp_pte_min_level(it, kvm_of(x), x->vm->vcpus[0].mmu.root_sp, level, GFN(gfn),
				   GFN(gfn + 1))
		if (it.level == level)
			at = it.sptep;
	rcu_read_unlock();
	assert_true(hpa_is_valid(at));
	return at;
}

static uint64_t put(struct fixture *x, hpa_t sptep, uint64_t v)
{
	return phys_xchg64(x->vm->module.hw, sptep, v);
}

/* ---- the invariants of the specification ---- */

static void a_wrong_page_is_mmu_i1(struct fixture *x)
{
	hpa_t at = sptep_of(x, 5, PG_LEVEL_4K);
	uint64_t old = put(x, at, phys_load64(x->vm->module.hw, sptep_of(x, 6, PG_LEVEL_4K)));

	expect(x, I1);
	put(x, at, old);
}

static void a_mapping_without_a_slot_is_mmu_i1(struct fixture *x)
{
	x->slot->flags |= KVM_MEMSLOT_INVALID;
	expect(x, I1);
	x->slot->flags &= ~KVM_MEMSLOT_INVALID;
}

static void store_private(struct fixture *x, uint64_t start, uint64_t end, uint64_t attrs)
{
	struct kvm *kvm = kvm_of(x);

	mutex_lock(&kvm->slots_lock);
	assert_int_equal(kvm_attributes_prepare(kvm, GFN(start), GFN(end), attrs), 0);
	kvm_attributes_store(kvm, GFN(start), GFN(end), attrs);
	mutex_unlock(&kvm->slots_lock);
}

static const void *no_private_bytes(const struct kvm_memory_slot *slot, gfn_t gfn,
				    uint8_t *max_level)
{
	(void)slot;
	(void)gfn;
	(void)max_level;
	return NULL;
}

static void a_shared_page_that_turned_private_is_mmu_i1(struct fixture *x)
{
	struct kvm_audit a;

	store_private(x, 3, 4, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	kvm_audit_init(&a, kvm_of(x), GFN(3), GFN(4));
	a.private_bytes = no_private_bytes;
	mutex_lock(&kvm_of(x)->slots_lock);
	kvm_mmu_audit(&a);
	mutex_unlock(&kvm_of(x)->slots_lock);
	check(__FILE__, __LINE__, &a, KVM_GUARANTEE_I1);
	kvm_audit_fini(&a);
	store_private(x, 3, 4, 0);
}

static void look_into_tlb(struct fixture *x, int want)
{
	struct kvm_audit a;

	kvm_audit_init(&a, kvm_of(x), GFN(0), GFN(~0ull));
	kvm_mmu_audit_tlb(&a, &x->vm->vcpus[0], NULL);
	check(__FILE__, __LINE__, &a, want);
	kvm_audit_fini(&a);
}

static void a_translation_that_was_not_flushed_is_mmu_i3(struct fixture *x)
{
	struct kvm_vcpu *vcpu = &x->vm->vcpus[0];
	hpa_t at = sptep_of(x, 7, PG_LEVEL_4K);
	uint64_t old = phys_load64(x->vm->module.hw, at);

	(void)kvm_check_request(KVM_REQ_TLB_FLUSH, vcpu);	/* of the fresh root */
	nr_tlb = 2;
	tlb[0] = (struct peek_tlb_entry){
		.tag = vcpu->tag, .root = vcpu->mmu.root.v, .guest = GPA(7 << PAGE_SHIFT),
		.host = HPA(old & SPTE_ADDRESS), .write = true,
	};
	/* Somebody else's, and so nothing that we could judge. */
	tlb[1] = (struct peek_tlb_entry){ .tag = vcpu->tag + 1, .guest = GPA(7 << PAGE_SHIFT) };
	look_into_tlb(x, -1);
	put(x, at, old & ~SPTE_WRITABLE);
	look_into_tlb(x, KVM_GUARANTEE_I3);
	put(x, at, SPTE_NONPRESENT.v);
	look_into_tlb(x, KVM_GUARANTEE_I3);
	kvm_make_request(KVM_REQ_TLB_FLUSH, vcpu);
	look_into_tlb(x, -1);
	(void)kvm_check_request(KVM_REQ_TLB_FLUSH, vcpu);
	put(x, at, old);
	tlb[0].host.v += PAGE_SIZE;
	look_into_tlb(x, KVM_GUARANTEE_I3);
	nr_tlb = 0;
}

static void a_frozen_entry_that_nobody_owns_is_mmu_i5(struct fixture *x)
{
	hpa_t at = sptep_of(x, 100, PG_LEVEL_4K);
	uint64_t old = put(x, at, SPTE_FROZEN.v);

	expect(x, I5);
	put(x, at, old);
}

static void an_unpaired_invalidation_is_mmu_i6(struct fixture *x)
{
	struct kvm *kvm = kvm_of(x);

	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_begin(kvm);
	write_unlock(&kvm->mmu_lock);
	expect(x, I6);			/* and where? */
	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_range_add(kvm, GFN(1), GFN(2));
	write_unlock(&kvm->mmu_lock);
	expect_order(x);
	x->at_end = true;
	expect(x, I6);
	x->at_end = false;
	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_end(kvm);
	write_unlock(&kvm->mmu_lock);
	atomic64_sub(&kvm->inv.in_progress, 1);
	expect(x, I6);
	atomic64_add(&kvm->inv.in_progress, 1);
}

static void a_huge_page_over_two_kinds_is_mmu_i7(struct fixture *x)
{
	store_private(x, HUGE + 9, HUGE + 10, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	expect(x, I7);
	store_private(x, HUGE + 9, HUGE + 10, 0);
}

static void a_huge_page_that_the_slot_forbids_is_mmu_i7(struct fixture *x)
{
	struct kvm_lpage_info *info = lpage_info(x->slot, GFN(HUGE), PG_LEVEL_2M);

	info->disallow++;
	expect(x, I7);
	info->disallow--;
}

static void a_huge_page_in_a_logged_slot_is_mmu_i7(struct fixture *x)
{
	x->slot->flags |= KVM_MEM_LOG_DIRTY_PAGES;
	expect(x, I7);
	x->slot->flags &= ~KVM_MEM_LOG_DIRTY_PAGES;
}

static void a_huge_page_that_sticks_out_is_mmu_i7(struct fixture *x)
{
	x->slot->npages = HUGE + 511;
	expect(x, I7);
	x->slot->npages = PAGES;
}

static void learn(struct fixture *x, uint64_t gfn, uint8_t level)
{
	struct os_pages p = { .level = level };
	struct hw *hw = x->vm->module.hw;

	assert_true(phys_learn(hw, (void *)(uintptr_t)kvm_slot_hva(x->slot, GFN(gfn)).v,
			       phys_mapping_ticket(hw), &p));
}

static void a_huge_page_that_the_host_has_in_pieces_is_mmu_i7(struct fixture *x)
{
	const void *huge = (void *)(uintptr_t)kvm_slot_hva(x->slot, GFN(HUGE)).v;
	struct hw *hw = x->vm->module.hw;

	learn(x, HUGE + 3, PG_LEVEL_2M);
	expect_order(x);
	/* For a store of the host's: nested entries stay. */
	assert_true(phys_split(hw, huge));
	expect_order(x);
	assert_true(phys_state_mapping(hw, huge, PG_LEVEL_SIZE(PG_LEVEL_2M), PHYS_4K));
	expect(x, I7);
	phys_forget_mapping(x->vm->module.hw, (void *)(uintptr_t)x->slot->userspace_addr.v,
			    PAGES << PAGE_SHIFT);
}

static void a_huge_page_that_is_executable_is_mmu_i7(struct fixture *x)
{
	x->vm->module.params.nx_huge_pages = true;
	expect(x, I7);
	x->vm->kvm.caps.nx_huge_pages_off = true;
	expect_order(x);
	x->vm->kvm.caps.nx_huge_pages_off = false;
	x->vm->module.params.nx_huge_pages = false;
}

static void a_huge_page_with_a_hole_is_mmu_i1(struct fixture *x)
{
	const void *page = (void *)(uintptr_t)kvm_slot_hva(x->slot, GFN(HUGE + 77)).v;

	phys_retire(x->vm->module.hw, page, PAGE_SIZE);
	expect(x, I1);
	assert_true(hpa_is_valid(phys_publish(x->vm->module.hw, page)));
}

static void a_lost_reference_is_mmu_i8(struct fixture *x)
{
	struct kvm_mmu_page *root = x->vm->vcpus[0].mmu.root_sp;
	uint32_t refs = atomic32_load(&root->refs);

	atomic32_store(&root->refs, 0);
	expect(x, I8);
	atomic32_store(&root->refs, refs);
}

/* ---- ours ---- */

static void a_table_on_two_entries_is_mmu_g2(struct fixture *x)
{
	hpa_t at = sptep_of(x, 512, PG_LEVEL_2M);
	uint64_t old = put(x, at, phys_load64(x->vm->module.hw, sptep_of(x, 0, PG_LEVEL_2M)));

	expect(x, G2);
	put(x, at, old);
}

static void a_table_that_is_none_is_mmu_g2(struct fixture *x)
{
	hpa_t at = sptep_of(x, 512, PG_LEVEL_2M), data = phys_page_alloc(x->vm->module.hw);
	uint64_t old = put(x, at, spte_make_nonleaf(x->vm->module.spte, data).v);

	expect(x, G2);
	put(x, at, old);
	phys_page_free(x->vm->module.hw, data);
}

static void a_wrong_count_is_mmu_g3(struct fixture *x)
{
	atomic64_add(&kvm_of(x)->mmu.nr_pages, 1);
	expect(x, G3);
	atomic64_sub(&kvm_of(x)->mmu.nr_pages, 1);
	atomic64_sub(&kvm_of(x)->mmu.huge_pages[PG_LEVEL_2M], 1);
	expect(x, G3);
	atomic64_add(&kvm_of(x)->mmu.huge_pages[PG_LEVEL_2M], 1);
}

static void a_wrong_mmio_entry_is_mmu_g4(struct fixture *x)
{
	struct kvm *kvm = kvm_of(x);
	uint64_t generation = kvm_memslots_generation(kvm, 0);
	hpa_t at = sptep_of(x, 100, PG_LEVEL_4K);
	uint64_t old = put(x, at, spte_make_mmio(kvm, GFN(100), generation).v);

	expect(x, G4);			/* a slot is there */
	put(x, at, spte_make_mmio(kvm, GFN(100), generation + 2).v);
	expect_order(x);		/* out of date, and so harmless */
	put(x, at, spte_make_mmio(kvm, GFN(101), generation + 2).v);
	expect(x, G4);
	put(x, at, 0x1234ull << 40 | 8);
	expect(x, G4);
	put(x, at, old);
}

static void rights_that_the_host_does_not_give_are_mmu_g5(struct fixture *x)
{
	hpa_t at = sptep_of(x, 8, PG_LEVEL_4K);
	uint64_t old = phys_load64(x->vm->module.hw, at);

	put(x, at, old & ~x->vm->module.spte->host_writable);
	expect(x, G5);
	put(x, at, old);
	x->slot->flags |= KVM_MEM_READONLY;
	expect(x, G5);
	x->slot->flags &= ~KVM_MEM_READONLY;
}

/* ---- */

static const struct {
	void (*breaks)(struct fixture *x);
	bool private_mem;
} rows[] = {
	{ a_wrong_page_is_mmu_i1, false },
	{ a_mapping_without_a_slot_is_mmu_i1, false },
	{ a_shared_page_that_turned_private_is_mmu_i1, true },
	{ a_translation_that_was_not_flushed_is_mmu_i3, false },
	{ a_frozen_entry_that_nobody_owns_is_mmu_i5, false },
	{ an_unpaired_invalidation_is_mmu_i6, false },
	{ a_huge_page_over_two_kinds_is_mmu_i7, true },
	{ a_huge_page_that_the_slot_forbids_is_mmu_i7, false },
	{ a_huge_page_in_a_logged_slot_is_mmu_i7, false },
	{ a_huge_page_that_sticks_out_is_mmu_i7, false },
	{ a_huge_page_that_the_host_has_in_pieces_is_mmu_i7, false },
	{ a_huge_page_that_is_executable_is_mmu_i7, false },
	{ a_huge_page_with_a_hole_is_mmu_i1, false },
	{ a_lost_reference_is_mmu_i8, false },
	{ a_table_on_two_entries_is_mmu_g2, false },
	{ a_table_that_is_none_is_mmu_g2, false },
	{ a_wrong_count_is_mmu_g3, false },
	{ a_wrong_mmio_entry_is_mmu_g4, false },
	{ rights_that_the_host_does_not_give_are_mmu_g5, false },
};

static void what_is_out_of_order_is_reported_by_its_name(void **unused)
{
	static const enum hw_vendor vendors[] = { HW_VENDOR_AMD, HW_VENDOR_INTEL };

	(void)unused;
	for (size_t v = 0; v < ARRAY_SIZE(vendors); v++) {
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			struct fixture x;

			fixture_init(&x, vendors[v], rows[i].private_mem);
			expect_order(&x);
			rows[i].breaks(&x);
			expect_order(&x);
			fixture_fini(&x);
		}
	}
}

static void a_range_is_looked_at_alone(void **unused)
{
	struct fixture x;
	struct kvm_audit a;
	hpa_t at;

	(void)unused;
	fixture_init(&x, HW_VENDOR_AMD, false);
	at = sptep_of(&x, 100, PG_LEVEL_4K);
	put(&x, at, SPTE_FROZEN.v);
	audit(&x, &a, GFN(0), GFN(100));
	check(__FILE__, __LINE__, &a, -1);
	audit(&x, &a, GFN(101), GFN(PAGES));
	check(__FILE__, __LINE__, &a, -1);
	audit(&x, &a, GFN(100), GFN(101));
	check(__FILE__, __LINE__, &a, KVM_GUARANTEE_I5);
	assert_int_equal(a.nr_findings, 1);
	assert_int_equal(a.findings[0].gfn.v, 100);
	kvm_audit_fini(&a);
	put(&x, at, SPTE_NONPRESENT.v);
	fixture_fini(&x);
}

/* A heading for each, in order. */
static void the_page_has_every_guarantee(void **unused)
{
	const char *path = getenv("GUARANTEES_MD");
	FILE *f = path ? fopen(path, "r") : NULL;
	char line[1024];
	int next = 0;

	(void)unused;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "## MMU-", 7))
			continue;
		line[strcspn(line, "\n")] = '\0';
		assert_true(next < NR_KVM_GUARANTEES);
		assert_string_equal(line + 3, kvm_guarantee_name(next++));
	}
	fclose(f);
	assert_int_equal(next, NR_KVM_GUARANTEES);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_out_of_order_is_reported_by_its_name),
		cmocka_unit_test(a_range_is_looked_at_alone),
		cmocka_unit_test(the_page_has_every_guarantee),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
