/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/core/io_bus.h"

#include <errno.h>
#include <stdlib.h>

#include "kvm/core/kvm.h"

struct range {
	uint64_t		addr, len;
	struct kvm_io_device	*dev;
};

struct kvm_io_bus {
	unsigned	nr;
	unsigned	nr_devices;	/* without ioeventfds */
	uint64_t	longest;	/* of all ranges */
	struct range	range[];	/* by address, then by age */
};

bool kvm_io_device_no_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			   unsigned len, void *data)
{
	return false;
}

/* slots_lock held. */
static struct kvm_io_bus *bus_of(struct kvm *kvm, enum kvm_bus bus)
{
	return atomicptr_load_relaxed(&kvm->buses[bus]);
}

static void add(struct kvm_io_bus *b, struct range r)
{
	b->range[b->nr++] = r;
	b->nr_devices += !r.dev->ops->is_ioeventfd;
	b->longest = MAX(b->longest, r.len);
}

/* A copy of @old with @more (if it has a device) and without @less. */
static struct kvm_io_bus *copy(const struct kvm_io_bus *old, struct range more,
			       const struct kvm_io_device *less)
{
	unsigned nr = old ? old->nr : 0, i;
	struct kvm_io_bus *b = calloc(1, sizeof(*b) + (nr + 1) * sizeof(b->range[0]));

	if (!b)
		return NULL;
	for (i = 0; i < nr && (!more.dev || old->range[i].addr <= more.addr); i++)
		if (old->range[i].dev != less)
			add(b, old->range[i]);
	if (more.dev)
		add(b, more);
	for (; i < nr; i++)
		if (old->range[i].dev != less)
			add(b, old->range[i]);
	return b;
}

static void replace(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_bus *b)
{
	struct kvm_io_bus *old = atomicptr_xchg(&kvm->buses[bus], b);

	srcu_synchronize(&kvm->srcu);
	free(old);
}

int kvm_io_bus_register(struct kvm *kvm, enum kvm_bus bus, gpa_t addr, uint64_t len,
			struct kvm_io_device *dev)
{
	struct kvm_io_bus *old = bus_of(kvm, bus), *b;

	lock_assert_held_mutex(&kvm->slots_lock);
	if (!dev->ops->is_ioeventfd && old && old->nr_devices >= KVM_MAX_IO_DEVICES)
		return -ENOSPC;
	b = copy(old, (struct range){ addr.v, len, dev }, NULL);
	if (!b)
		return -ENOMEM;
	replace(kvm, bus, b);
	return 0;
}

int kvm_io_bus_unregister(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_device *dev)
{
	struct kvm_io_bus *b = copy(bus_of(kvm, bus), (struct range){ 0 }, dev), *lost;

	lock_assert_held_mutex(&kvm->slots_lock);
	if (b) {
		replace(kvm, bus, b);
		return 0;
	}
	lost = atomicptr_xchg(&kvm->buses[bus], NULL);
	srcu_synchronize(&kvm->srcu);
	for (unsigned i = 0; i < lost->nr; i++) {
		struct kvm_io_device *d = lost->range[i].dev;

		if (d != dev)
			d->ops->destroy(d);
	}
	free(lost);
	return -ENOMEM;
}

/* The first range that may reach @addr. */
static unsigned first_at(const struct kvm_io_bus *b, uint64_t addr)
{
	uint64_t from = addr > b->longest ? addr - b->longest : 0;
	unsigned low = 0, high = b->nr;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (b->range[middle].addr < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool contains(const struct range *r, uint64_t addr, unsigned len)
{
	return r->addr == addr ? !r->len || len <= r->len
			       : addr > r->addr && addr + len <= r->addr + r->len;
}

#define FOR_EACH_TAKER(b, i, at, nr_bytes)				\
	for (unsigned i = first_at(b, at); i < (b)->nr && (b)->range[i].addr <= (at); i++) \
		if (contains(&(b)->range[i], at, nr_bytes))

bool kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned len,
		      const void *data)
{
	const struct kvm_io_bus *b = atomicptr_load_acquire(&vcpu->kvm->buses[bus]);

	if (likely(!b))
		return false;
	FOR_EACH_TAKER(b, i, addr.v, len) {
		struct kvm_io_device *d = b->range[i].dev;

		if (d->ops->write(vcpu, d, addr, len, data))
			return true;
	}
	return false;
}

bool kvm_io_bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned len, void *data)
{
	const struct kvm_io_bus *b = atomicptr_load_acquire(&vcpu->kvm->buses[bus]);

	if (likely(!b))
		return false;
	FOR_EACH_TAKER(b, i, addr.v, len) {
		struct kvm_io_device *d = b->range[i].dev;

		if (d->ops->read(vcpu, d, addr, len, data))
			return true;
	}
	return false;
}

void kvm_io_buses_destroy(struct kvm *kvm)
{
	for (unsigned bus = 0; bus < KVM_NR_BUSES; bus++) {
		struct kvm_io_bus *b = bus_of(kvm, bus);

		for (unsigned i = 0; b && i < b->nr; i++)
			b->range[i].dev->ops->destroy(b->range[i].dev);
		free(b);
	}
}
