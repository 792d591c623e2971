/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * breakpoints.c - DR0 to DR3.  SDM vol. 3B 18.2, APM vol. 2 13.1.
 *
 *   DR7: L and G of breakpoint n at 2n and 2n+1, R/W at 16+4n, LEN at 18+4n
 *
 * While one is enabled every instruction is a step.  Pages with watched data are
 * taken out of the TLB before each, so that accesses to them come by span_of()
 * in access.c, which asks here.  Breakpoints on I/O ports are not there.
 */
#include "hw/cpu/cpu_priv.h"

#define NR_BREAKPOINTS	4

enum { ON_EXECUTE, ON_WRITE, ON_IO, ON_ACCESS };

static bool is_enabled(uint64_t dr7, unsigned n)
{
	return dr7 >> (2 * n) & 3;
}

static unsigned kind_of(uint64_t dr7, unsigned n)
{
	return dr7 >> (16 + 4 * n) & 3;
}

/* In bytes; 10b is 8 in 64-bit processors. */
static unsigned length_of(uint64_t dr7, unsigned n)
{
	static const uint8_t lengths[4] = { 1, 2, 8, 4 };

	return lengths[dr7 >> (18 + 4 * n) & 3];
}

static bool is_data(uint64_t dr7, unsigned n)
{
	unsigned kind = kind_of(dr7, n);

	return is_enabled(dr7, n) && (kind == ON_WRITE || kind == ON_ACCESS);
}

uint64_t breakpoints_on_fetch(const struct cpu *cpu, uint64_t lin)
{
	const struct x86_state *s = cpu->x.st;
	uint64_t hits = 0;

	for (unsigned n = 0; n < NR_BREAKPOINTS; n++) {
		if (is_enabled(s->dr7, n) && kind_of(s->dr7, n) == ON_EXECUTE && s->dr[n] == lin)
			hits |= BIT(n);
	}
	return hits;
}

void breakpoints_watch(struct cpu *cpu)
{
	const struct x86_state *s = cpu->x.st;

	cpu->watching = false;
	for (unsigned n = 0; n < NR_BREAKPOINTS; n++) {
		if (!is_data(s->dr7, n))
			continue;
		mmu_invlpg(&cpu->mmu, s->dr[n]);
		cpu->watching = true;
	}
}

void breakpoints_accessed(struct cpu *cpu, uint64_t lin, unsigned size, bool write)
{
	const struct x86_state *s = cpu->x.st;

	for (unsigned n = 0; n < NR_BREAKPOINTS; n++) {
		unsigned length = length_of(s->dr7, n);
		uint64_t first = s->dr[n] & ~(uint64_t)(length - 1);

		if (!is_data(s->dr7, n))
			continue;
		if ((write || kind_of(s->dr7, n) == ON_ACCESS) && lin < first + length &&
		    first < lin + size)
			cpu->watch_hits |= (uint8_t)BIT(n);
		/* The next access of this instruction has to come here too. */
		if ((lin ^ first) < PAGE_SIZE || ((lin + size - 1) ^ first) < PAGE_SIZE)
			mmu_invlpg(&cpu->mmu, first);
	}
}
