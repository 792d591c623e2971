/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* interrupt.h - leaves that take long look whether the host has something to do. */
#pragma once
#include <stdbool.h>

#include "hw/cpu/cpu_priv.h"

static inline bool interrupt_is_pending(struct cpu *cpu)
{
	return atomic32_load(&cpu->kick);
}
