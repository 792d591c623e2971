/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * flush.h - what the hypervisor's flush instructions do to one processor.
 *
 * By the thread that runs on the processor.  ASID is VPID on Intel.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct mmu;

void mmu_flush_all(struct mmu *m);			/* TLB_CONTROL 1, INVVPID all + INVEPT all */
void mmu_flush_asid(struct mmu *m, uint32_t asid);	/* TLB_CONTROL 3: linear and nested */
void mmu_flush_asid_nonglobal(struct mmu *m, uint32_t asid);	/* TLB_CONTROL 7 */

/* INVLPGA, INVVPID address: one linear address in every PCID, global too. */
void mmu_flush_address(struct mmu *m, uint32_t asid, uint64_t linear);

void mmu_invvpid_single(struct mmu *m, uint32_t vpid);	/* linear and combined, not guest-physical */
void mmu_invvpid_nonglobal(struct mmu *m, uint32_t vpid);
void mmu_invvpid_all(struct mmu *m);
void mmu_invept_single(struct mmu *m, uint64_t eptp);	/* guest-physical and combined */
void mmu_invept_all(struct mmu *m);
