/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * irqchip.c - a VM's interrupt controllers: created, and what KVM_ENABLE_CAP
 * says about them.
 */
#include "kvm/vm/irqchip.h"

#include <errno.h>

#include "base/bits.h"
#include "kvm/irq/irq.h"

#define MAX_DIVIDE	128ull

static int set_mode_locked(struct kvm *kvm, enum irqchip_mode mode, int too_late)
{
	if (kvm->irq->mode != IRQCHIP_NONE)
		return -EEXIST;
	if (atomic32_load(&kvm->created_vcpus))
		return too_late;
	kvm->irq->mode = mode;
	kvm->caps.irqchip = true;
	return 0;
}

int kvm_vm_create_irqchip(struct kvm *kvm)
{
	int r;

	mutex_lock(&kvm->lock);
	r = set_mode_locked(kvm, IRQCHIP_KERNEL, -EINVAL);
	mutex_unlock(&kvm->lock);
	return r;
}

int kvm_irq_split(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	int r;

	if (cap->args[0] > IOAPIC_MAX_RESERVED_PINS)
		return -EINVAL;
	r = set_mode_locked(kvm, IRQCHIP_SPLIT, -EEXIST);
	if (!r)
		kvm->irq->nr_reserved_pins = (uint16_t)cap->args[0];
	return r;
}

int kvm_irq_x2apic_api(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	if (cap->args[0] & ~(uint64_t)X2APIC_API_FLAGS)
		return -EINVAL;
	if (cap->args[0] & KVM_X2APIC_API_USE_32BIT_IDS)
		kvm->irq->x2apic_format = true;
	if (cap->args[0] & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		kvm->irq->x2apic_broadcast_quirk_disabled = true;
	return 0;
}

int kvm_irq_bus_cycle(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	uint64_t ns = cap->args[0], most;

	/* The longest count must fit into 64 bits of nanoseconds. */
	if (!ns || __builtin_mul_overflow(UINT32_MAX * MAX_DIVIDE, ns, &most))
		return -EINVAL;
	if (kvm->irq->mode == IRQCHIP_NONE)
		return -ENXIO;
	if (atomic32_load(&kvm->created_vcpus))
		return -EINVAL;
	kvm->irq->bus_cycle_ns = ns;
	return 0;
}
