/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Mirrored tables: which operation of the VM type comes when, what the mirror
 * says meanwhile, and that a failed one leaves both tables equal.
 */
#include "kvm/mmu/mmu.h"

#include <errno.h>

#include "kvm/mmu/a_slot.h"

#define NR_PAGES	0x400
#define MAX_OPS		64
#define NEVER		-1

enum op { LINK, SET, REMOVE, FREE };

/* What the VM type was asked, and what it saw in the mirror. */
static struct log {
	struct { enum op op; uint8_t level; gfn_t gfn; spte_t mirror; } entry[MAX_OPS];
	int		nr;
	int		fail_at;	/* which one answers -EBUSY, from 0 */
	int		errno_of_removal;
	bool		in_external[NR_PAGES];	/* 4K pages */
	void		(*during)(struct kvm *kvm);
} log_of;

/* What the mirror has for @gfn at @level; NONPRESENT when it does not go so far. */
static spte_t mirror_entry(struct kvm *kvm, gfn_t gfn, uint8_t level)
{
	/* It was the first root, and there is one until the end. */
	struct kvm_mmu_page *root = list_entry(kvm->mmu.roots.next, struct kvm_mmu_page, link);
	spte_t found = SPTE_NONPRESENT;
	struct tdp_iter it;

	assert_true(spt_is_mirror(root));
	rcu_read_lock();
	for_each_tdp_pte_min_level(it, kvm, root, level, gfn, GFN(gfn.v + 1))
		if (it.level == level)
			found = it.old;
	rcu_read_unlock();
	return found;
}

static int note(struct kvm *kvm, enum op op, gfn_t gfn, uint8_t level, uint8_t entry_level)
{
	int n = log_of.nr++;

	assert_true(n < MAX_OPS);
	log_of.entry[n].op = op;
	log_of.entry[n].level = level;
	log_of.entry[n].gfn = gfn;
	log_of.entry[n].mirror = mirror_entry(kvm, gfn, entry_level);
	if (log_of.during)
		log_of.during(kvm);
	return n == log_of.fail_at ? -EBUSY : 0;
}

static int on_link(struct kvm *kvm, gfn_t gfn, uint8_t level, hpa_t external_spt)
{
	assert_true(hpa_is_valid(external_spt));
	return note(kvm, LINK, gfn, level, level);
}

static int on_set(struct kvm *kvm, gfn_t gfn, uint8_t level, uint64_t spte)
{
	int r = note(kvm, SET, gfn, level, level);

	assert_true(spte_is_present_leaf(SPTE(spte), level));
	assert_false(log_of.in_external[gfn.v]);
	log_of.in_external[gfn.v] = !r;
	return r;
}

static int on_remove(struct kvm *kvm, gfn_t gfn, uint8_t level, uint64_t spte)
{
	note(kvm, REMOVE, gfn, level, level);
	lock_assert_held_write(&kvm->mmu_lock);
	assert_true(spte_is_present_leaf(SPTE(spte), level));
	assert_true(log_of.in_external[gfn.v]);
	log_of.in_external[gfn.v] = false;
	return log_of.errno_of_removal;
}

static int on_free(struct kvm *kvm, gfn_t gfn, uint8_t level, hpa_t external_spt)
{
	lock_assert_held_write(&kvm->mmu_lock);
	assert_true(hpa_is_valid(external_spt));
	/* The table is not linked any more: look one up. */
	return note(kvm, FREE, gfn, level, level + 1);
}

struct a_mirror {
	struct a_vm		*vm;
	struct kvm_memory_slot	*slot;
};

static struct a_mirror a_mirror_create(void)
{
	static const struct hw_config machine = { HW_VENDOR_INTEL, 46, 0, 0, 1, NULL };
	struct a_mirror m = { .vm = a_vm_create(&machine, true) };

	log_of = (struct log){ .fail_at = NEVER };
	a_vm_add_mirror(m.vm);
	m.vm->ops.link_external_spt = on_link;
	m.vm->ops.set_external_spte = on_set;
	m.vm->ops.remove_external_spte = on_remove;
	m.vm->ops.free_external_spt = on_free;
	m.slot = a_slot_add(m.vm, 0, 0, NR_PAGES, 0);
	return m;
}

static void a_mirror_destroy(struct a_mirror *m)
{
	struct a_vm *vm = m->vm;

	a_vm_drop_tables(vm);
	for (unsigned g = 0; g < NR_PAGES; g++)
		assert_false(log_of.in_external[g]);
	a_slot_remove(&vm->kvm, m->slot);
	a_vm_destroy(vm);
}

