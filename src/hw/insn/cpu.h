/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpu.h - logical processors, as both vendors' hypervisors use them.
 *
 * One thread at a time runs on a processor (the hypervisor sees to it).  Guest
 * mode is entered with svm_vmrun() or vmx_enter() and left when a condition of
 * the control structure says so.  Inside, pending interrupts are looked at
 * after every block of at most 64 instructions; hardware never waits for
 * anything and never calls back.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct hw;
struct cpu;

struct cpu *hw_cpu(struct hw *hw, unsigned index);	/* index < nr_cpus */

/*
 * An inter-processor interrupt: makes a processor that is in guest mode leave
 * it with "external interrupt" at the next block end; one that is not will
 * leave at the first opportunity after entering.  Any thread, async-signal-
 * safe.  Everything written before the kick is seen after that exit.
 */
void cpu_kick(struct cpu *cpu);

/* The host took the interrupt.  Only the thread that runs on @cpu. */
void cpu_ack(struct cpu *cpu);

/* Instructions retired in guest mode on this processor since it was made. */
uint64_t cpu_instructions(const struct cpu *cpu);
