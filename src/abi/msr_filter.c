/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_filter.c - KVM_X86_SET_MSR_FILTER: the VMM's bitmaps, checked and copied.
 */
#include "kvm/vcpu/msr_filter.h"

#include <errno.h>
#include <stdlib.h>

#include "abi/ioctl.h"
#include "os/uaccess.h"

#define KNOWN_RANGE_FLAGS	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

/* Whole words, as the kernel counts them; 0: not a size. */
static size_t bitmap_size(uint32_t nr)
{
	size_t size = ((size_t)nr + 63) / 64 * 8;

	return size > KVM_MSR_FILTER_MAX_BITMAP_SIZE ? 0 : size;
}

static int add_range(struct msr_filter *f, const struct kvm_msr_filter_range *user)
{
	size_t size = bitmap_size(user->nmsrs);
	uint8_t *bits;

	if (!user->nmsrs)
		return 0;
	if (!size || !user->flags || (user->flags & ~KNOWN_RANGE_FLAGS))
		return -EINVAL;
	bits = malloc(size);
	if (!bits)
		return -ENOMEM;
	if (os_copy_from(bits, user->bitmap, size)) {
		free(bits);
		return -EFAULT;
	}
	f->ranges[f->nr_ranges++] = (struct msr_filter_range){
		.flags = user->flags, .base = user->base, .nr = user->nmsrs, .bits = bits,
	};
	return 0;
}

static bool is_empty(const struct kvm_msr_filter *user)
{
	for (unsigned i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++) {
		if (user->ranges[i].nmsrs)
			return false;
	}
	return true;
}

long abi_set_msr_filter(struct ioctl_call *c)
{
	const struct kvm_msr_filter *user = c->data;
	struct msr_filter *f;
	int r = 0;

	if (user->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	if (is_empty(user) && user->flags)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->default_allow = !user->flags;
	for (unsigned i = 0; i < KVM_MSR_FILTER_MAX_RANGES && !r; i++)
		r = add_range(f, &user->ranges[i]);
	if (r) {
		msr_filter_free(f);
		return r;
	}
	msr_filter_install(c->file->kvm, f);
	return 0;
}