static int map_private(struct a_mirror *m, unsigned vcpu, uint64_t gfn, bool is_private)
{
	struct kvm_page_fault f = a_fault(m->vm, m->slot, gfn, true, PG_LEVEL_4K);

	f.addr = GPA(gfn << PAGE_SHIFT);
	f.is_private = is_private;
	assert_int_equal(kvm_mmu_reload(&m->vm->vcpus[vcpu]), 0);
	return kvm_mmu_map(&m->vm->vcpus[vcpu], &f);
}

static bool unmap(struct a_mirror *m, uint64_t start, uint64_t end, unsigned filter)
{
	bool flush;

	write_lock(&m->vm->kvm.mmu_lock);
	flush = kvm_mmu_unmap_range(&m->vm->kvm, m->slot, GFN(start), GFN(end), filter,
				    false);
	write_unlock(&m->vm->kvm.mmu_lock);
	return flush;
}

static bool mirror_has(struct a_mirror *m, uint64_t gfn)
{
	return spte_is_present(mirror_entry(&m->vm->kvm, GFN(gfn), PG_LEVEL_4K));
}

static void adding_freezes_then_asks_then_publishes(void **unused)
{
	static const struct { enum op op; uint8_t level; } want[] = {
		{ LINK, PG_LEVEL_512G }, { LINK, PG_LEVEL_1G }, { LINK, PG_LEVEL_2M },
		{ SET, PG_LEVEL_4K }, { SET, PG_LEVEL_4K },
	};
	struct a_mirror m = a_mirror_create();

	(void)unused;
	assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
	assert_int_equal(map_private(&m, 0, 0x124, true), RET_PF_FIXED);
	assert_int_equal(log_of.nr, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(log_of.entry[i].op, want[i].op);
		assert_int_equal(log_of.entry[i].level, want[i].level);
		assert_true(spte_is_frozen(log_of.entry[i].mirror));
	}
	assert_true(mirror_has(&m, 0x123));
	assert_false(a_is_mapped(m.vm, 0, 0x123));
	/* Present entries stay as they are, for every other vCPU as well. */
	assert_int_equal(map_private(&m, 1, 0x123, true), RET_PF_SPURIOUS);
	assert_int_equal(log_of.nr, ARRAY_SIZE(want));
	a_mirror_destroy(&m);
}

static void a_failed_operation_leaves_both_equal(void **unused)
{
	static const uint8_t level_of[] = { PG_LEVEL_512G, PG_LEVEL_1G, PG_LEVEL_2M, PG_LEVEL_4K };

	(void)unused;
	for (int i = 0; i < (int)ARRAY_SIZE(level_of); i++) {
		struct a_mirror m = a_mirror_create();
		uint64_t pages;

		log_of.fail_at = i;
		assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_RETRY);
		assert_int_equal(log_of.nr, i + 1);
		assert_true(spte_is_frozen(log_of.entry[i].mirror));
		assert_int_equal(mirror_entry(&m.vm->kvm, GFN(0x123), level_of[i]).v,
				 SPTE_NONPRESENT.v);
		assert_false(log_of.in_external[0x123]);
		/* Two roots and the tables that were linked. */
		pages = atomic64_load(&m.vm->kvm.mmu.nr_pages);
		assert_int_equal(pages, 2 + i);
		/* The next try goes on where that one stopped. */
		assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
		assert_int_equal(log_of.entry[i + 1].level, level_of[i]);
		assert_int_equal(log_of.nr, 1 + (int)ARRAY_SIZE(level_of));
		assert_true(mirror_has(&m, 0x123) && log_of.in_external[0x123]);
		assert_false(kvm_vm_is_dead(&m.vm->kvm));
		a_mirror_destroy(&m);
	}
}

