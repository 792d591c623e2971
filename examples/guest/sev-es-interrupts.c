/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev-es-interrupts.c - interrupts of a SEV-ES guest: KVM does not see RFLAGS, nor the instruction
 * that an interrupt would follow, and injects all the same.  Sent to itself with interrupts off and
 * let in by STI, by STI and HLT, by a timer in the middle of a loop; and NMIs.
 *
 * $ softcvm run --type sev-es --irqchip sev-es-interrupts.elf
 * 200 interrupts sent, 200 taken
 * 50 of the timer
 * 5 NMIs
 * guest ended: exit 0
 */
#include "guest.h"
#include "idt.h"

#define APIC		0xfee00000ull
#define APIC_EOI	0xb0
#define APIC_SPURIOUS	0xf0
#define APIC_ICR_LOW	0x300
#define APIC_LVT_TIMER	0x320
#define APIC_COUNT	0x380
#define APIC_DIVIDE	0x3e0
#define ICR_SELF	0x44000u		/* fixed, assert */
#define ICR_NMI		0x400u
#define LVT_PERIODIC	0x20000u
#define VECTOR_NMI	2
#define VECTOR_SENT	0x40
#define VECTOR_TIMER	0x41

#define NR_SENT		200u
#define NR_TICKS	50u
#define NR_NMIS		5u

struct interrupt_frame;

/* No call: handlers save only what they use themselves. */
#define END_OF_INTERRUPT()						\
	__asm__ volatile("movl %0, %1" :: "r"(0), "m"(*(volatile uint32_t *)(APIC + APIC_EOI)))

static struct gate gates[256];
static volatile unsigned nr_sent, nr_ticks, nr_nmis;

__attribute__((interrupt)) static void on_sent(struct interrupt_frame *f)
{
	nr_sent++;
	END_OF_INTERRUPT();
}

__attribute__((interrupt)) static void on_tick(struct interrupt_frame *f)
{
	nr_ticks++;
	END_OF_INTERRUPT();
}

__attribute__((interrupt)) static void on_nmi(struct interrupt_frame *f)
{
	nr_nmis++;
}

static void set_gate(unsigned vector, void (*handler)(struct interrupt_frame *))
{
	uint64_t at = (uintptr_t)handler;

	gates[vector] = (struct gate){ (uint16_t)at, 0x18, 0x8e00, (uint16_t)(at >> 16),
				       (uint32_t)(at >> 32), 0 };
}

/* The library's 32 gates, with ours. */
static void begin(void)
{
	struct table_pointer old, new = { sizeof(gates) - 1, (uintptr_t)gates };

	__asm__ volatile("sidt %0" : "=m"(old));
	memcpy(gates, (void *)old.base, 32 * sizeof(gates[0]));
	set_gate(VECTOR_NMI, on_nmi);
	set_gate(VECTOR_SENT, on_sent);
	set_gate(VECTOR_TIMER, on_tick);
	__asm__ volatile("lidt %0" :: "m"(new));
	guest_map(APIC, APIC, GUEST_MAP_SHARED);
	guest_write32(APIC + APIC_SPURIOUS, 0x1ff);
}

/* One at a time: it waits until interrupts are let in, for one instruction or by HLT. */
static void send(unsigned n)
{
	guest_write32(APIC + APIC_ICR_LOW, ICR_SELF | VECTOR_SENT);
	if (nr_sent != n)
		guest_panic("interrupts are off, and one came");
	if (n % 2)
		__asm__ volatile("sti; hlt; cli" ::: "memory");
	else
		__asm__ volatile("sti; nop; nop; cli" ::: "memory");
}

int guest_main(void)
{
	begin();
	for (unsigned n = 0; n < NR_SENT; n++)
		send(n);
	guest_printf("%u interrupts sent, %u taken\n", NR_SENT, nr_sent);
	guest_write32(APIC + APIC_DIVIDE, 0xb);
	guest_write32(APIC + APIC_LVT_TIMER, LVT_PERIODIC | VECTOR_TIMER);
	guest_write32(APIC + APIC_COUNT, 100000);
	__asm__ volatile("sti" ::: "memory");
	while (nr_ticks < NR_TICKS)
		;
	__asm__ volatile("cli" ::: "memory");
	guest_printf("%u of the timer\n", NR_TICKS);
	for (unsigned n = 0; n < NR_NMIS; n++)
		guest_write32(APIC + APIC_ICR_LOW, ICR_SELF | ICR_NMI);
	guest_printf("%u NMIs\n", nr_nmis);
	return 0;
}
