/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * coalesced.c - writes that wait in the VM's ring instead of being an exit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/core/io_bus.h"
#include "kvm/core/kvm.h"

#define RING_ENTRIES KVM_COALESCED_MMIO_MAX

struct zone {
	struct kvm_io_device		dev;
	struct kvm			*kvm;
	struct kvm_coalesced_mmio_zone	zone;
	struct list			link;	/* kvm->coalesced_zones, [S] */
};

static struct zone *zone_of(struct kvm_io_device *dev)
{
	return container_of(dev, struct zone, dev);
}

static bool is_within(const struct zone *z, uint64_t addr, uint64_t len)
{
	return addr + len >= addr && addr >= z->zone.addr &&
	       addr + len <= z->zone.addr + z->zone.size;
}

/* The VMM owns both indices: read once, believed when in range. */
static bool put(struct kvm_coalesced_mmio_ring *ring, const struct zone *z, uint64_t addr,
		unsigned len, const void *data)
{
	uint32_t at = sync_word32_load(&ring->last);
	struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[at];

	if (at >= RING_ENTRIES || (at + 1) % RING_ENTRIES == sync_word32_load(&ring->first))
		return false;
	e->phys_addr = addr;
	e->len = len;
	memcpy(e->data, data, len);
	e->pio = z->zone.pio;
	sync_word32_store(&ring->last, (at + 1) % RING_ENTRIES);
	return true;
}

static bool take_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
		  const void *data)
{
	struct zone *z = zone_of(dev);
	bool taken;

	if (!is_within(z, addr.v, len))
		return false;
	spin_lock(&z->kvm->ring_lock);
	taken = put(z->kvm->coalesced_ring, z, addr.v, len, data);
	spin_unlock(&z->kvm->ring_lock);
	return taken;
}

static void destroy(struct kvm_io_device *dev)
{
	list_del(&zone_of(dev)->link);
	free(zone_of(dev));
}

static const struct kvm_io_device_ops ops = {
	.read = kvm_io_device_no_read,
	.write = take_write,
	.destroy = destroy,
};

static enum kvm_bus bus_of(const struct kvm_coalesced_mmio_zone *zone)
{
	return zone->pio ? KVM_PIO_BUS : KVM_MMIO_BUS;
}

int kvm_coalesced_register(struct kvm *kvm, const struct kvm_coalesced_mmio_zone *zone)
{
	struct zone *z;
	int r;

	if (zone->pio > 1)
		return -EINVAL;
	z = calloc(1, sizeof(*z));
	if (!z)
		return -ENOMEM;
	z->dev.ops = &ops;
	z->kvm = kvm;
	z->zone = *zone;
	mutex_lock(&kvm->slots_lock);
	r = kvm_io_bus_register(kvm, bus_of(zone), GPA(zone->addr), zone->size, &z->dev);
	if (!r)
		list_add_tail(&kvm->coalesced_zones, &z->link);
	mutex_unlock(&kvm->slots_lock);
	if (r)
		free(z);
	return r;
}

/*
 * A zone goes when the *given* range lies within it.  Where there is no memory
 * for a smaller bus all devices on it have gone, which is what was asked for and more.
 */
int kvm_coalesced_unregister(struct kvm *kvm, const struct kvm_coalesced_mmio_zone *zone)
{
	struct zone *z, *next;

	if (zone->pio > 1)
		return -EINVAL;
	mutex_lock(&kvm->slots_lock);
	list_for_each_safe(z, next, &kvm->coalesced_zones, link) {
		int r;

		if (z->zone.pio != zone->pio || !is_within(z, zone->addr, zone->size))
			continue;
		r = kvm_io_bus_unregister(kvm, bus_of(zone), &z->dev);
		destroy(&z->dev);
		if (r)
			break;
	}
	mutex_unlock(&kvm->slots_lock);
	return 0;
}
