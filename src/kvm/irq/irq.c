/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/irq/irq.h"

#include <errno.h>
#include <stdlib.h>

int kvm_irq_create(struct kvm *kvm)
{
	struct kvm_irq *irq = calloc(1, sizeof(*irq));

	if (!irq)
		return -ENOMEM;
	irq->bus_cycle_ns = APIC_BUS_CYCLE_NS;
	mutex_init(&irq->map_lock, "apic_map", RANK_APIC_MAP);
	kvm->irq = irq;
	return 0;
}

void kvm_irq_destroy(struct kvm *kvm)
{
	struct kvm_irq *irq = kvm->irq;

	if (!irq)
		return;
	free(irq->map);
	mutex_fini(&irq->map_lock);
	free(irq);
	kvm->irq = NULL;
}

void irq_eoi(struct lapic *apic, uint8_t vector, bool level)
{
}

bool irq_eoi_is_wanted(const struct lapic *apic, uint8_t vector)
{
	return false;
}

void irq_lapic_restored(struct lapic *apic)
{
}
