/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * descriptor.h - descriptors as the GDT and LDT hold them.  SDM vol. 3 3.4.5.
 */
#pragma once
#include <stdint.h>

#include "x86/state.h"

/* Base, limit in bytes and attributes of an 8-byte descriptor; no selector. */
static inline struct x86_segment x86_descriptor_unpack(uint64_t d)
{
	struct x86_segment s = {
		.base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000),
		.limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000)),
		.ar = (uint32_t)(d >> 40 & 0xf0ff),
	};

	if (s.ar & X86_AR_G)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}
