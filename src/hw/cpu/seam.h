/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* seam.h - what the TDX module asks of the processor that it runs on. */
#pragma once
#include <stdbool.h>

struct cpu;
struct hw;

struct hw *cpu_machine(const struct cpu *cpu);
unsigned cpu_number(const struct cpu *cpu);
/* The host has something to do: cpu_kick() has been called, cpu_ack() not yet. */
bool cpu_interrupt_is_pending(struct cpu *cpu);