static void removing_goes_to_the_mirror_first(void **unused)
{
	static const struct { unsigned filter; bool direct, mirror; } rows[] = {
		{ KVM_FILTER_SHARED, false, true },
		{ KVM_FILTER_PRIVATE, true, false },
		{ KVM_FILTER_SHARED | KVM_FILTER_PRIVATE, false, false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct a_mirror m = a_mirror_create();
		int before;

		assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
		assert_int_equal(a_map(m.vm, 0, m.slot, 0x123, true, PG_LEVEL_4K), RET_PF_FIXED);
		before = log_of.nr;
		assert_true(unmap(&m, 0x100, 0x200, rows[i].filter));
		assert_int_equal(a_is_mapped(m.vm, 0, 0x123), rows[i].direct);
		assert_int_equal(mirror_has(&m, 0x123), rows[i].mirror);
		assert_int_equal(log_of.in_external[0x123], rows[i].mirror);
		assert_int_equal(log_of.nr, before + !rows[i].mirror);
		if (!rows[i].mirror) {
			assert_int_equal(log_of.entry[before].op, REMOVE);
			assert_int_equal(log_of.entry[before].mirror.v, SPTE_NONPRESENT.v);
		}
		a_mirror_destroy(&m);
	}
}

/* The table's role decides, not what the fault calls itself. */
static void operations_follow_the_role(void **unused)
{
	struct a_mirror m = a_mirror_create();
	struct kvm_page_fault f = a_fault(m.vm, m.slot, 0x50, true, PG_LEVEL_4K);

	(void)unused;
	f.is_private = true;
	assert_int_equal(kvm_mmu_reload(&m.vm->vcpus[0]), 0);
	assert_int_equal(kvm_mmu_map(&m.vm->vcpus[0], &f), RET_PF_FIXED);
	assert_int_equal(log_of.nr, 0);
	assert_true(a_is_mapped(m.vm, 0, 0x50));
	assert_int_equal(map_private(&m, 0, 0x51, false), RET_PF_FIXED);
	assert_int_equal(log_of.nr, 4);
	assert_true(mirror_has(&m, 0x51));
	a_mirror_destroy(&m);
}

/* Both halves of the guest's addresses know the same gfn; neither table has the other's. */
static void each_root_has_its_half(void **unused)
{
	struct a_mirror m = a_mirror_create();
	uint64_t top = PG_LEVEL_SHIFT(m.vm->module.spte->root_level) - PAGE_SHIFT;
	struct hw *hw = m.vm->module.hw;
	struct kvm_mmu *mmu = &m.vm->vcpus[0].mmu;
	hpa_t direct, mirror;

	(void)unused;
	assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
	assert_int_equal(a_map(m.vm, 0, m.slot, 0x123, true, PG_LEVEL_4K), RET_PF_FIXED);
	direct = HPA(mmu->root.v + ((0x123 | m.vm->kvm.mmu.direct_bits) >> top) % 512 * 8);
	mirror = HPA(mmu->mirror_root.v + (0x123 >> top) * 8);
	assert_true(spte_is_present(SPTE(phys_load64(hw, direct))));
	assert_true(spte_is_present(SPTE(phys_load64(hw, mirror))));
	assert_false(spte_is_present(SPTE(phys_load64(hw, mmu->root))));
	a_mirror_destroy(&m);
}

static void zap_all_leaves_mirrors_alone(void **unused)
{
	struct a_mirror m = a_mirror_create();
	struct kvm_vcpu *vcpu = &m.vm->vcpus[0];
	hpa_t mirror, direct;
	int before;

	(void)unused;
	assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
	assert_int_equal(a_map(m.vm, 0, m.slot, 0x123, true, PG_LEVEL_4K), RET_PF_FIXED);
	mirror = vcpu->mmu.mirror_root;
	direct = vcpu->mmu.root;
	before = log_of.nr;
	mutex_lock(&m.vm->kvm.slots_lock);
	kvm_mmu_zap_all_fast(&m.vm->kvm);
	mutex_unlock(&m.vm->kvm.slots_lock);
	assert_int_equal(log_of.nr, before);
	assert_true(mirror_has(&m, 0x123));
	/* The vCPU takes a new direct root and keeps its mirror. */
	kvm_make_request(KVM_REQ_MMU_FREE_OBSOLETE_ROOTS, vcpu);
	assert_int_equal(kvm_mmu_reload(vcpu), 0);
	assert_int_equal(vcpu->mmu.mirror_root.v, mirror.v);
	assert_int_not_equal(vcpu->mmu.root.v, direct.v);
	assert_false(a_is_mapped(m.vm, 0, 0x123));
	assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_SPURIOUS);
	/* All vCPUs share it. */
	assert_int_equal(kvm_mmu_reload(&m.vm->vcpus[1]), 0);
	assert_int_equal(m.vm->vcpus[1].mmu.mirror_root.v, mirror.v);
	a_mirror_destroy(&m);
}

static void the_mirror_root_comes_first(void **unused)
{
	struct a_mirror m = a_mirror_create();
	struct kvm_mmu_page *first;

	(void)unused;
	assert_int_equal(kvm_mmu_reload(&m.vm->vcpus[0]), 0);
	first = list_entry(m.vm->kvm.mmu.roots.next, struct kvm_mmu_page, link);
	assert_true(spt_is_mirror(first));
	assert_ptr_equal(first, m.vm->vcpus[0].mmu.mirror_root_sp);
	assert_false(spt_is_mirror(m.vm->vcpus[0].mmu.root_sp));
	a_mirror_destroy(&m);
}

