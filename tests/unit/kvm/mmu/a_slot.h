/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A slot with memory of the test, put into the map by hand; and faults on it. */
#pragma once
#include "kvm/mmu/a_vm.h"

#include "hw/insn/phys.h"
#include "kvm/mmu/tdp_mmu.h"

#define A_SLOT_ALIGN	(1ull << 30)

static inline struct kvm_memory_slot *a_slot_add(struct a_vm *vm, unsigned id, uint64_t gfn,
						 uint64_t npages, uint32_t flags)
{
	struct kvm_memory_slot *s = calloc(1, sizeof(*s));
	char *memory = os_map_private(ALIGN_UP((gfn + npages) << PAGE_SHIFT, A_SLOT_ALIGN),
				      A_SLOT_ALIGN);
	uint64_t generation;

	assert_non_null(s);
	assert_non_null(memory);
	s->id = id;
	s->base_gfn = GFN(gfn);
	s->npages = npages;
	s->flags = flags;
	/* Aligned as the gfn is, up to 1 GiB. */
	s->userspace_addr = HVA((uintptr_t)memory + (gfn << PAGE_SHIFT));
	if (flags & KVM_MEM_LOG_DIRTY_PAGES)
		s->dirty_bitmap = calloc((npages + 63) / 64, sizeof(uint64_t));
	mutex_lock(&vm->kvm.slots_lock);
	assert_int_equal(kvm_mmu_alloc_slot_metadata(&vm->kvm, s), 0);
	assert_int_equal(kvm_memslots_reserve(&vm->kvm, 0, id), 0);
	kvm_memslots_replace(&vm->kvm, 0, NULL, s);
	generation = kvm_memslots_publish(&vm->kvm, 0);
	kvm_memslots_settle(&vm->kvm, 0, generation);
	kvm_memslots_replace(&vm->kvm, 0, NULL, s);
	mutex_unlock(&vm->kvm.slots_lock);
	return s;
}

/* Its mappings are gone or about to go with the VM. */
static inline void a_slot_remove(struct kvm *kvm, struct kvm_memory_slot *s)
{
	char *memory = (char *)(uintptr_t)s->userspace_addr.v - (s->base_gfn.v << PAGE_SHIFT);

	kvm_memslots_forget(kvm, s);
	kvm_mmu_free_slot_metadata(s);
	os_unmap(memory, ALIGN_UP(kvm_slot_end(s).v << PAGE_SHIFT, A_SLOT_ALIGN));
	free(s->dirty_bitmap);
	free(s);
}

static inline struct kvm_page_fault a_fault(struct a_vm *vm, struct kvm_memory_slot *slot,
					    uint64_t gfn, bool write, uint8_t host_level)
{
	void *host = (void *)(uintptr_t)kvm_slot_hva(slot, GFN(gfn)).v;
	struct kvm_page_fault f = {
		.addr = GPA((gfn | vm->kvm.mmu.direct_bits) << PAGE_SHIFT), .write = write, .max_level = PG_LEVEL_1G,
		.gfn = GFN(gfn), .slot = slot, .kind = KVM_PAGE_MEMORY,
		.map_writable = write, .host_level = host_level,
		.mmu_seq = kvm_mmu_invalidate_snapshot(&vm->kvm),
	};

	f.page = phys_publish(vm->module.hw, host);
	return f;
}

static inline int a_map(struct a_vm *vm, unsigned vcpu, struct kvm_memory_slot *slot, uint64_t gfn,
			bool write, uint8_t host_level)
{
	struct kvm_page_fault f = a_fault(vm, slot, gfn, write, host_level);
	int r = kvm_mmu_reload(&vm->vcpus[vcpu]);

	return r ? r : kvm_mmu_map(&vm->vcpus[vcpu], &f);
}

/* The entry that decides about @gfn, and its level. */
static inline spte_t a_spte(struct a_vm *vm, unsigned vcpu, uint64_t gfn, uint8_t *level)
{
	struct tdp_iter it, last = { .old = SPTE_NONPRESENT };

	rcu_read_lock();
	for_each_tdp_pte(it, &vm->kvm, vm->vcpus[vcpu].mmu.root_sp, GFN(gfn), GFN(gfn + 1))
		last = it;
	rcu_read_unlock();
	if (level)
		*level = last.level;
	return last.old;
}

static inline bool a_is_mapped(struct a_vm *vm, unsigned vcpu, uint64_t gfn)
{
	uint8_t level;
	spte_t s = a_spte(vm, vcpu, gfn, &level);

	return spte_is_present_leaf(s, level);
}

static inline bool a_unmap(struct a_vm *vm, struct kvm_memory_slot *slot, uint64_t start,
			   uint64_t end)
{
	bool flush;

	write_lock(&vm->kvm.mmu_lock);
	flush = kvm_mmu_unmap_range(&vm->kvm, slot, GFN(start), GFN(end), KVM_FILTER_SHARED,
				    false);
	write_unlock(&vm->kvm.mmu_lock);
	return flush;
}
