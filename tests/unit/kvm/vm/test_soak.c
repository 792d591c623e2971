/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Everything that takes memory away, against everything that maps it: faults
 * in threads while attributes change, holes are punched, slots move, go and
 * come back.  Afterwards every entry must be what a fault would install now.
 */
#include "kvm/vm/memory.h"

#include "kvm/mmu/a_slot.h"

#include <errno.h>

#include "kvm/gmem/gmem.h"
#include "kvm/host/access.h"
#include "kvm/mmu/lpage.h"
#include "kvm/vm/audit.h"
#include "os/process.h"

#define NR_FAULTERS	3
#define NR_FAULTS	40000
#define PAGES		(3u << 9)	/* of each slot; not a whole number of 1G */
#define HOME		0x400u		/* slot 0, with private memory */
#define AWAY		0x4000u		/* slot 1, shared only: here or 0x2000 higher */
#define SPACE		0x8000u

struct soak {
	struct a_vm	 *vm;
	struct gmem_file *file;
	char		 *memory;
	atomic32_t	  next, done;
	atomic64_t	  fixed;
};

/* The kernel's order, without what needs a guest. */
static int find_page(struct kvm_vcpu *vcpu, struct kvm_page_fault *f)
{
	struct kvm *kvm = vcpu->kvm;
	const atomic32_t never = { 0 };
	struct kvm_host_page host;

	f->mmu_seq = kvm_mmu_invalidate_snapshot(kvm);
	f->is_private = kvm_mem_is_private(kvm, f->gfn);
	f->slot = kvm_vcpu_gfn_to_memslot(vcpu, f->gfn);
	if (!f->slot)
		return RET_PF_CONTINUE;
	if ((f->slot->flags & KVM_MEMSLOT_INVALID) || kvm_mmu_fault_may_be_stale(kvm, f))
		return RET_PF_RETRY;
	f->map_writable = true;
	if (!f->is_private) {
		/* The slot is ours, and its memory always there: nobody waits in here. */
		if (kvm_gup(kvm, kvm_slot_hva(f->slot, f->gfn), true, &never, &host))
			return -EFAULT;
		f->page = host.page;
		f->host_level = host.level;
		return RET_PF_CONTINUE;
	}
	if (!kvm_slot_can_be_private(f->slot))
		return -EFAULT;
	return kvm_gmem_get_pfn(kvm, f->slot, f->gfn, &f->page, &f->host_level);
}

static int fault_once(struct kvm_vcpu *vcpu, uint64_t gfn)
{
	struct kvm_page_fault f = { .gfn = GFN(gfn), .write = true, .max_level = PG_LEVEL_1G };
	int idx = srcu_read_lock(&vcpu->kvm->srcu), r = kvm_mmu_reload(vcpu);

	if (!r)
		r = find_page(vcpu, &f);
	if (gfn % 8 == 0)
		os_yield();		/* what was found gets old */
	if (r == RET_PF_CONTINUE)
		r = kvm_mmu_map(vcpu, &f);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return r;
}

static uint32_t pick_gfn(uint32_t *seed)
{
	static const uint32_t bases[] = { HOME, HOME, AWAY, AWAY + 0x2000 };

	return bases[a_vm_random(seed, 4)] + a_vm_random(seed, PAGES + 10);
}

static void faults(void *arg)
{
	struct soak *s = arg;
	uint32_t me = atomic32_add(&s->next, 1), seed = me + 7;
	struct kvm_vcpu *vcpu = &s->vm->vcpus[me];

	for (int i = 0; i < NR_FAULTS; i++) {
		int r = fault_once(vcpu, pick_gfn(&seed));

		assert_true(r >= 0 || r == -EFAULT);
		atomic64_add(&s->fixed, r == RET_PF_FIXED);
		(void)kvm_check_request(KVM_REQ_TLB_FLUSH, vcpu);
	}
	atomic32_add(&s->done, 1);
}

static bool is_over(struct soak *s)
{
	return atomic32_load_acquire(&s->done) >= NR_FAULTERS;
}

/* I1, in the middle of it all: private frames have gmem pages, shared ones host pages. */
static void audit_home(struct soak *s)
{
	struct kvm *kvm = &s->vm->kvm;
	struct kvm_mmu_page *root;
	struct tdp_iter it;

	mutex_lock(&kvm->slots_lock);
	write_lock(&kvm->mmu_lock);
	for_each_tdp_mmu_root(root, kvm, 0, TDP_VALID_ROOTS) {
		rcu_read_lock();
		for_each_tdp_pte(it, kvm, root, GFN(HOME), GFN(HOME + PAGES)) {
			hpa_t shared;

			if (!spte_is_present_leaf(it.old, it.level))
				continue;
			shared = phys_publish(kvm->module->hw, s->memory + (it.gfn.v << PAGE_SHIFT));
			assert_int_equal(spte_address(it.layout, it.old).v != shared.v,
					 kvm_mem_is_private(kvm, it.gfn));
		}
		rcu_read_unlock();
	}
	write_unlock(&kvm->mmu_lock);
	mutex_unlock(&kvm->slots_lock);
}

static void converts(void *arg)
{
	static const uint32_t sizes[] = { 1, 1, 7, 512, 700, 3000 };
	struct soak *s = arg;
	uint32_t seed = 1;

	while (!is_over(s)) {
		struct kvm_memory_attributes a = {
			.address = (uint64_t)pick_gfn(&seed) << PAGE_SHIFT,
			.size = (uint64_t)sizes[a_vm_random(&seed, 6)] << PAGE_SHIFT,
			.attributes = a_vm_random(&seed, 2) ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
		};

		assert_int_equal(kvm_vm_set_memory_attributes(&s->vm->kvm, &a), 0);
		os_yield();
		if (a_vm_random(&seed, 4) == 0)
			audit_home(s);
	}
	atomic32_add(&s->done, 1);
}

