/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/host/access.h"

#include <errno.h>
#include <string.h>

#include "kvm/host/backing.h"
#include "os/uaccess.h"

/* Bytes of @len at @gpa that lie in its page. */
static size_t in_page(gpa_t gpa, size_t len)
{
	size_t room = PAGE_SIZE - (gpa.v & ~PAGE_MASK);

	return MIN(room, len);
}

int kvm_read_guest(struct kvm *kvm, gpa_t gpa, void *data, size_t len)
{
	gpa = kvm_addr_without_alias(kvm, gpa);
	while (len) {
		struct kvm_memory_slot *slot = backing_slot(kvm, gpa_to_gfn(gpa), false);
		size_t n = in_page(gpa, len);

		if (!slot || os_copy_from(data, backing_address(slot, gpa), n))
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
		struct kvm_memory_slot *slot = backing_slot(kvm, gfn, true);
		size_t n = in_page(gpa, len);

		if (!slot || !backing_may_store(kvm, backing_address(slot, gpa)))
			return -EFAULT;
		if (data ? os_copy_to(backing_address(slot, gpa), data, n)
			 : os_clear(backing_address(slot, gpa), n))
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

bool kvm_guest_is_writable(struct kvm *kvm, gpa_t gpa, size_t len)
{
	uint64_t last = gpa.v + len - 1;

	if (last < gpa.v)
		return false;
	for (gfn_t gfn = gpa_to_gfn(gpa); gfn.v <= last >> PAGE_SHIFT; gfn.v++) {
		if (!backing_slot(kvm, gfn, true))
			return false;
	}
	return true;
}

#define DEFINE_CAS(bits)						\
static int cas##bits(void *p, void *old, const void *new)		\
{									\
	uint##bits##_t want, v;						\
	enum os_cas r;							\
									\
	memcpy(&want, old, sizeof(want));				\
	memcpy(&v, new, sizeof(v));					\
	r = os_cas##bits(p, &want, v);					\
	memcpy(old, &want, sizeof(want));				\
	return r == OS_CAS_FAULT ? -EFAULT : r == OS_CAS_WON;		\
}
DEFINE_CAS(8)
DEFINE_CAS(16)
DEFINE_CAS(32)
DEFINE_CAS(64)

int kvm_cmpxchg_guest(struct kvm *kvm, gpa_t gpa, void *old, const void *new, unsigned size)
{
	struct kvm_memory_slot *slot;
	void *p;
	int r;

	gpa = kvm_addr_without_alias(kvm, gpa);
	slot = backing_slot(kvm, gpa_to_gfn(gpa), true);
	if (!slot)
		return -EFAULT;
	p = backing_address(slot, gpa);
	if (!backing_may_store(kvm, p))
		return -EFAULT;
	r = size == 1 ? cas8(p, old, new) : size == 2 ? cas16(p, old, new) :
	    size == 4 ? cas32(p, old, new) : cas64(p, old, new);
	if (r >= 0)			/* as the kernel: lost ones count too */
		kvm_mark_page_dirty_in_slot(slot, gpa_to_gfn(gpa));
	return r;
}
