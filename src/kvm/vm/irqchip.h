/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * irqchip.h - capabilities of the interrupt controllers, for caps.c.
 *
 * Each with kvm->lock held.  0, -EINVAL, -EEXIST, -ENXIO as the kernel's.
 */
#pragma once
#include "kvm/vm/vm.h"

#define IOAPIC_MAX_RESERVED_PINS 4096	/* MAX_NR_RESERVED_IOAPIC_PINS */
#define X2APIC_API_FLAGS	(KVM_X2APIC_API_USE_32BIT_IDS | \
				 KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

MUST_CHECK int kvm_irq_split(struct kvm *kvm, const struct kvm_enable_cap *cap);
MUST_CHECK int kvm_irq_x2apic_api(struct kvm *kvm, const struct kvm_enable_cap *cap);
MUST_CHECK int kvm_irq_bus_cycle(struct kvm *kvm, const struct kvm_enable_cap *cap);
