/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/host/access.h"

#include <errno.h>
#include <string.h>

#include "kvm/host/backing.h"
#include "kvm/host/policy.h"
#include "os/uaccess.h"

/* Bytes of @len at @gpa that lie in its page. */
static size_t in_page(gpa_t gpa, size_t len)
{
	size_t room = PAGE_SIZE - (gpa.v & ~PAGE_MASK);

	return MIN(room, len);
}

/* [@gpa, @gpa + @len) lies in one page.  Without bytes the slot is asked for all the same. */
static int read_page(struct kvm *kvm, gpa_t gpa, void *data, size_t len)
{
	struct kvm_memory_slot *slot = backing_slot(kvm, gpa_to_gfn(gpa), false);

	if (!slot || !host_may(kvm, slot, gpa_to_gfn(gpa), HOST_READ))
		return -EFAULT;
	return os_copy_from(data, backing_address(slot, gpa), len) ? -EFAULT : 0;
}

/* The same; @data NULL: zeros. */
static int write_page(struct kvm *kvm, gpa_t gpa, const void *data, size_t len)
{
	struct kvm_memory_slot *slot = backing_slot(kvm, gpa_to_gfn(gpa), true);
	void *to;

	if (!slot)
		return -EFAULT;
	to = backing_address(slot, gpa);
	/* Without a store nobody is in its way. */
	if (len && (!host_may(kvm, slot, gpa_to_gfn(gpa), HOST_WRITE) || !backing_may_store(kvm, to)))
		return -EFAULT;
	if (data ? os_copy_to(to, data, len) : os_clear(to, len))
		return -EFAULT;
	kvm_mark_page_dirty_in_slot(slot, gpa_to_gfn(gpa));
	return 0;
}

int kvm_read_guest(struct kvm *kvm, gpa_t gpa, void *data, size_t len)
{
	gpa = kvm_addr_without_alias(kvm, gpa);
	while (len) {
		size_t n = in_page(gpa, len);

		if (read_page(kvm, gpa, data, n))
			return -EFAULT;
		data = (char *)data + n;
		gpa.v += n;
		len -= n;
	}
	return 0;
}

static int write_guest(struct kvm *kvm, gpa_t gpa, const void *data, size_t len)
{
	gpa = kvm_addr_without_alias(kvm, gpa);
	while (len) {
		size_t n = in_page(gpa, len);

		if (write_page(kvm, gpa, data, n))
			return -EFAULT;
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

/* False: beyond the page's end. */
static bool in_one_page(size_t offset, size_t len)
{
	return offset <= PAGE_SIZE && len <= PAGE_SIZE - offset;
}

static gpa_t byte_of(const struct kvm *kvm, gfn_t gfn, size_t offset)
{
	return GPA(kvm_addr_without_alias(kvm, gfn_to_gpa(gfn)).v + offset);
}

int kvm_read_guest_page(struct kvm *kvm, gfn_t gfn, void *data, size_t offset, size_t len)
{
	if (!in_one_page(offset, len))
		return -EFAULT;
	return read_page(kvm, byte_of(kvm, gfn, offset), data, len);
}

int kvm_write_guest_page(struct kvm *kvm, gfn_t gfn, const void *data, size_t offset, size_t len)
{
	if (!in_one_page(offset, len))
		return -EFAULT;
	return write_page(kvm, byte_of(kvm, gfn, offset), data, len);
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
	return r == OS_CAS_FAULT ? -EFAULT :				\
	       r == OS_CAS_WON ? KVM_CMPXCHG_DONE : KVM_CMPXCHG_LOST;		\
}
DEFINE_CAS(8)
DEFINE_CAS(16)
DEFINE_CAS(32)
DEFINE_CAS(64)

/* An exchange that can be done as one. */
static int cmpxchg_at(void *p, void *old, const void *new, unsigned size)
{
	return size == 1 ? cas8(p, old, new) : size == 2 ? cas16(p, old, new) :
	       size == 4 ? cas32(p, old, new) : cas64(p, old, new);
}

int kvm_cmpxchg_guest(struct kvm *kvm, gpa_t gpa, void *old, const void *new, unsigned size)
{
	struct kvm_memory_slot *slot;
	void *p;
	int r;

	if (size > 8 || !size || (size & (size - 1)) || in_page(gpa, size) < size)
		return KVM_CMPXCHG_PLAIN_WRITE;
	gpa = kvm_addr_without_alias(kvm, gpa);
	slot = backing_slot(kvm, gpa_to_gfn(gpa), true);
	if (!slot)
		return KVM_CMPXCHG_PLAIN_WRITE;
	p = backing_address(slot, gpa);
	if (!host_may(kvm, slot, gpa_to_gfn(gpa), HOST_EXCHANGE) || !backing_may_store(kvm, p))
		return -EFAULT;
	r = cmpxchg_at(p, old, new, size);
	if (r >= 0)			/* as the kernel: lost ones count too */
		kvm_mark_page_dirty_in_slot(slot, gpa_to_gfn(gpa));
	return r;
}
