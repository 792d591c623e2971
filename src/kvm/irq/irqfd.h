/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * irqfd.h - interrupts from eventfds: one thread a machine waits for all of
 * them, started by the first.
 */
#pragma once
#include <stdbool.h>

#include "softcvm/uapi/kvm.h"

#include "base/macros.h"

struct kvm;
struct irqfds;

MUST_CHECK struct irqfds *irqfds_create(void);		/* NULL: no memory */
void irqfds_destroy(struct irqfds *all);		/* none is left; ends the thread */

/* KVM_IRQFD.  -EBADF, -EINVAL, -EBUSY (the eventfd is one already), -ENOMEM, -EMFILE. */
MUST_CHECK int kvm_irqfd(struct kvm *kvm, const struct kvm_irqfd *args);
/* The VM goes: all of its. */
void kvm_irqfd_release(struct kvm *kvm);
