/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmsa.h - what the machine knows of the pages that hold a SEV-ES guest's
 * state: a checksum of each, in memory of its own (APM vol. 2 15.35.8).
 *
 * Any thread.  A page is only read and stored by the processor that runs it
 * and, before the first VMRUN, by the secure processor.
 */
#pragma once
#include <stdbool.h>

#include "hw/insn/vmsa.h"
#include "hw/mem/view.h"

/*
 * The secure processor has encrypted the page at @page under @slot: its
 * checksum is right from now on.  False: no frame, or no memory.
 */
MUST_CHECK bool vmsa_seal(struct hw *hw, hpa_t page, keyslot_t slot);
/* The page is one like others again. */
void vmsa_unseal(struct hw *hw, hpa_t page);

/* For VMRUN.  False: no frame, never sealed, or not what was stored last: it never will be. */
MUST_CHECK bool vmsa_load(struct hw *hw, hpa_t page, keyslot_t slot, struct vmsa *out);
/* For #VMEXIT: stores and seals anew.  False: the frame is gone. */
MUST_CHECK bool vmsa_store(struct hw *hw, hpa_t page, keyslot_t slot, const struct vmsa *v);