static void punches(void *arg)
{
	struct soak *s = arg;
	uint32_t seed = 2;

	while (!is_over(s)) {
		uint64_t at = a_vm_random(&seed, PAGES), n = 1 + a_vm_random(&seed, 300);

		assert_int_equal(kvm_gmem_fallocate(s->file, 3, at << PAGE_SHIFT, n << PAGE_SHIFT),
				 0);
		os_yield();
	}
	atomic32_add(&s->done, 1);
}

static int set_slot(struct soak *s, unsigned id, uint32_t flags, uint64_t gfn, uint64_t npages)
{
	struct kvm_userspace_memory_region2 r = {
		.slot = id, .flags = flags, .guest_phys_addr = gfn << PAGE_SHIFT,
		.memory_size = npages << PAGE_SHIFT,
		/* Congruent with the guest, so that huge pages are possible. */
		.userspace_addr = (uintptr_t)s->memory + (uint64_t)(id ? 0x1000000 : HOME << PAGE_SHIFT),
	};

	return kvm_vm_set_memory_region(&s->vm->kvm, &r, false,
					(struct kvm_gmem_arg){ 0, s->file });
}

static void change_slots(struct soak *s)
{
	static const uint64_t places[] = { AWAY, AWAY + 0x2000 };

	for (unsigned i = 1; !is_over(s); i++) {
		assert_int_equal(set_slot(s, 1, 0, places[i % 2], PAGES), 0);
		if (i % 4 == 0) {
			assert_int_equal(set_slot(s, 0, 0, 0, 0), 0);
			assert_int_equal(set_slot(s, 0, KVM_MEM_GUEST_MEMFD, HOME, PAGES), 0);
		}
		if (i % 16 == 0) {
			mutex_lock(&s->vm->kvm.slots_lock);
			kvm_mmu_zap_all_fast(&s->vm->kvm);
			mutex_unlock(&s->vm->kvm.slots_lock);
		}
		os_yield();
	}
}

/* Every leaf of every vCPU: what a fault would find now, and not too large. */
static unsigned audit(struct soak *s)
{
	unsigned nr_leaves = 0;

	for (unsigned v = 0; v < NR_FAULTERS; v++) {
		struct kvm_vcpu *vcpu = &s->vm->vcpus[v];

		assert_int_equal(kvm_mmu_reload(vcpu), 0);
		for (uint64_t g = 0; g < SPACE; g++) {
			struct kvm_page_fault f = { .gfn = GFN(g) };
			uint8_t level;
			spte_t spte = a_spte(s->vm, v, g, &level);
			uint64_t first = g & ~(PG_LEVEL_PAGES(level) - 1);
			uint64_t offset = (g - first) << PAGE_SHIFT;

			if (!spte_is_present_leaf(spte, level))
				continue;
			nr_leaves++;
			assert_int_equal(find_page(vcpu, &f), RET_PF_CONTINUE);
			assert_non_null(f.slot);
			assert_int_equal(spte_address(s->vm->module.spte, spte).v + offset, f.page.v);
			assert_true(kvm_range_has_memory_attributes(&s->vm->kvm, GFN(first),
				GFN(first + PG_LEVEL_PAGES(level)), KVM_MEMORY_ATTRIBUTE_PRIVATE,
				f.is_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0));
			assert_true(first >= f.slot->base_gfn.v && first + PG_LEVEL_PAGES(level) <=
				    kvm_slot_end(f.slot).v);
		}
	}
	return nr_leaves;
}

static void what_is_mapped_is_what_should_be(void **unused)
{
	static const struct hw_config machine = { HW_VENDOR_AMD, 46, 0, 0, 1, NULL };
	struct kvm_create_guest_memfd args = { .size = PAGES << PAGE_SHIFT };
	struct soak s = { .vm = a_vm_create(&machine, true),
			  .memory = os_map_private(1ull << 26, 1ull << 26) };

	(void)unused;
	s.vm->kvm.audit = kvm_vm_audit;
	/* Huge pages where the host has them. */
	os_prefer_huge(s.memory, 1ull << 26);
	assert_int_equal(kvm_gmem_create(&s.vm->kvm, &args, &s.file), 0);
	assert_int_equal(set_slot(&s, 0, KVM_MEM_GUEST_MEMFD, HOME, PAGES), 0);
	for (int i = 0; i < NR_FAULTERS; i++)
		assert_int_equal(sync_start_worker(faults, &s, "fault"), 0);
	assert_int_equal(sync_start_worker(converts, &s, "convert"), 0);
	assert_int_equal(sync_start_worker(punches, &s, "punch"), 0);
	change_slots(&s);
	while (atomic32_load_acquire(&s.done) < NR_FAULTERS + 2)
		os_yield();
	assert_int_equal(atomic64_load(&s.vm->kvm.inv.in_progress), 0);
	assert_true(atomic64_load(&s.fixed) > 0);
	(void)audit(&s);
	/* And some that are there for certain. */
	for (uint32_t g = HOME; g < HOME + PAGES; g++)
		assert_true(fault_once(&s.vm->vcpus[0], g) >= 0);
	assert_true(audit(&s) >= PAGES);

	/* B3, the file first: private entries go, and only those. */
	kvm_gmem_release(s.file);
	for (uint32_t g = HOME; g < HOME + PAGES; g++)
		if (kvm_mem_is_private(&s.vm->kvm, GFN(g)))
			assert_false(a_is_mapped(s.vm, 0, g));
	kvm_vm_free_memory(&s.vm->kvm);
	a_vm_destroy(s.vm);
	os_unmap(s.memory, 1ull << 26);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_mapped_is_what_should_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
