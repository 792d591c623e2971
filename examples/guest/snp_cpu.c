/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_cpu.c - another processor: the guest writes its first state into a page, makes that a VMSA
 * by RMPADJUST, and asks the hypervisor to run it from the next INIT on.  It begins in 64-bit
 * mode, in C.  (KVM takes it at once from a processor that has run before only.)
 */
#include "ghcb.h"
#include "snp.h"

#define GHCB_AP_CREATION	0x80000013u
#define AP_CREATE_ON_INIT	0u

#define CODE64			0x18u
#define DATA			0x10u
#define EFER_LONG_MODE		0x500u		/* LMA, LME */
#define EFER_SVME		0x1000u		/* VMRUN wants it in every guest */

/* APM vol. 2, table B-4: a segment is a selector, attributes, a limit and a base. */
enum vmsa_field {
	VMSA_ES = 0x000, VMSA_CS = 0x010, VMSA_SS = 0x020, VMSA_DS = 0x030, VMSA_FS = 0x040,
	VMSA_GS = 0x050, VMSA_GDTR = 0x060, VMSA_LDTR = 0x070, VMSA_IDTR = 0x080, VMSA_TR = 0x090,
	VMSA_EFER = 0x0d0, VMSA_CR4 = 0x148, VMSA_CR3 = 0x150, VMSA_CR0 = 0x158, VMSA_DR7 = 0x160,
	VMSA_DR6 = 0x168, VMSA_RFLAGS = 0x170, VMSA_RIP = 0x178, VMSA_RSP = 0x1d8,
	VMSA_PAT = 0x268, VMSA_FEATURES = 0x3b0, VMSA_XCR0 = 0x3e8, VMSA_MXCSR = 0x408,
	VMSA_FCW = 0x410,
};

extern uint64_t guest_tables[512], guest_gdt[4], guest_cpu_stack;
void guest_cpu_begin(void);

static void put(uint8_t *vmsa, enum vmsa_field field, uint64_t value)
{
	memcpy(vmsa + field, &value, sizeof(value));
}

static void put_segment(uint8_t *vmsa, enum vmsa_field field, uint16_t selector, uint16_t attributes,
			uint32_t limit, uint64_t base)
{
	put(vmsa, field, selector | (uint64_t)attributes << 16 | (uint64_t)limit << 32);
	memcpy(vmsa + field + 8, &base, sizeof(base));
}

static void fill(uint8_t *vmsa)
{
	uint64_t cr0, cr4;

	__asm__ volatile("mov %%cr0, %0; mov %%cr4, %1" : "=r"(cr0), "=r"(cr4));
	put_segment(vmsa, VMSA_CS, CODE64, 0xa9b, 0xffffffff, 0);
	for (enum vmsa_field s = VMSA_ES; s <= VMSA_GS; s += 0x10) {
		if (s != VMSA_CS)
			put_segment(vmsa, s, DATA, 0xc93, 0xffffffff, 0);
	}
	put_segment(vmsa, VMSA_GDTR, 0, 0, sizeof(guest_gdt) - 1, (uintptr_t)guest_gdt);
	put_segment(vmsa, VMSA_LDTR, 0, 0x82, 0xffff, 0);
	put_segment(vmsa, VMSA_TR, 0, 0x8b, 0xffff, 0);
	put(vmsa, VMSA_EFER, EFER_LONG_MODE | EFER_SVME);
	put(vmsa, VMSA_CR0, cr0);
	put(vmsa, VMSA_CR3, (uintptr_t)guest_tables | guest_c_bit);
	put(vmsa, VMSA_CR4, cr4);
	put(vmsa, VMSA_DR6, 0xffff0ff0);
	put(vmsa, VMSA_DR7, 0x400);
	put(vmsa, VMSA_RFLAGS, 2);
	put(vmsa, VMSA_RIP, (uintptr_t)guest_cpu_begin);
	put(vmsa, VMSA_RSP, guest_cpu_stack - 8);	/* as if it had been called */
	put(vmsa, VMSA_PAT, 0x0007040600070406);
	put(vmsa, VMSA_FEATURES, guest_sev_status >> 2);
	put(vmsa, VMSA_XCR0, 1);
	put(vmsa, VMSA_MXCSR, 0x1f80);
	put(vmsa, VMSA_FCW, 0x37f);
}

void snp_cpu_create(unsigned apic_id)
{
	uint8_t *vmsa = guest_page();

	/* At a multiple of 2M some processors would spoil a neighbour: no hypervisor takes it. */
	if ((uintptr_t)vmsa % GUEST_LARGE_PAGE == 0)
		vmsa = guest_page();
	fill(vmsa);
	if (snp_rmpadjust((uintptr_t)vmsa, SNP_4K, 1, SNP_VMSA) != SNP_DONE)
		guest_panic("RMPADJUST makes no VMSA of 0x%lx", (uintptr_t)vmsa);
	ghcb_clear();
	ghcb_set(GHCB_RAX, guest_sev_status >> 2);
	ghcb_call(GHCB_AP_CREATION, (uint64_t)apic_id << 32 | AP_CREATE_ON_INIT, (uintptr_t)vmsa);
}
