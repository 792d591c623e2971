/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * bits.h - named fields of a 64-bit word.
 *
 * A field F is two macros, F_HI and F_LO (inclusive bit numbers).
 */
#pragma once
#include <stdint.h>

#define BIT(n)		 (1ull << (n))
#define FIELD_MASK(f)	 ((~0ull >> (63 - (f##_HI - f##_LO))) << f##_LO)
#define FIELD_GET(f, w)	 (((w) & FIELD_MASK(f)) >> f##_LO)
#define FIELD_PUT(f, v)	 (((uint64_t)(v) << f##_LO) & FIELD_MASK(f))

/* Bits hi..lo, both included, as a mask. */
#define BITS(hi, lo)	 ((~0ull >> (63 - ((hi) - (lo)))) << (lo))
