/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * forget.h - taking a frame out of other processors' TLBs, as the hardware
 * itself does when an RMP entry changes (APM vol. 2 15.36.6).
 */
#pragma once
#include <stdint.h>

#include "base/addr.h"

struct hw;

/*
 * No TLB translates to [@a, @a + @size) afterwards, but one that is filled
 * meanwhile (rmp_is_still tells it).  @tlb: the number of the one that may, or
 * RMP_ALL_TLBS.  An instruction under way ends as it began.  Any thread.
 */
void mmu_forget_frames(struct hw *hw, hpa_t a, uint64_t size, uint32_t tlb);
