/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/irq.h"

#include "kvm/vcpu/vcpu.h"

/* Interrupts by KVM_INTERRUPT on a split irqchip wait here; others are injected at once. */
static bool has_external(const struct vcpu *v)
{
	return v->lapic ? v->events.external_vector >= 0 : v->events.interrupt.injected;
}

bool vcpu_has_interrupt(struct vcpu *v)
{
	return v->lapic && has_external(v);
}

uint8_t vcpu_take_interrupt(struct vcpu *v)
{
	uint8_t vector = (uint8_t)v->events.external_vector;

	v->events.external_vector = -1;
	return vector;
}

bool vcpu_irq_from_user(const struct vcpu *v)
{
	return !v->lapic;
}

bool vcpu_accepts_user_interrupt(struct vcpu *v)
{
	return !has_external(v);
}

bool vcpu_irq_wakes(const struct vcpu *v)
{
	return false;
}
