/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * count.c - two processors count together.
 */
#include "guest.h"

#define TURNS 10000u

static unsigned count;
static volatile bool finished;

static void count_up(void)
{
	for (unsigned i = 0; i < TURNS; i++)
		__atomic_fetch_add(&count, 1, __ATOMIC_SEQ_CST);
}

static void second(void)
{
	guest_printf("processor 1 is in 64-bit mode, its APIC id is %u\n", guest_cpuid(1, 0).ebx >> 24);
	count_up();
	finished = true;
}

int guest_count_together(void)
{
	guest_printf("processor 0 starts processor 1\n");
	guest_cpu_start(1, second);
	count_up();
	while (!finished)
		__asm__ volatile("pause" ::: "memory");
	guest_printf("both counted: %u\n", count);
	return count != 2 * TURNS;
}
