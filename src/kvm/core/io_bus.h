/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * io_bus.h - devices behind MMIO addresses and ports: who takes an access
 * before it becomes an exit.  Spec kvm.md 8.3, 8.4.
 *
 * A bus is a sorted array that never changes: registering replaces it under
 * slots_lock, an access reads it inside kvm->srcu.  With no device on it an
 * access costs one load.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/list.h"
#include "base/macros.h"

struct kvm;
struct kvm_vcpu;
struct kvm_coalesced_mmio_zone;
struct kvm_io_device;

enum kvm_bus {
	KVM_MMIO_BUS,
	KVM_PIO_BUS,
	KVM_VIRTIO_CCW_NOTIFY_BUS,	/* other architectures' */
	KVM_FAST_MMIO_BUS,		/* by address alone, before an instruction is decoded */
	KVM_NR_BUSES
};

#define KVM_MAX_IO_DEVICES	1000	/* NR_IOBUS_DEVS, ioeventfds not counted */

/* True: it was this device's.  Called inside kvm->srcu by the vCPU's thread. */
struct kvm_io_device_ops {
	bool	(*read)(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
			void *data);
	bool	(*write)(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr, unsigned len,
			 const void *data);
	void	(*destroy)(struct kvm_io_device *dev);	/* nobody is inside */
	bool	is_ioeventfd;
};

struct kvm_io_device {
	const struct kvm_io_device_ops *ops;
};

/* For devices that are only written. */
bool kvm_io_device_no_read(struct kvm_vcpu *vcpu, struct kvm_io_device *dev, gpa_t addr,
			   unsigned len, void *data);

/*
 * slots_lock held.  @dev answers for [addr, addr + len), or for @addr alone
 * when @len is 0; several may lie over another and are asked in order of
 * address.  -ENOSPC, -ENOMEM.  unregister waits until nobody is inside and
 * does not destroy @dev; without memory it takes the whole bus away
 * (destroying the others) and answers -ENOMEM, as the kernel's does.
 */
MUST_CHECK int kvm_io_bus_register(struct kvm *kvm, enum kvm_bus bus, gpa_t addr, uint64_t len,
				   struct kvm_io_device *dev);
MUST_CHECK int kvm_io_bus_unregister(struct kvm *kvm, enum kvm_bus bus, struct kvm_io_device *dev);

/* The vCPU's thread, inside kvm->srcu.  False: nobody's. */
bool kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned len,
		      const void *data);
bool kvm_io_bus_read(struct kvm_vcpu *vcpu, enum kvm_bus bus, gpa_t addr, unsigned len, void *data);

/* At the end of the VM: destroys what is still there. */
void kvm_io_buses_destroy(struct kvm *kvm);

/*
 * KVM_REGISTER_COALESCED_MMIO: writes within @zone go to the VM's ring as long
 * as it has room.  -EINVAL, -ENOSPC, -ENOMEM.  Unregistering takes away the zones
 * that lie within @zone.
 */
MUST_CHECK int kvm_coalesced_register(struct kvm *kvm, const struct kvm_coalesced_mmio_zone *zone);
MUST_CHECK int kvm_coalesced_unregister(struct kvm *kvm,
					const struct kvm_coalesced_mmio_zone *zone);
