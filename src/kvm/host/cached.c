/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/host/cached.h"

#include <errno.h>

#include "kvm/host/backing.h"
#include "kvm/host/policy.h"
#include "os/uaccess.h"

int kvm_gfn_to_hva_cache_init(struct kvm *kvm, struct gfn_to_hva_cache *ghc, gpa_t gpa, size_t len)
{
	uint64_t offset = gpa.v & ~PAGE_MASK;
	gfn_t first, last;

	gpa = kvm_addr_without_alias(kvm, gpa);
	first = gpa_to_gfn(gpa);
	last = gpa_to_gfn(GPA(gpa.v + len - 1));
	/* Before the look-up: of newer slots it is asked once more, of older ones never used. */
	ghc->generation = kvm_memslots_generation(kvm, 0);
	ghc->hva = KVM_HVA_BAD;
	ghc->memslot = NULL;
	if (first.v > last.v)
		return -EINVAL;
	for (gfn_t gfn = first; gfn.v <= last.v; gfn.v++) {
		ghc->memslot = backing_slot(kvm, gfn, true);
		if (!ghc->memslot)
			return -EFAULT;
	}
	ghc->hva = HVA(kvm_slot_hva(ghc->memslot, last).v + offset);
	if (first.v != last.v)
		ghc->memslot = NULL;
	ghc->gpa = gpa;
	ghc->len = len;
	return 0;
}

/* The translation is of the slots that there are.  -EINVAL, -EFAULT: see cached.h. */
static int make_current(struct kvm *kvm, struct gfn_to_hva_cache *ghc, size_t offset, size_t len)
{
	if (offset > ghc->len || len > ghc->len - offset)
		return -EINVAL;
	if (ghc->generation != kvm_memslots_generation(kvm, 0) &&
	    kvm_gfn_to_hva_cache_init(kvm, ghc, ghc->gpa, ghc->len))
		return -EFAULT;
	return ghc->hva.v == KVM_HVA_BAD.v ? -EFAULT : 0;
}

static void *address(const struct gfn_to_hva_cache *ghc, size_t offset)
{
	return (void *)(uintptr_t)(ghc->hva.v + offset);
}

int kvm_read_guest_offset_cached(struct kvm *kvm, struct gfn_to_hva_cache *ghc, void *data,
				 size_t offset, size_t len)
{
	int r = make_current(kvm, ghc, offset, len);

	if (r)
		return r;
	if (unlikely(!ghc->memslot))
		return kvm_read_guest(kvm, GPA(ghc->gpa.v + offset), data, len);
	if (!host_may(kvm, ghc->memslot, gpa_to_gfn(ghc->gpa), HOST_READ))
		return -EFAULT;
	return os_copy_from(data, address(ghc, offset), len) ? -EFAULT : 0;
}

int kvm_write_guest_offset_cached(struct kvm *kvm, struct gfn_to_hva_cache *ghc, const void *data,
				  size_t offset, size_t len)
{
	int r = make_current(kvm, ghc, offset, len);

	if (r)
		return r;
	if (unlikely(!ghc->memslot))
		return kvm_write_guest(kvm, GPA(ghc->gpa.v + offset), data, len);
	if (!host_may(kvm, ghc->memslot, gpa_to_gfn(ghc->gpa), HOST_WRITE) ||
	    !backing_may_store(kvm, address(ghc, offset)) ||
	    os_copy_to(address(ghc, offset), data, len))
		return -EFAULT;
	kvm_mark_page_dirty_in_slot(ghc->memslot, gpa_to_gfn(ghc->gpa));
	return 0;
}
