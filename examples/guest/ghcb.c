/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ghcb.c - speaking with the hypervisor: by the MSR alone, and by the shared page.
 *
 * What the hypervisor leaves in the page is not trusted further than it has to be: a field counts
 * only with its valid bit, and an answer that breaks the protocol ends the guest.
 */
#include "ghcb.h"
#include "snp.h"

/* MSR protocol: bits 11:0. */
#define MSR_SEV_INFO		0x001u
#define MSR_SEV_INFO_REQUEST	0x002u
#define MSR_REGISTER		0x012u		/* SNP: the address of the page */
#define MSR_REGISTERED		0x013u
#define MSR_TERMINATE		0x100u

#define FEATURE_SNP		1u
#define SET_LINUX		1u

#define RESULT_EXCEPTION	1u		/* EXITINFO1: EXITINFO2 has an event */

#define MSR_GS_BASE		0xc0000101u	/* not intercepted */

/* What GS points to: one for each processor. */
struct this_cpu { struct ghcb *block; };

static unsigned version;			/* 0: not begun */

static struct ghcb *mine(void)
{
	struct ghcb *block;

	__asm__("movq %%gs:0, %0" : "=r"(block));
	return block;
}

uint64_t ghcb_msr(uint64_t request)
{
	guest_wrmsr(MSR_GHCB, request);
	__asm__ volatile("rep; vmmcall" ::: "memory");
	return guest_rdmsr(MSR_GHCB);
}

void guest_terminate(unsigned set, unsigned reason)
{
	for (;;)
		ghcb_msr(MSR_TERMINATE | (uint64_t)(set & 0xf) << 12 | (uint64_t)(reason & 0xff) << 16);
}

unsigned guest_ghcb_version(void)
{
	return version;
}

/* The hypervisor takes no other page from this processor afterwards. */
static void register_block(const struct ghcb *block)
{
	if (ghcb_msr((uintptr_t)block | MSR_REGISTER) != ((uintptr_t)block | MSR_REGISTERED))
		guest_terminate(SET_LINUX, 0);
}

void guest_ghcb_begin(void)
{
	uint64_t info = ghcb_msr(MSR_SEV_INFO_REQUEST);
	unsigned most = (unsigned)(info >> 48), least = (unsigned)(info >> 32 & 0xffff);
	struct this_cpu *cpu;

	if ((info & 0xfff) != MSR_SEV_INFO || least > 2 || !most)
		guest_terminate(0, 1);
	/* The hypervisor's word about the encryption bit is compared, not believed. */
	if (!guest_c_bit || guest_c_bit >> (info >> 24 & 0x3f) != 1)
		guest_terminate(0, 0);
	if (guest_is_snp() && (most < 2 || !(snp_hypervisor_features() & FEATURE_SNP)))
		guest_terminate(0, 2);
	cpu = guest_page();
	cpu->block = guest_page();
	guest_share(cpu->block);
	if (guest_is_snp())
		register_block(cpu->block);
	guest_wrmsr(MSR_GS_BASE, (uintptr_t)cpu);
	version = most < 2 ? most : 2;
}

void ghcb_clear(void)
{
	memset(mine()->valid, 0, sizeof(mine()->valid));
}

void ghcb_set(enum ghcb_field field, uint64_t value)
{
	struct ghcb *block = mine();

	memcpy(block->fields + field, &value, sizeof(value));
	block->valid[field / 64] |= (uint8_t)(1u << field / 8 % 8);
}

uint64_t ghcb_get(enum ghcb_field field)
{
	const struct ghcb *block = mine();
	uint64_t value;

	if (!(block->valid[field / 64] >> field / 8 % 8 & 1))
		guest_terminate(0, 0);
	memcpy(&value, block->fields + field, sizeof(value));
	return value;
}

uint8_t *ghcb_buffer(void)
{
	return mine()->buffer;
}

void ghcb_use_buffer(void)
{
	ghcb_set(GHCB_SCRATCH, (uintptr_t)mine()->buffer);
}

void ghcb_call(uint64_t code, uint64_t info1, uint64_t info2)
{
	uint64_t result, event;

	if (!version)
		guest_terminate(0, 0);
	ghcb_set(GHCB_EXITCODE, code);
	ghcb_set(GHCB_EXITINFO1, info1);
	ghcb_set(GHCB_EXITINFO2, info2);
	mine()->version = (uint16_t)version;
	mine()->usage = 0;
	guest_wrmsr(MSR_GHCB, (uintptr_t)mine());
	__asm__ volatile("rep; vmmcall" ::: "memory");
	result = ghcb_get(GHCB_EXITINFO1) & 0xffffffff;
	event = ghcb_get(GHCB_EXITINFO2);
	if (result == RESULT_EXCEPTION)
		guest_panic("the hypervisor answers 0x%lx with exception %lu", code, event & 0xff);
	if (result)
		guest_terminate(0, 0);
}