static void nothing_is_repaired_without_the_lock(void **unused)
{
	struct a_mirror m = a_mirror_create();
	struct kvm_page_fault f = a_fault(m.vm, m.slot, 0x123, true, PG_LEVEL_4K);

	(void)unused;
	assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
	f.addr = GPA(0x123ull << PAGE_SHIFT);
	f.present = true;
	assert_int_equal(kvm_mmu_fast_page_fault(&m.vm->vcpus[0], &f), RET_PF_INVALID);
	a_mirror_destroy(&m);
}

static struct a_mirror *other;
static atomic32_t other_answer;

static void fault_of_another(void *unused)
{
	(void)unused;
	atomic32_store_release(&other_answer, (uint32_t)map_private(other, 1, 0x123, true) + 1);
}

static void let_another_fault(struct kvm *kvm)
{
	(void)kvm;
	log_of.during = NULL;
	assert_int_equal(sync_start_worker(fault_of_another, NULL, "fault"), 0);
	while (!atomic32_load_acquire(&other_answer))
		sync_relax();
}

static void a_frozen_entry_makes_others_retry(void **unused)
{
	struct a_mirror m = a_mirror_create();

	(void)unused;
	assert_int_equal(map_private(&m, 0, 0x122, true), RET_PF_FIXED);
	assert_int_equal(kvm_mmu_reload(&m.vm->vcpus[1]), 0);
	other = &m;
	log_of.during = let_another_fault;
	assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
	assert_int_equal(atomic32_load(&other_answer), RET_PF_RETRY + 1);
	assert_int_equal(log_of.nr, 5);
	a_mirror_destroy(&m);
}

/* The end: leaves, then tables from the bottom up; each table after all below it. */
static void the_end_goes_from_the_bottom_up(void **unused)
{
	struct a_mirror m = a_mirror_create();
	uint8_t level = PG_LEVEL_4K;
	int before, removed = 0, freed = 0;

	(void)unused;
	assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
	assert_int_equal(map_private(&m, 0, 0x323, true), RET_PF_FIXED);
	before = log_of.nr;
	a_mirror_destroy(&m);
	for (int i = before; i < log_of.nr; i++) {
		assert_true(log_of.entry[i].level >= level);
		level = log_of.entry[i].level;
		removed += log_of.entry[i].op == REMOVE;
		freed += log_of.entry[i].op == FREE;
		if (log_of.entry[i].op == REMOVE)
			assert_int_equal(freed, 0);
	}
	assert_int_equal(removed, 2);
	assert_int_equal(freed, 4);	/* two of 4K entries, one of 2M, one of 1G */
}

static void a_failed_removal_gives_the_vm_up(void **unused)
{
	struct a_mirror m = a_mirror_create();

	(void)unused;
	assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
	log_of.errno_of_removal = -EIO;
	assert_true(unmap(&m, 0x123, 0x124, KVM_FILTER_PRIVATE));
	assert_true(kvm_vm_is_dead(&m.vm->kvm));
	a_mirror_destroy(&m);
}

static void a_removal_by_compare_exchange_is_refused(void **unused)
{
	struct a_mirror m = a_mirror_create();
	struct tdp_iter it;

	(void)unused;
	assert_int_equal(map_private(&m, 0, 0x123, true), RET_PF_FIXED);
	read_lock(&m.vm->kvm.mmu_lock);
	rcu_read_lock();
	for_each_tdp_pte(it, &m.vm->kvm, m.vm->vcpus[0].mmu.mirror_root_sp, GFN(0x123), GFN(0x124))
		if (it.level == PG_LEVEL_4K)
			assert_int_equal(tdp_mmu_set_spte_atomic(&m.vm->kvm, &it, SPTE_NONPRESENT),
					 -EBUSY);
	rcu_read_unlock();
	read_unlock(&m.vm->kvm.mmu_lock);
	assert_true(kvm_vm_is_dead(&m.vm->kvm));
	assert_true(mirror_has(&m, 0x123));
	a_mirror_destroy(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding_freezes_then_asks_then_publishes),
		cmocka_unit_test(a_failed_operation_leaves_both_equal),
		cmocka_unit_test(removing_goes_to_the_mirror_first),
		cmocka_unit_test(operations_follow_the_role),
		cmocka_unit_test(each_root_has_its_half),
		cmocka_unit_test(zap_all_leaves_mirrors_alone),
		cmocka_unit_test(the_mirror_root_comes_first),
		cmocka_unit_test(nothing_is_repaired_without_the_lock),
		cmocka_unit_test(a_frozen_entry_makes_others_retry),
		cmocka_unit_test(the_end_goes_from_the_bottom_up),
		cmocka_unit_test(a_failed_removal_gives_the_vm_up),
		cmocka_unit_test(a_removal_by_compare_exchange_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
