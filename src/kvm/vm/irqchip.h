/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * irqchip.h - a VM's interrupt controllers, by ioctl and by capability.
 *
 * 0, -EINVAL, -EEXIST, -ENXIO (not in the kernel), -ENOENT as the kernel's.
 */
#pragma once
#include "kvm/vm/vm.h"

#define IOAPIC_MAX_RESERVED_PINS 4096	/* MAX_NR_RESERVED_IOAPIC_PINS */
#define X2APIC_API_FLAGS	(KVM_X2APIC_API_USE_32BIT_IDS | \
				 KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

MUST_CHECK int kvm_vm_create_pit(struct kvm *kvm, const struct kvm_pit_config *config);
MUST_CHECK int kvm_vm_get_irqchip(struct kvm *kvm, struct kvm_irqchip *chip);
MUST_CHECK int kvm_vm_set_irqchip(struct kvm *kvm, const struct kvm_irqchip *chip);
/* line->status: how many got it, 0 coalesced, -1 nobody. */
MUST_CHECK int kvm_vm_irq_line(struct kvm *kvm, struct kvm_irq_level *line);
MUST_CHECK int kvm_vm_set_gsi_routing(struct kvm *kvm,
				      const struct kvm_irq_routing_entry *entries, unsigned nr);
MUST_CHECK int kvm_vm_get_pit(struct kvm *kvm, struct kvm_pit_state2 *state);
MUST_CHECK int kvm_vm_set_pit(struct kvm *kvm, const struct kvm_pit_state2 *state, bool old);
MUST_CHECK int kvm_vm_reinject_control(struct kvm *kvm,
				       const struct kvm_reinject_control *control);

/* KVM_ENABLE_CAP: kvm->lock held. */
MUST_CHECK int kvm_irq_split(struct kvm *kvm, const struct kvm_enable_cap *cap);
MUST_CHECK int kvm_irq_x2apic_api(struct kvm *kvm, const struct kvm_enable_cap *cap);
MUST_CHECK int kvm_irq_bus_cycle(struct kvm *kvm, const struct kvm_enable_cap *cap);
