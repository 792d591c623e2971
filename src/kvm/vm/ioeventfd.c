/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vm/ioeventfd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/core/kvm.h"
#include "os/file.h"

struct ioeventfd {
	struct kvm_io_device	dev;
	struct list		link;		/* kvm->ioeventfds, [S] */
	uint64_t		addr, datamatch;
	uint64_t		eventfd;	/* which one */
	unsigned		len;		/* 0: any */
	int			held;		/* our own descriptor for it */
	enum kvm_bus		bus;
	bool			wildcard;
};

static struct ioeventfd *of_dev(struct kvm_io_device *dev)
{
	return container_of(dev, struct ioeventfd, dev);
}

static bool matches(const struct ioeventfd *p, uint64_t addr, unsigned len, const void *data)
{
	uint64_t value = 0;

	if (addr != p->addr)
		return false;
	if (!p->len)
		return true;
	if (len != p->len)
		return false;
	if (p->wildcard)
		return true;
	memcpy(&value, data, len);	/* 1, 2, 4 or 8: what may be assigned */
	return value == p->datamatch;
}

static bool take_write(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
		       const void *data)
{
	struct ioeventfd *p = of_dev(dev);

	if (!matches(p, addr.v, len, data))
		return false;
	os_eventfd_signal(p->held);
	return true;
}

static void destroy(struct kvm_io_device *dev)
{
	struct ioeventfd *p = of_dev(dev);

	os_close(p->held);
	list_del(&p->link);
	free(p);
}

static const struct kvm_io_device_ops ops = {
	.read = kvm_io_device_no_read,
	.write = take_write,
	.destroy = destroy,
	.is_ioeventfd = true,
};

/* Both could answer one write. */
static bool collides(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->bus != b->bus || a->addr != b->addr)
		return false;
	if (!a->len || !b->len)
		return true;
	return a->len == b->len &&
	       (a->wildcard || b->wildcard || a->datamatch == b->datamatch);
}

/* slots_lock held. */
static int add(struct kvm *kvm, struct ioeventfd *p)
{
	struct ioeventfd *other;
	int r;

	list_for_each(other, &kvm->ioeventfds, link) {
		if (collides(other, p))
			return -EEXIST;
	}
	r = kvm_io_bus_register(kvm, p->bus, GPA(p->addr), p->len, &p->dev);
	if (!r)
		list_add_tail(&kvm->ioeventfds, &p->link);
	return r;
}

static int assign_on(struct kvm *kvm, enum kvm_bus bus, const struct kvm_ioeventfd *args)
{
	struct ioeventfd *p;
	uint64_t eventfd;
	int held = os_eventfd_hold(args->fd, &eventfd), r = -ENOMEM;

	if (held < 0)
		return held;
	p = calloc(1, sizeof(*p));
	if (!p)
		goto out_close;
	*p = (struct ioeventfd){
		.dev = { &ops }, .addr = args->addr, .datamatch = args->datamatch,
		.eventfd = eventfd, .len = args->len, .held = held, .bus = bus,
		.wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
	};
	mutex_lock(&kvm->slots_lock);
	r = add(kvm, p);
	mutex_unlock(&kvm->slots_lock);
	if (!r)
		return 0;
	free(p);
out_close:
	os_close(held);
	return r;
}

static bool is_the_one(const struct ioeventfd *p, enum kvm_bus bus, uint64_t eventfd,
		       const struct kvm_ioeventfd *args)
{
	return p->bus == bus && p->eventfd == eventfd && p->addr == args->addr &&
	       p->len == args->len &&
	       p->wildcard == !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH) &&
	       (p->wildcard || p->datamatch == args->datamatch);
}

static int deassign_on(struct kvm *kvm, enum kvm_bus bus, const struct kvm_ioeventfd *args)
{
	struct ioeventfd *p;
	uint64_t eventfd;
	int r = os_eventfd_id(args->fd, &eventfd);

	if (r)
		return r;
	r = -ENOENT;
	mutex_lock(&kvm->slots_lock);
	list_for_each(p, &kvm->ioeventfds, link) {
		if (!is_the_one(p, bus, eventfd, args))
			continue;
		/* Without memory the others have gone with it: it is what was asked for. */
		if (kvm_io_bus_unregister(kvm, bus, &p->dev))
			r = 0;
		destroy(&p->dev);
		r = 0;
		break;
	}
	mutex_unlock(&kvm->slots_lock);
	return r;
}

static enum kvm_bus bus_of(uint32_t flags)
{
	if (flags & KVM_IOEVENTFD_FLAG_PIO)
		return KVM_PIO_BUS;
	if (flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)
		return KVM_VIRTIO_CCW_NOTIFY_BUS;
	return KVM_MMIO_BUS;
}

/* MMIO of any length is also found by its address alone. */
static bool is_fast(enum kvm_bus bus, const struct kvm_ioeventfd *args)
{
	return bus == KVM_MMIO_BUS && !args->len;
}

static int deassign(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	enum kvm_bus bus = bus_of(args->flags);
	int r = deassign_on(kvm, bus, args);

	if (is_fast(bus, args) && deassign_on(kvm, KVM_FAST_MMIO_BUS, args) && !r)
		kvm_vm_bugged(kvm, "an ioeventfd was on one of its two buses");
	return r;
}

int kvm_vm_ioeventfd(struct kvm *kvm, const struct kvm_ioeventfd *args)
{
	enum kvm_bus bus = bus_of(args->flags);
	int r;

	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		return deassign(kvm, args);
	if (args->len > 8 || (args->len & (args->len - 1)))
		return -EINVAL;
	if (args->addr + args->len < args->addr || args->flags & ~KVM_IOEVENTFD_VALID_FLAG_MASK)
		return -EINVAL;
	if (!args->len && (args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH))
		return -EINVAL;
	r = assign_on(kvm, bus, args);
	if (r || !is_fast(bus, args))
		return r;
	r = assign_on(kvm, KVM_FAST_MMIO_BUS, args);
	if (r && deassign_on(kvm, bus, args))
		kvm_vm_bugged(kvm, "an ioeventfd that was just assigned is not there");
	return r;
}
