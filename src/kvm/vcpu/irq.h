/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * irq.h - where a vCPU's interrupts come from: its local APIC, the PIC behind
 * it, or the VMM; and the way there, by memory and by ports.  The vCPU's own
 * thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct vcpu;

/* One waits that has not been acknowledged; taking it acknowledges it: its vector. */
bool vcpu_has_interrupt(struct vcpu *v);
uint8_t vcpu_take_interrupt(struct vcpu *v);

/* KVM_REQ_IOAPIC_EOI_EXIT: the VMM's I/O APIC is told, and answers by KVM_RUN. */
int vcpu_exit_ioapic_eoi(struct vcpu *v);

/* The PIC is the VMM's: KVM_INTERRUPT is how its interrupts come. */
bool vcpu_irq_from_user(const struct vcpu *v);
/* There is room for one more of those. */
bool vcpu_accepts_user_interrupt(struct vcpu *v);

/* INIT, SIPI and what else ends HLT without being an interrupt. */
bool vcpu_irq_wakes(const struct vcpu *v);
/* INIT and SIPI that have come take effect. */
void vcpu_accept_events(struct vcpu *v);

/* An access to a page that is a device of ours.  False: it is not. */
bool vcpu_irq_mmio_read(struct vcpu *v, gpa_t gpa, unsigned len, void *data);
bool vcpu_irq_mmio_write(struct vcpu *v, gpa_t gpa, unsigned len, const void *data);
/*
 * The word that KVM_SET_VAPIC_ADDR names: priorities go there before the guest
 * runs, and the TPR comes back from there after it ran.  SRCU is held.
 */
void vcpu_give_vapic(struct vcpu *v);
void vcpu_take_vapic(struct vcpu *v);
/* CR8 is the TPR's upper half; after somebody wrote there. */
void vcpu_tpr_written(struct vcpu *v);
