/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/irq/irq.h"

#include <errno.h>
#include <stdlib.h>

#include "kvm/core/request.h"
#include "kvm/irq/ioapic.h"
#include "kvm/irq/irqfd.h"
#include "kvm/irq/pic.h"
#include "kvm/irq/pit.h"
#include "kvm/irq/routing.h"

int kvm_irq_create(struct kvm *kvm)
{
	struct kvm_irq *irq = calloc(1, sizeof(*irq));
	int r;

	if (!irq)
		return -ENOMEM;
	irq->bus_cycle_ns = APIC_BUS_CYCLE_NS;
	mutex_init(&irq->map_lock, "apic_map", RANK_APIC_MAP);
	kvm->irq = irq;
	r = irq_routing_create(kvm);
	if (!r)
		return 0;
	kvm_irq_destroy(kvm);
	return r;
}

void kvm_irq_quiesce(struct kvm *kvm)
{
	kvm_irqfd_release(kvm);
	if (kvm->irq->pit)
		pit_stop(kvm->irq->pit);
}

void kvm_irq_destroy(struct kvm *kvm)
{
	struct kvm_irq *irq = kvm->irq;

	if (!irq)
		return;
	pit_destroy(irq->pit);
	ioapic_destroy(irq->ioapic);
	pic_destroy(irq->pic);
	irq_routing_destroy(kvm);
	free(irq->map);
	mutex_fini(&irq->map_lock);
	free(irq);
	kvm->irq = NULL;
}

int kvm_irq_make_chips(struct kvm *kvm)
{
	struct pic *pic = pic_create(kvm);
	struct ioapic *io = ioapic_create(kvm);
	int r = pic && io ? pic_register(pic) : -ENOMEM;

	if (!r)
		r = ioapic_register(io);
	if (!r)
		r = irq_routing_set_default(kvm);
	if (r) {
		/* Without a mode nobody reaches them; the bus lets go of them at the VM's end. */
		if (!pic || !io) {
			pic_destroy(pic);
			ioapic_destroy(io);
			return r;
		}
	}
	kvm->irq->pic = pic;
	kvm->irq->ioapic = io;
	return r;
}

int kvm_irq_make_pit(struct kvm *kvm, bool speaker)
{
	struct pit *pit = pit_create(kvm);
	int r;

	if (!pit)
		return -ENOMEM;
	kvm->irq->pit = pit;
	r = pit_register(pit, speaker);
	if (!r)
		return 0;
	kvm->irq->pit = NULL;
	pit_destroy(pit);
	return r;
}

bool irq_eoi_is_wanted(const struct lapic *apic, uint8_t vector)
{
	struct kvm *kvm = apic->vcpu->kvm;

	if (kvm->irq->mode == IRQCHIP_KERNEL)
		return kvm->irq->ioapic && ioapic_handles(kvm->irq->ioapic, vector);
	return irq_routing_wants_eoi(kvm, (struct lapic *)apic, vector);
}

void irq_eoi(struct lapic *apic, uint8_t vector, bool level)
{
	struct kvm *kvm = apic->vcpu->kvm;

	if (!irq_eoi_is_wanted(apic, vector))
		return;
	if (kvm->irq->mode == IRQCHIP_KERNEL) {
		ioapic_eoi(kvm->irq->ioapic, vector, level);
		return;
	}
	atomic32_store(&apic->ioapic_eoi, vector + 1u);
	kvm_make_request(KVM_REQ_IOAPIC_EOI_EXIT, apic->vcpu);
}
