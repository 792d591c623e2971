/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * measure.h - MRTD and the RTMRs: SHA-384 of what the launch did, in its order.
 * docs/facts/tdx-measure.tsv.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define TDX_DIGEST	48u
#define TDX_NR_RTMRS	4u
#define TDX_MR_CHUNK	256u	/* of TDH.MR.EXTEND */

struct measurement;

/* NULL: no memory.  Of one TD; who calls has its TDR exclusively, but for RTMRs. */
MUST_CHECK struct measurement *measure_new(void);
void measure_free(struct measurement *mr);

/* One record of the launch.  False: no memory; the measurement cannot go on. */
MUST_CHECK bool measure_page_add(struct measurement *mr, uint64_t gpa);
MUST_CHECK bool measure_extend(struct measurement *mr, uint64_t gpa,
			       const uint8_t bytes[TDX_MR_CHUNK]);
MUST_CHECK bool measure_finalize(struct measurement *mr);

/* After measure_finalize(); zeros before. */
const uint8_t *measure_mrtd(const struct measurement *mr);
/* RTMR @i becomes SHA-384 of itself and @data.  The RTMR lock is held exclusively. */
MUST_CHECK bool measure_rtmr_extend(struct measurement *mr, unsigned i,
				    const uint8_t data[TDX_DIGEST]);
const uint8_t *measure_rtmr(const struct measurement *mr, unsigned i);
