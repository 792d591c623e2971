/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * own_cpuid.h - what the program's own CPUID instructions say.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/insn/machine.h"

/* From the constructor: from now on the main program's CPUID instructions are ours. */
void own_cpuid_begin(void);

/* In a signal handler: true when one of them raised it; it has then been answered. */
bool own_cpuid_fixup(int sig, const siginfo_t *info, void *ucontext);

/*
 * The answer of @model as a program may have it whose instructions run on
 * @host: what is not there is not announced, and XSAVE's sizes are the host's.
 */
struct cpuid_regs own_cpuid_merge(uint32_t leaf, uint32_t subleaf, struct cpuid_regs model,
				  struct cpuid_regs host);
