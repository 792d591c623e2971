/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * irqchip.c - a VM's interrupt controllers: created, and what KVM_ENABLE_CAP
 * says about them.
 */
#include "kvm/vm/irqchip.h"

#include <errno.h>

#include "base/bits.h"
#include "kvm/irq/ioapic.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/pic.h"
#include "kvm/irq/pit.h"
#include "kvm/irq/routing.h"

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
	int r = 0;

	mutex_lock(&kvm->lock);
	if (kvm->irq->mode != IRQCHIP_NONE)
		r = -EEXIST;
	else if (atomic32_load(&kvm->created_vcpus))
		r = -EINVAL;
	if (!r) {
		mutex_lock(&kvm->slots_lock);
		r = kvm_irq_make_chips(kvm);
		mutex_unlock(&kvm->slots_lock);
	}
	if (!r)
		r = set_mode_locked(kvm, IRQCHIP_KERNEL, -EINVAL);
	mutex_unlock(&kvm->lock);
	return r;
}

int kvm_vm_create_pit(struct kvm *kvm, const struct kvm_pit_config *config)
{
	int r;

	mutex_lock(&kvm->lock);
	if (kvm->irq->pit)
		r = -EEXIST;
	else if (kvm->irq->mode != IRQCHIP_KERNEL)
		r = -ENOENT;
	else {
		mutex_lock(&kvm->slots_lock);
		r = kvm_irq_make_pit(kvm, config->flags & KVM_PIT_SPEAKER_DUMMY);
		mutex_unlock(&kvm->slots_lock);
	}
	mutex_unlock(&kvm->lock);
	return r;
}

int kvm_vm_get_irqchip(struct kvm *kvm, struct kvm_irqchip *chip)
{
	if (kvm->irq->mode != IRQCHIP_KERNEL)
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER: case KVM_IRQCHIP_PIC_SLAVE:
		pic_save(kvm->irq->pic, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_save(kvm->irq->ioapic, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

int kvm_vm_set_irqchip(struct kvm *kvm, const struct kvm_irqchip *chip)
{
	if (kvm->irq->mode != IRQCHIP_KERNEL)
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER: case KVM_IRQCHIP_PIC_SLAVE:
		pic_load(kvm->irq->pic, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		ioapic_load(kvm->irq->ioapic, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

int kvm_vm_irq_line(struct kvm *kvm, struct kvm_irq_level *line)
{
	if (kvm->irq->mode == IRQCHIP_NONE)
		return -ENXIO;
	line->status = kvm_set_irq(kvm, IRQ_SOURCE_USER, line->irq, line->level);
	return 0;
}

int kvm_vm_set_gsi_routing(struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			   unsigned nr)
{
	return irq_routing_set(kvm, entries, nr);
}

int kvm_vm_get_pit(struct kvm *kvm, struct kvm_pit_state2 *state)
{
	if (!kvm->irq->pit)
		return -ENXIO;
	pit_save(kvm->irq->pit, state);
	return 0;
}

int kvm_vm_set_pit(struct kvm *kvm, const struct kvm_pit_state2 *state, bool old)
{
	if (!kvm->irq->pit)
		return -ENXIO;
	pit_load(kvm->irq->pit, state, old);
	return 0;
}

int kvm_vm_reinject_control(struct kvm *kvm, const struct kvm_reinject_control *control)
{
	if (!kvm->irq->pit)
		return -ENXIO;
	pit_set_reinject(kvm->irq->pit, control->pit_reinject);
	return 0;
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
