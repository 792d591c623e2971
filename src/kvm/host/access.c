/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/host/access.h"

#include <errno.h>

#include "os/uaccess.h"

/* The slot that may be used for a host access to @gfn; NULL: -EFAULT. */
static struct kvm_memory_slot *usable_slot(struct kvm *kvm, gfn_t gfn, bool write)
{
	struct kvm_memory_slot *slot = kvm_gfn_to_memslot(kvm, 0, gfn);

	if (!slot || (slot->flags & KVM_MEMSLOT_INVALID))
		return NULL;
	return write && (slot->flags & KVM_MEM_READONLY) ? NULL : slot;
}

/* Bytes of @len at @gpa that lie in its page. */
static size_t in_page(gpa_t gpa, size_t len)
{
	size_t room = PAGE_SIZE - (gpa.v & ~PAGE_MASK);

	return MIN(room, len);
}

static void *host_address(const struct kvm_memory_slot *slot, gpa_t gpa)
{
	return (void *)(uintptr_t)(kvm_slot_hva(slot, gpa_to_gfn(gpa)).v + (gpa.v & ~PAGE_MASK));
}

int kvm_read_guest(struct kvm *kvm, gpa_t gpa, void *data, size_t len)
{
	gpa = kvm_addr_without_alias(kvm, gpa);
	while (len) {
		struct kvm_memory_slot *slot = usable_slot(kvm, gpa_to_gfn(gpa), false);
		size_t n = in_page(gpa, len);

		if (!slot || os_copy_from(data, host_address(slot, gpa), n))
			return -EFAULT;
		data = (char *)data + n;
		gpa.v += n;
		len -= n;
	}
	return 0;
}

/* @data NULL: zeros. */
static int write_guest(struct kvm *kvm, gpa_t gpa, const void *data, size_t len)
{
	gpa = kvm_addr_without_alias(kvm, gpa);
	while (len) {
		gfn_t gfn = gpa_to_gfn(gpa);
		struct kvm_memory_slot *slot = usable_slot(kvm, gfn, true);
		size_t n = in_page(gpa, len);

		if (!slot)
			return -EFAULT;
		if (data ? os_copy_to(host_address(slot, gpa), data, n)
			 : os_clear(host_address(slot, gpa), n))
			return -EFAULT;
		kvm_mark_page_dirty_in_slot(slot, gfn);
		data = data ? (const char *)data + n : NULL;
		gpa.v += n;
		len -= n;
	}
	return 0;
}

int kvm_write_guest(struct kvm *kvm, gpa_t gpa, const void *data, size_t len)
{
	return write_guest(kvm, gpa, data, len);
}

int kvm_clear_guest(struct kvm *kvm, gpa_t gpa, size_t len)
{
	return write_guest(kvm, gpa, NULL, len);
}
