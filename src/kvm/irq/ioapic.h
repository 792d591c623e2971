/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ioapic.h - the I/O APIC: 24 pins, each a redirection entry.  Intel 82093AA
 * data sheet.
 *
 * Any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/macros.h"
#include "kvm/irq/routing.h"

struct ioapic;

#define IOAPIC_BASE	0xfec00000ull
#define IOAPIC_SIZE	0x100

MUST_CHECK struct ioapic *ioapic_create(struct kvm *kvm);	/* NULL: no memory */
void ioapic_destroy(struct ioapic *io);
/* Its page: slots_lock held.  -ENOMEM, -ENOSPC. */
MUST_CHECK int ioapic_register(struct ioapic *io);

/* How many processors got it; 0: coalesced; -1: masked, or waiting for an EOI. */
int ioapic_set_irq(struct ioapic *io, unsigned pin, enum irq_source source, bool level);

/* A local APIC has ended @vector, which was triggered so. */
void ioapic_eoi(struct ioapic *io, uint8_t vector, bool level);
/* True when an EOI of @vector means something to the I/O APIC. */
bool ioapic_handles(const struct ioapic *io, uint8_t vector);
/* What ioapic_handles() knows is made anew: routes or notifiers have changed. */
void ioapic_scan(struct ioapic *io);

void ioapic_save(struct ioapic *io, struct kvm_ioapic_state *state);
void ioapic_load(struct ioapic *io, const struct kvm_ioapic_state *state);

/* One access inside the page. */
uint32_t ioapic_read(struct ioapic *io, uint32_t offset);
void ioapic_write(struct ioapic *io, uint32_t offset, uint32_t value);
