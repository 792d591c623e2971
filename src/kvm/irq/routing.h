/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * routing.h - interrupt lines by number (GSI): which pins and messages a line
 * is, and who wants to know when its interrupt has been ended.
 *
 * The table is replaced as a whole (RANK_IRQ_ROUTING) and read under RCU.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "softcvm/uapi/kvm.h"

#include "base/list.h"
#include "base/macros.h"

struct kvm;
struct lapic;
struct lapic_irq;

/* Several sources may drive one line: it is high while any does. */
enum irq_source { IRQ_SOURCE_USER, IRQ_SOURCE_RESAMPLE, IRQ_SOURCE_PIT, NR_IRQ_SOURCES };

/* Called when the guest ends the interrupt of @gsi, no device's lock held. */
struct irq_ack_notifier {
	struct list	link;
	uint32_t	gsi;
	void		(*acked)(struct irq_ack_notifier *n);
};

MUST_CHECK int irq_routing_create(struct kvm *kvm);	/* empty; -ENOMEM */
void irq_routing_destroy(struct kvm *kvm);

/* KVM_SET_GSI_ROUTING.  -EINVAL, -ENOMEM. */
MUST_CHECK int irq_routing_set(struct kvm *kvm, const struct kvm_irq_routing_entry *entries,
			       unsigned nr);
/* A PC's: ISA lines on both chips, 24 on the I/O APIC. */
MUST_CHECK int irq_routing_set_default(struct kvm *kvm);

/*
 * A source drives line @gsi.  How many processors got it; 0: it was coalesced
 * with one before; -1: masked, or nobody listens.
 */
int kvm_set_irq(struct kvm *kvm, enum irq_source source, uint32_t gsi, bool level);
/* KVM_SIGNAL_MSI.  As kvm_set_irq; -EINVAL. */
int kvm_send_msi(struct kvm *kvm, const struct kvm_msi *msi);

/* The chip's pin has been acknowledged: who waits for that line is told. */
void irq_notify_acked(struct kvm *kvm, unsigned chip, unsigned pin);
/* A pin has been unmasked; the device's lock may be held. */
void irq_unmasked(struct kvm *kvm, unsigned chip, unsigned pin);
bool irq_has_notifier(struct kvm *kvm, unsigned chip, unsigned pin);
void irq_ack_register(struct kvm *kvm, struct irq_ack_notifier *n);
void irq_ack_unregister(struct kvm *kvm, struct irq_ack_notifier *n);

/* Split irqchip: a level-triggered message of the VMM's I/O APIC may have been @vector here. */
bool irq_routing_wants_eoi(struct kvm *kvm, struct lapic *apic, uint8_t vector);
