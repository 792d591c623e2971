/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Threads that fault, zap leaves and zap everything at once.  What must hold in
 * the end: the accounting, that no table is left, and that nothing is mapped
 * after the last zap.  Once with direct roots alone, once with a mirror, whose
 * external table must have and lose every page exactly when the mirror does.
 */
#include "kvm/mmu/mmu.h"

#include <errno.h>

#include "kvm/mmu/a_slot.h"

#include "os/process.h"

#define NR_PAGES	(4u << 9)		/* 8 MiB: tables are fought over */
#define NR_FAULTS	30000
#define BOTH		(KVM_FILTER_SHARED | KVM_FILTER_PRIVATE)

struct storm {
	struct a_vm		*vm;
	struct kvm_memory_slot	*slot;
	atomic32_t		 next, stop, done;
	atomic64_t		 fixed;
};

/* The external table: which pages it has.  Every tenth addition is refused. */
static struct external {
	atomic32_t	page[NR_PAGES];
	atomic32_t	nr_asked;
} external;

static int set_external(struct kvm *kvm, gfn_t gfn, uint8_t level, uint64_t spte)
{
	if (atomic32_add(&external.nr_asked, 1) % 10 == 9)
		return -EBUSY;
	for (uint64_t g = gfn.v; g < gfn.v + PG_LEVEL_PAGES(level); g++)
		assert_int_equal(atomic32_add(&external.page[g], 1), 0);
	return 0;
}

static int link_external(struct kvm *kvm, gfn_t gfn, uint8_t level, hpa_t external_spt)
{
	return atomic32_add(&external.nr_asked, 1) % 10 == 9 ? -EBUSY : 0;
}

static int remove_external(struct kvm *kvm, gfn_t gfn, uint8_t level, uint64_t spte)
{
	for (uint64_t g = gfn.v; g < gfn.v + PG_LEVEL_PAGES(level); g++)
		assert_int_equal(atomic32_sub(&external.page[g], 1), 1);
	return 0;
}

static void add_mirror(struct a_vm *vm)
{
	a_vm_add_mirror(vm);
	vm->ops.link_external_spt = link_external;
	vm->ops.set_external_spte = set_external;
	vm->ops.remove_external_spte = remove_external;
}

/* As a_map, but half of the faults are on addresses of the mirror, if there is one. */
static int map_either(struct storm *s, unsigned vcpu, uint64_t gfn, uint8_t host_level,
		      bool direct)
{
	struct kvm_page_fault f = a_fault(s->vm, s->slot, gfn, true, host_level);
	int r = kvm_mmu_reload(&s->vm->vcpus[vcpu]);

	if (!direct)
		f.addr = GPA(gfn << PAGE_SHIFT);
	return r ? r : kvm_mmu_map(&s->vm->vcpus[vcpu], &f);
}

static void faults(void *arg)
{
	struct storm *s = arg;
	uint32_t me = atomic32_add(&s->next, 1), seed = me + 1;
	struct kvm_vcpu *vcpu = &s->vm->vcpus[me];

	for (int i = 0; i < NR_FAULTS; i++) {
		uint32_t gfn = a_vm_random(&seed, NR_PAGES), big = a_vm_random(&seed, 16);
		int r = map_either(s, me, gfn, big ? PG_LEVEL_4K : PG_LEVEL_2M, i % 2);

		assert_true(r >= 0);
		if (r == RET_PF_FIXED)
			atomic64_add(&s->fixed, 1);
		(void)kvm_check_request(KVM_REQ_TLB_FLUSH, vcpu);
	}
	atomic32_add(&s->done, 1);
}

/* mmu_lock write. */
static void nothing_is_mapped(struct kvm *kvm, gfn_t from, gfn_t to)
{
	struct kvm_mmu_page *root;
	struct tdp_iter it;

	for_each_tdp_mmu_root(root, kvm, -1, TDP_VALID_ROOTS) {
		rcu_read_lock();
		for_each_tdp_pte(it, kvm, root, from, to)
			assert_false(spte_is_present_leaf(it.old, it.level));
		rcu_read_unlock();
	}
}

