/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * irq.h - where a vCPU's interrupts come from: its local APIC, the PIC behind
 * it, or the VMM.  The vCPU's own thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct vcpu;

/* One waits that has not been acknowledged; taking it acknowledges it: its vector. */
bool vcpu_has_interrupt(struct vcpu *v);
uint8_t vcpu_take_interrupt(struct vcpu *v);

/* The PIC is the VMM's: KVM_INTERRUPT is how its interrupts come. */
bool vcpu_irq_from_user(const struct vcpu *v);
/* There is room for one more of those. */
bool vcpu_accepts_user_interrupt(struct vcpu *v);

/* INIT, SIPI and what else ends HLT without being an interrupt. */
bool vcpu_irq_wakes(const struct vcpu *v);
