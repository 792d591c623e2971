/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * idt.h - interrupt descriptors in long mode, as the processor reads them.
 */
#pragma once
#include <stdint.h>

struct gate {
	uint16_t offset_low, selector, attributes, offset_middle;
	uint32_t offset_high, reserved;
};

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));
