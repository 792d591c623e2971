/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * smp.c - another processor by INIT and SIPI.
 *
 * SIPI's vector says where it begins, in real mode; not in SEV-ES guests: their processors begin
 * where their launched state says (softcvm run: at the image's entry, with EBX 0).  In SNP guests the
 * guest itself makes that state, to be taken at INIT.
 */
#include "snp.h"

#define APIC		0xfee00000ull
#define APIC_SPURIOUS	0xf0
#define APIC_ICR_LOW	0x300
#define APIC_ICR_HIGH	0x310
#define APIC_ENABLE	0x100u
#define ICR_INIT	0x4500u			/* assert */
#define ICR_SIPI	0x4600u
#define TRAMPOLINE	0x8000ull		/* 4 KiB below 1 MiB; the vector is its number */

extern const char guest_trampoline[], guest_trampoline_end[];
void guest_cpu_begin(void);
void guest_cpu_traps(void);

uint64_t guest_cpu_stack;			/* read by start.S */
static void (*run_there)(void);
static volatile bool arrived;

void guest_cpu_begin(void)
{
	void (*run)(void) = run_there;

	guest_cpu_traps();
	if (guest_sev_status & SEV_STATUS_SEV_ES)
		guest_ghcb_begin();
	arrived = true;
	run();
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void send(unsigned apic_id, uint32_t what)
{
	guest_write32(APIC + APIC_ICR_HIGH, apic_id << 24);
	guest_write32(APIC + APIC_ICR_LOW, what);
}

static void wake(unsigned apic_id)
{
	guest_map(APIC, APIC, GUEST_MAP_SHARED);
	guest_write32(APIC + APIC_SPURIOUS, APIC_ENABLE | 0xff);
	send(apic_id, ICR_INIT);
	send(apic_id, ICR_SIPI | TRAMPOLINE >> 12);
}

void guest_cpu_start(unsigned apic_id, void (*run)(void))
{
	guest_cpu_stack = (uintptr_t)guest_page() + GUEST_PAGE;
	run_there = run;
	arrived = false;
	if (guest_is_snp())
		snp_cpu_create(apic_id);
	else
		memcpy((void *)TRAMPOLINE, guest_trampoline,
		       (size_t)(guest_trampoline_end - guest_trampoline));
	wake(apic_id);
	while (!arrived)
		__asm__ volatile("pause" ::: "memory");
}
