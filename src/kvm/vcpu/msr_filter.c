/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/msr_filter.h"

#include <stdlib.h>

#include "base/bits.h"

#define X2APIC_FIRST	0x800u
#define X2APIC_LAST	0x8ffu

static bool covers(const struct msr_filter_range *r, uint32_t index, uint32_t access)
{
	return index >= r->base && index < r->base + r->nr && (r->flags & access);
}

bool msr_filter_allows(struct kvm *kvm, uint32_t index, uint32_t access)
{
	const struct msr_filter *f = atomicptr_load_acquire(&kvm->msr_filter);

	if (likely(!f) || (index >= X2APIC_FIRST && index <= X2APIC_LAST))
		return true;
	for (unsigned i = 0; i < f->nr_ranges; i++) {
		const struct msr_filter_range *r = &f->ranges[i];
		uint32_t bit = index - r->base;

		if (covers(r, index, access))
			return r->bits[bit / 8] >> (bit % 8) & 1;
	}
	return f->default_allow;
}

void msr_filter_free(struct msr_filter *filter)
{
	if (!filter)
		return;
	for (unsigned i = 0; i < filter->nr_ranges; i++)
		free(filter->ranges[i].bits);
	free(filter);
}

void msr_filter_install(struct kvm *kvm, struct msr_filter *filter)
{
	struct msr_filter *old;

	mutex_lock(&kvm->lock);
	old = atomicptr_load(&kvm->msr_filter);
	atomicptr_store_release(&kvm->msr_filter, filter);
	mutex_unlock(&kvm->lock);
	srcu_synchronize(&kvm->srcu);
	msr_filter_free(old);
}
