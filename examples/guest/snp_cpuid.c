/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_cpuid.c - CPUID without asking the hypervisor: the table of the launch, which the secure
 * processor has compared with its own processor.  Only what differs from one processor to the
 * next, the APIC's id, is asked; firmware ABI 8.17, "CPUID page".
 */
#include "ghcb.h"
#include "snp.h"

#define GHCB_CPUID	0x72u
#define SET_LINUX	1u
#define REASON_CPUID	4u
#define CR4_OSXSAVE	(1u << 18)

struct entry {
	uint32_t leaf, subleaf;
	uint64_t xcr0, xss;
	struct guest_cpuid out;
	uint64_t reserved;
};

static const struct table {
	uint32_t	nr, reserved1;
	uint64_t	reserved2;
	struct entry	entry[64];
} *const table = (const struct table *)GUEST_CPUID_TABLE;

unsigned snp_cpuid_entries(void)
{
	if (!table->nr || table->nr > sizeof(table->entry) / sizeof(table->entry[0]))
		guest_terminate(SET_LINUX, REASON_CPUID);
	return table->nr;
}

static bool has_subleaves(uint32_t leaf)
{
	switch (leaf) {
	case 4: case 7: case 0xb: case 0xd: case 0xf: case 0x10: case 0x12: case 0x14: case 0x17:
	case 0x18: case 0x1f: case 0x8000001d: case 0x80000020: case 0x80000026:
		return true;
	}
	return false;
}

static struct guest_cpuid look_up(uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < snp_cpuid_entries(); i++) {
		const struct entry *e = &table->entry[i];

		if (e->leaf != leaf || (has_subleaves(leaf) && e->subleaf != subleaf))
			continue;
		/* What the save area would be with more switched on is another entry. */
		if (leaf == 0xd && subleaf < 2 && ((e->xcr0 != 1 && e->xcr0 != 3) || e->xss))
			continue;
		return e->out;
	}
	return (struct guest_cpuid){ 0 };
}

static struct guest_cpuid ask(uint32_t leaf, uint32_t subleaf)
{
	struct guest_cpuid c;

	ghcb_clear();
	ghcb_set(GHCB_RAX, leaf);
	ghcb_set(GHCB_RCX, subleaf);
	ghcb_call(GHCB_CPUID, 0, 0);
	c.eax = (uint32_t)ghcb_get(GHCB_RAX);
	c.ebx = (uint32_t)ghcb_get(GHCB_RBX);
	c.ecx = (uint32_t)ghcb_get(GHCB_RCX);
	c.edx = (uint32_t)ghcb_get(GHCB_RDX);
	return c;
}

struct guest_cpuid snp_cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct guest_cpuid c = look_up(leaf, subleaf), own;
	uint64_t cr4;

	switch (leaf) {
	case 1:
		__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
		own = ask(leaf, subleaf);
		c.ebx = (c.ebx & 0xffffff) | (own.ebx & 0xff000000);
		c.edx = (c.edx & ~(1u << 9)) | (own.edx & 1u << 9);
		c.ecx = (c.ecx & ~(1u << 27)) | (cr4 & CR4_OSXSAVE ? 1u << 27 : 0);
		break;
	case 0xb:
		c.edx = ask(leaf, subleaf).edx;
		break;
	case 0x8000001e:
		own = ask(leaf, subleaf);
		c.eax = own.eax;
		c.ebx = (c.ebx & ~0xffu) | (own.ebx & 0xff);
		c.ecx = (c.ecx & ~0xffu) | (own.ecx & 0xff);
		break;
	}
	return c;
}
