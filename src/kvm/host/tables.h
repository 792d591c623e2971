/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tables.h - the host's own page tables: what they map, and what comes of a store of the host's
 * that the RMP stops (docs/design/host-access.md, "The host's page tables").
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/core/kvm.h"
#include "kvm/host/access.h"

/*
 * What kvm_gup() does, @host being any byte of the page; a signal that sets
 * *@stop ends the wait.
 */
MUST_CHECK enum kvm_gup kvm_host_page(struct hw *hw, void *host, bool write, const uint32_t *stop,
				      struct kvm_host_page *out);

/*
 * The host is about to store at @host, a byte of the process: 0 when that goes through, else
 * the error code of the #PF (bit 31: RMP; @user: bit 2) that ends in -EFAULT, or
 * in a SIGBUS of user mode.  The processor asks with the size of the host's mapping; one that
 * can be split is split on the way, as the kernel's fault handler does, and
 * counted (host_splits).
 *
 * Without an RMP a load; without a guest's page in the 2 MiB a few.  Otherwise may block on host
 * memory: no lock held, no RCU section.  Not async-signal-safe.
 */
MUST_CHECK uint64_t kvm_host_store(struct kvm_module *module, void *host, bool user);
