/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * tmr.h - the trusted memory of SEV-ES: a checksum for each VMSA, where
 * software cannot reach it.  APM vol. 2 15.35.8 and 15.35.10: made when the
 * VMSA is first encrypted and at each #VMEXIT, compared at VMRUN.
 *
 * The VMSA names its checksum by address (offset 0x388, within the opaque
 * area); the addresses lie in the upper half of the region that INIT was given.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/macros.h"

struct hw;

#define TMR_VMSA_SUMMED		0xfc0u	/* bytes of the VMSA under the checksum */
#define TMR_VMSA_ADDRESS	0x388u	/* where the VMSA names its checksum */

/* INIT and SHUTDOWN with SEV-ES: the region.  False: no memory.  One caller. */
MUST_CHECK bool tmr_open(struct hw *hw, hpa_t base, size_t size);
void tmr_close(struct hw *hw);

/* A checksum's place for one VMSA; HPA_INVALID when all are taken.  Any thread. */
MUST_CHECK hpa_t tmr_take(struct hw *hw);
void tmr_give(struct hw *hw, hpa_t sum);

/*
 * @vmsa: the page in the clear.  store: its checksum goes to the place that it
 * names.  matches: is it the one stored there?  Both false when it names no
 * place that is taken.  Any thread, one at a time for each VMSA.
 */
MUST_CHECK bool tmr_store(struct hw *hw, const uint8_t *vmsa);
MUST_CHECK bool tmr_matches(struct hw *hw, const uint8_t *vmsa);
