/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * irq.h - a VM's interrupt controllers, and sending through them.
 *
 * Keys as in kvm/core/kvm.h; [D] the device's own lock.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/core/kvm.h"
#include "kvm/irq/lapic.h"

struct apic_map;
struct ioapic;
struct pic;
struct pit;
struct irq_routing;

#define APIC_BUS_CYCLE_NS	1	/* unless KVM_CAP_X86_APIC_BUS_CYCLES_NS */
#define IOAPIC_NR_PINS		24
#define KVM_MAX_IRQ_ROUTES	4096

enum irqchip_mode {
	IRQCHIP_NONE,			/* interrupts are the VMM's */
	IRQCHIP_KERNEL,			/* PIC, I/O APIC and local APICs */
	IRQCHIP_SPLIT,			/* local APICs only */
};

struct kvm_irq {
	enum irqchip_mode mode;		/* [L], constant once a vCPU exists */
	uint16_t	nr_reserved_pins;	/* [L] split: of the VMM's I/O APIC */
	bool		x2apic_format;	/* [L] KVM_CAP_X2APIC_API */
	bool		x2apic_broadcast_quirk_disabled;	/* [L] */
	uint64_t	bus_cycle_ns;	/* [L] */

	struct mutex	map_lock;	/* RANK_APIC_MAP */
	atomic32_t	map_dirty;	/* [a] enum in apic_map.c */
	struct apic_map	*map;		/* RCU; [map_lock] */

	struct mutex	routing_lock;	/* RANK_IRQ_ROUTING */
	struct irq_routing *routing;	/* RCU; [routing_lock] */
	struct mutex	ack_lock;	/* RANK_IRQ_ACK */
	atomic32_t	nr_ack_notifiers;	/* [a] */
	struct list	ack_notifiers;	/* [ack_lock] struct irq_ack_notifier.link */

	struct ioapic	*ioapic;	/* [c] NULL: not in the kernel */
	struct pic	*pic;		/* [c] the same */
	struct pit	*pit;		/* [L] */
};

/* What the chips in the kernel are made of: kvm->lock and slots_lock held.  -ENOMEM, -ENOSPC. */
MUST_CHECK int kvm_irq_make_chips(struct kvm *kvm);
MUST_CHECK int kvm_irq_make_pit(struct kvm *kvm, bool speaker);

/* kvm->irq, no irqchip yet.  -ENOMEM.  Goes after vCPUs and buses. */
MUST_CHECK int kvm_irq_create(struct kvm *kvm);
void kvm_irq_destroy(struct kvm *kvm);
/* The VM goes: nothing comes by itself any more; before the vCPUs go. */
void kvm_irq_quiesce(struct kvm *kvm);

/*
 * Sends to who is addressed; @src: the APIC that does (NULL: a device).  How
 * many took it; -1: nobody is addressed.  Any thread, no lock needed.
 */
int irq_deliver(struct kvm *kvm, struct lapic *src, const struct lapic_irq *irq);

/*
 * To APICs by id: @min and up in ids[0], @min + @width and up in ids[1].  How many
 * took it; -1: there is no map.
 */
int irq_send_to_ids(struct kvm *kvm, const uint64_t ids[2], uint32_t min, unsigned width,
		    const struct lapic_irq *irq);

/* A destination of device messages: does @apic hear it? */
bool apic_matches(struct lapic *apic, const struct lapic *src, const struct lapic_irq *irq);

/* Something that the map is made of has changed; then, with no lock held, made anew. */
void apic_map_changed(struct kvm_irq *irq);
void apic_map_update(struct kvm *kvm);

/* The local APIC has ended @vector: tells the I/O APIC, in whichever place it is. */
void irq_eoi(struct lapic *apic, uint8_t vector, bool level);
/* ... and it has to be told of @vector. */
bool irq_eoi_is_wanted(const struct lapic *apic, uint8_t vector);
