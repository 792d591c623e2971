/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * in_place.c - files whose pages are shared or private where they are.
 *
 * No kernel has this; upstream discusses it as in-place conversion of
 * guest_memfd.  The bytes are a shared mapping of ours, in no descriptor; what
 * the VMM maps are further mappings of the same pages, behind a gate.
 */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "hw/insn/phys.h"
#include "kvm/core/attr.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/gmem/gmem_priv.h"
#include "os/file.h"
#include "os/memory.h"

bool gmem_wants_in_place(const struct kvm *kvm, uint64_t flags)
{
	return kvm->module->params.gmem_in_place && (flags & GUEST_MEMFD_FLAG_MMAP) &&
	       kvm->has_private_mem && !kvm->ops->has_mirror;
}

/* The memfd of the bytes is closed at once: a mapping is all that is left of it. */
static int make_store(struct gmem_file *file)
{
	int fd = os_shared_memfd(KVM_GMEM_FD_NAME, file->size, true), r;

	if (fd < 0)
		return fd;
	r = gmem_store_init_shared(&file->store, file->kvm->module->hw, file->size, fd);
	os_close(fd);
	file->store.large = file->kvm->module->params.gmem_order >= GMEM_ORDER_2M;
	return r;
}

int gmem_make_in_place(struct gmem_file *file)
{
	const struct kvm *kvm = file->kvm;
	char name[64];
	int r;

	if (!gate_is_possible(kvm->module->hw)) {
		log_error("kvm.gmem_in_place: this kernel refuses userfaultfd (Linux 5.19, not "
			  "filtered); a mapping for each page instead would be too many");
		return -EOPNOTSUPP;
	}
	r = make_store(file);
	if (r)
		return r;
	snprintf(name, sizeof(name), "the %s guest of guest_memfd %llu", kvm->ops->name,
		 (unsigned long long)file->ino);
	file->gate = gate_create(kvm->module->hw, file->store.shared, file->size >> PAGE_SHIFT, name);
	file->fd = os_shared_memfd(KVM_GMEM_FD_NAME, 0, false);
	if (file->gate && file->fd >= 0)
		return 0;
	r = MIN(file->fd, 0);
	if (file->fd >= 0)
		os_close(file->fd);
	if (file->gate)
		gate_drop(file->gate);
	gmem_store_fini(&file->store);
	return r ? r : -ENOMEM;
}

void gmem_end_in_place(struct gmem_file *file)
{
	uint64_t nr = file->size >> PAGE_SHIFT;

	for (uint64_t at = 0, n; at < nr; at += n + 1) {
		for (n = 0; at + n < nr && gate_is_closed(file->gate, at + n); n++)
			;
		if (n)
			gmem_store_punch_shared(&file->store, at, at + n);
	}
	gate_drop(file->gate);
}

/* Pages that go back to the host as they are: the VM type takes its hands off. */
static uint64_t released(void *arg, void *bytes, uint64_t n)
{
	struct kvm *kvm = ((struct gmem_file *)arg)->kvm;
	hpa_t start = phys_publish(kvm->module->hw, bytes), done;

	if (!hpa_is_valid(start))
		return n;
	done = kvm->ops->gmem_invalidate(kvm, start, HPA(start.v + (n << PAGE_SHIFT)));
	return (done.v - start.v) >> PAGE_SHIFT;
}

/* Frames of one kind. */
static void apply(struct gmem_file *file, uint64_t first, uint64_t n, gfn_t gfn, bool is_private)
{
	if (is_private) {
		gate_close(file->gate, first, n, gfn.v);
		return;
	}
	gmem_store_release(&file->store, first, first + n, released, file);
	/* What did not come back stays closed. */
	for (uint64_t at = first, end = first + n, run; at < end; at += run + 1) {
		for (run = 0; at + run < end && !gmem_store_is_leaked(&file->store, at + run); run++)
			;
		if (run)
			gate_open(file->gate, at, run);
	}
}

void gmem_apply_attributes(struct gmem_file *file, const struct kvm_memory_slot *slot, gfn_t start,
			   gfn_t end)
{
	for (gfn_t at = start, to; at.v < end.v; at = to) {
		bool is_private = kvm_mem_is_private(file->kvm, at);

		to = GFN(at.v + 1);
		while (to.v < end.v && kvm_mem_is_private(file->kvm, to) == is_private)
			to.v++;
		apply(file, gmem_page_of(slot, at), to.v - at.v, at, is_private);
	}
}

void kvm_gmem_converted(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_memslot_iter it;
	struct kvm_memory_slot *slot;

	lock_assert_held_mutex(&kvm->slots_lock);
	if (likely(!kvm->module->params.gmem_in_place))
		return;
	for (unsigned as_id = 0; as_id < kvm->nr_address_spaces; as_id++) {
		kvm_for_each_memslot_in_gfn_range(slot, &it, kvm, as_id, start, end) {
			struct gmem_file *file = atomicptr_load_acquire(&slot->gmem.file);
			gfn_t from = GFN(MAX(start.v, slot->base_gfn.v));
			gfn_t to = GFN(MIN(end.v, slot->base_gfn.v + slot->npages));

			if (!file || !file->gate)
				continue;
			write_lock(&file->invalidate_lock);
			gmem_apply_attributes(file, slot, from, to);
			write_unlock(&file->invalidate_lock);
		}
	}
}

int kvm_gmem_mapped(struct gmem_file *file, void *at, size_t size, int prot, uint64_t offset)
{
	return file->gate ? gate_map(file->gate, at, size, prot, offset >> PAGE_SHIFT) : 0;
}