static void zaps(struct storm *s, uint32_t *seed)
{
	struct kvm *kvm = &s->vm->kvm;
	uint32_t start = a_vm_random(seed, NR_PAGES);
	gfn_t from = GFN(start), to = GFN(MIN(start + 100, NR_PAGES));

	mutex_lock(&kvm->slots_lock);
	if (a_vm_random(seed, 8) == 0) {
		kvm_mmu_zap_all_fast(kvm);
	} else {
		write_lock(&kvm->mmu_lock);
		kvm_mmu_invalidate_begin(kvm);
		/* With the huge pages that a fault beside the range could bring. */
		kvm_mmu_invalidate_range_add(kvm, GFN(ALIGN_DOWN(from.v, 512)),
					     GFN(ALIGN_UP(to.v, 512)));
		if (kvm_mmu_unmap_range(kvm, s->slot, from, to, BOTH, false))
			kvm_flush_remote_tlbs(kvm);
		write_unlock(&kvm->mmu_lock);
		/* Until the end nobody may map anything here. */
		os_yield();
		write_lock(&kvm->mmu_lock);
		nothing_is_mapped(kvm, from, to);
		kvm_mmu_invalidate_end(kvm);
		write_unlock(&kvm->mmu_lock);
	}
	mutex_unlock(&kvm->slots_lock);
}

static void storm(bool mirror)
{
	static const struct hw_config machine = { HW_VENDOR_INTEL, 46, 0, 0, 1, NULL };
	struct a_vm *vm = a_vm_create(&machine, false);
	struct storm s = { .vm = vm, .slot = a_slot_add(vm, 0, 0, NR_PAGES, 0) };
	uint32_t seed = 99;

	memset(&external, 0, sizeof(external));
	if (mirror)
		add_mirror(vm);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(sync_start_worker(faults, &s, "fault"), 0);
	while (atomic32_load_acquire(&s.done) < 3)
		zaps(&s, &seed);
	assert_true(atomic64_load(&s.fixed) > 100);
	/* Leaves of 4K alone are left to count; zap them and compare. */
	write_lock(&vm->kvm.mmu_lock);
	if (kvm_mmu_unmap_range(&vm->kvm, s.slot, GFN(0), GFN(NR_PAGES), BOTH, false))
		kvm_flush_remote_tlbs(&vm->kvm);
	nothing_is_mapped(&vm->kvm, GFN(0), GFN(NR_PAGES));
	write_unlock(&vm->kvm.mmu_lock);
	assert_false(kvm_vm_is_dead(&vm->kvm));
	for (uint32_t g = 0; g < NR_PAGES; g++)
		assert_int_equal(atomic32_load(&external.page[g]), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(kvm_mmu_reload(&vm->vcpus[i]), 0);
		for (uint32_t g = 0; g < NR_PAGES; g++)
			assert_false(a_is_mapped(vm, i, g));
	}
	assert_int_equal(atomic64_load(&vm->kvm.mmu.huge_pages[PG_LEVEL_2M]), 0);
	a_vm_drop_tables(vm);		/* panics when a table is left */
	assert_int_equal(counter_read(vm->module.counters, COUNTER_SPTES_INSTALLED),
			 counter_read(vm->module.counters, COUNTER_SPTES_ZAPPED));
	a_slot_remove(&vm->kvm, s.slot);
	a_vm_destroy(vm);
}

static void faults_and_zaps_do_not_lose_anything(void **unused)
{
	(void)unused;
	storm(false);
}

static void nor_with_a_mirror(void **unused)
{
	(void)unused;
	storm(true);
	assert_true(atomic32_load(&external.nr_asked) > 100);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_and_zaps_do_not_lose_anything),
		cmocka_unit_test(nor_with_a_mirror),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
