/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * bytes.h - questions about memory that string.h does not answer.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Also where there are none. */
static inline bool bytes_are_zero(const void *p, size_t size)
{
	const uint8_t *b = p;

	return !size || (!b[0] && !memcmp(b, b + 1, size - 1));
}
