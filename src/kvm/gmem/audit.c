/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/gmem/audit.h"

#include "kvm/gmem/gmem_priv.h"

const void *kvm_gmem_private_bytes(const struct kvm_memory_slot *slot, gfn_t gfn,
				   uint8_t *max_level)
{
	const struct gmem_file *file = atomicptr_load_acquire(&slot->gmem.file);

	uint64_t index = gmem_page_of(slot, gfn);
	struct gmem_page p = { .level = PG_LEVEL_4K };
	const void *bytes = file ? gmem_store_peek(&file->store, index, &p.level) : NULL;

	*max_level = gmem_level_for(slot, index, &p);
	return bytes;
}

static void audit_binding(struct kvm_audit *a, const struct kvm_memory_slot *slot)
{
	const struct gmem_file *file = atomicptr_load_acquire(&slot->gmem.file);
	uint64_t start = slot->gmem.pgoff, end = start + slot->npages;
	struct range_node *n;
	bool found = false;

	if (!file)
		return;		/* closed, or no private memory */
	if (file->kvm != a->kvm || end > file->size >> PAGE_SHIFT)
		kvm_audit_add(a, KVM_GUARANTEE_I9, slot->base_gfn,
			      "slot %u is bound to what its guest_memfd does not have", slot->id);
	range_tree_for_each(n, &file->bindings, start, end) {
		if (n != &slot->gmem.binding)
			kvm_audit_add(a, KVM_GUARANTEE_I9, slot->base_gfn,
				      "a page of slot %u is bound to another slot too", slot->id);
		else
			found = n->start == start && n->end == end;
	}
	if (!found)
		kvm_audit_add(a, KVM_GUARANTEE_I9, slot->base_gfn,
			      "slot %u has a guest_memfd that does not know it", slot->id);
}

/* Every binding is that of a slot which is in the map. */
static void audit_file(struct kvm_audit *a, const struct gmem_file *file)
{
	struct range_node *n;

	range_tree_for_each(n, &file->bindings, 0, file->size >> PAGE_SHIFT) {
		const struct kvm_memory_slot *slot = gmem_slot_of(n);

		if (kvm_id_to_memslot(a->kvm, slot->as_id, slot->id) != slot ||
		    atomicptr_load_acquire(&slot->gmem.file) != file)
			kvm_audit_add(a, KVM_GUARANTEE_I9, slot->base_gfn,
				      "a guest_memfd knows slot %u, which has gone", slot->id);
	}
}

void kvm_gmem_audit(struct kvm_audit *a)
{
	struct kvm_memslot_iter it;
	struct kvm_memory_slot *slot;

	lock_assert_held_mutex(&a->kvm->slots_lock);
	a->private_bytes = kvm_gmem_private_bytes;
	for (unsigned as_id = 0; as_id < a->kvm->nr_address_spaces; as_id++) {
		kvm_for_each_memslot_in_gfn_range(slot, &it, a->kvm, as_id, a->start, a->end) {
			const struct gmem_file *file = atomicptr_load_acquire(&slot->gmem.file);

			audit_binding(a, slot);
			if (file && kvm_audit_is_whole(a))
				audit_file(a, file);
		}
	}
}
