/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pit.h - the 8254 interval timer and the speaker's port.  Intel 8254 data
 * sheet.  Channel 0 drives GSI 0.
 *
 * Any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "softcvm/uapi/kvm.h"

struct kvm;
struct pit;

MUST_CHECK struct pit *pit_create(struct kvm *kvm);	/* NULL: no memory */
void pit_destroy(struct pit *pit);	/* NULL is fine */
void pit_stop(struct pit *pit);		/* no tick is under way, and none comes */
/* Its ports, with @speaker 61h too: slots_lock held.  -ENOMEM, -ENOSPC. */
MUST_CHECK int pit_register(struct pit *pit, bool speaker);

/* KVM_GET_PIT2, KVM_SET_PIT2.  KVM_SET_PIT leaves the flags (@old). */
void pit_save(struct pit *pit, struct kvm_pit_state2 *state);
void pit_load(struct pit *pit, const struct kvm_pit_state2 *state, bool old);

/* KVM_REINJECT_CONTROL: ticks that the guest has not ended are given later, or dropped. */
void pit_set_reinject(struct pit *pit, bool reinject);
/* GSI 0 has been unmasked: what was never delivered need not be ended. */
void pit_unmasked(struct pit *pit);

void pit_port_write(struct pit *pit, uint16_t port, uint8_t value);
uint8_t pit_port_read(struct pit *pit, uint16_t port);
