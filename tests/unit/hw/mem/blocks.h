/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * blocks.h - a page as the cipher's blocks of 16 bytes.
 */
#pragma once
#include <stdint.h>
#include <string.h>

#include "base/page.h"

#define ALL	(PAGE_SIZE / 16)

/* How many blocks of two pages differ. */
static inline unsigned blocks_unlike(const uint8_t *a, const uint8_t *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PAGE_SIZE; i += 16)
		n += !!memcmp(a + i, b + i, 16);
	return n;
}
