/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pic.h - two 8259 interrupt controllers, as in a PC.  Intel 8259A data sheet.
 *
 * Any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "kvm/irq/routing.h"

struct pic;

#define PIC_NR_PINS	16

MUST_CHECK struct pic *pic_create(struct kvm *kvm);	/* NULL: no memory */
void pic_destroy(struct pic *pic);
/* Its ports: slots_lock held.  -ENOMEM, -ENOSPC. */
MUST_CHECK int pic_register(struct pic *pic);

/* 1: requested; 0: it was already; -1: masked. */
int pic_set_irq(struct pic *pic, unsigned pin, enum irq_source source, bool level);
/* The line to the processor. */
bool pic_has_interrupt(const struct pic *pic);
/* INTA: the vector. */
uint8_t pic_acknowledge(struct pic *pic);

/* KVM_GET_IRQCHIP and KVM_SET_IRQCHIP, chip 0 and 1. */
void pic_save(struct pic *pic, unsigned chip, struct kvm_pic_state *state);
void pic_load(struct pic *pic, unsigned chip, const struct kvm_pic_state *state);

/* One access to a port of it. */
void pic_port_write(struct pic *pic, uint16_t port, uint8_t value);
uint8_t pic_port_read(struct pic *pic, uint16_t port);
