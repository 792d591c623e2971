/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * trap.c - the IDT, what an exception does, and the way to guest_main.
 */
#include "guest.h"
#include "idt.h"

#define CODE64		0x18
#define NR_VECTORS	32
#define VECTOR_PF	14
#define VECTOR_VC	29
#define VC_NOT_VALIDATED 0x404u		/* of SNP's */

extern char guest_trap_stubs[];
extern uint64_t guest_tables[512];

void guest_trap(struct guest_frame *frame);
void guest_begin(void);
void guest_cpu_traps(void);

static struct gate gates[NR_VECTORS];
static guest_fault_fn fault_handler;

void guest_on_fault(guest_fault_fn handler)
{
	fault_handler = handler;
}

static void load_idt(const void *base, unsigned size)
{
	struct table_pointer p = { (uint16_t)(size ? size - 1 : 0), (uintptr_t)base };

	__asm__ volatile("lidt %0" :: "m"(p));
}

void guest_drop_traps(void)
{
	load_idt(NULL, 0);
}

/* Each processor's: the gates, and tables under the encryption bit. */
void guest_cpu_traps(void)
{
	load_idt(gates, sizeof(gates));
	__asm__ volatile("mov %0, %%cr3" :: "r"((uintptr_t)guest_tables | guest_c_bit) : "memory");
}

void guest_trap(struct guest_frame *f)
{
	uint64_t cr2;

	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	if ((f->vector == VECTOR_PF || (f->vector == VECTOR_VC && f->error == VC_NOT_VALIDATED)) &&
	    fault_handler && fault_handler(f, cr2))
		return;
	if (f->vector == VECTOR_VC) {
		guest_vc(f);
		return;
	}
	guest_panic("exception %lu, error code 0x%lx, at 0x%lx, CR2 0x%lx", f->vector, f->error, f->rip,
		    cr2);
}

void guest_begin(void)
{
	for (unsigned i = 0; i < NR_VECTORS; i++) {
		uint64_t stub = (uintptr_t)guest_trap_stubs + 16 * i;

		gates[i] = (struct gate){ (uint16_t)stub, CODE64, 0x8e00, (uint16_t)(stub >> 16),
					  (uint32_t)(stub >> 32), 0 };
	}
	guest_cpu_traps();
	if (guest_sev_status & SEV_STATUS_SEV_ES)
		guest_ghcb_begin();
	guest_exit(guest_main());
}
