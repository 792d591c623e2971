/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * a_sev.h - the guest of a_vm.h under a key, with its registers in a VMSA or
 * not.  Pages below SEV_SHARED are its own (C-bit set in its tables), those from
 * there on are shared.
 *
 * Set vm.s and the memory as for a plain guest, then sev_launch(); from then on
 * guest memory is read and written by sev_read() and sev_write().
 */
#pragma once
#include "hw/cpu/a_vm.h"
#include "hw/insn/vmsa.h"
#include "hw/mem/view.h"

#define SEV_C_BIT	51
#define SEV_C		BIT(SEV_C_BIT)
#define SEV_SHARED	0x100000ull
#define SEV_MMIO	0x180000ull	/* a shared page like others until it is taken away */
#define SEV_RESERVED	BIT(45)		/* a bit that nested entries may not have */

struct sev {
	struct vm	 vm;
	bool		 es;
	bool		 snp;		/* pages below SEV_SHARED are its own in the RMP, validated */
	keyslot_t	 slot;
	hpa_t		 vmsa;		/* a page of the host kernel's */
	uint64_t	 features;	/* SEV_FEATURES, before sev_launch() */
	uint8_t		 msrpm[SVM_MSRPM_SIZE];	/* of vm.svm: all intercepted */
};

enum sev_kind { PLAIN, SEV, SEV_ES, SEV_SNP };

void sev_init(struct sev *s, enum sev_kind kind);
void sev_launch(struct sev *s);
void sev_fini(struct sev *s);
/* The exit code. */
uint64_t sev_run(struct sev *s);

void sev_read(struct sev *s, uint64_t gpa, void *to, size_t n);
void sev_write(struct sev *s, uint64_t gpa, const void *from, size_t n);
/* The VMSA in the clear, as only the processor and this test can see it. */
struct vmsa sev_vmsa(struct sev *s);
/* The guest ended at its handler of #VC: its error code, or -1. */
int64_t sev_vc(struct sev *s);
/* A nested entry with a bit that is reserved: how KVM marks MMIO. */
void sev_nested_mmio(struct sev *s, uint64_t gpa);
void sev_pass_msr(struct sev *s, uint32_t nr);

/* Offsets in the VMSA, as the manual's table B-4 has them. */
enum {
	VMSA_CS = 0x10, VMSA_CPL = 0xcb, VMSA_EFER = 0xd0, VMSA_CR4 = 0x148, VMSA_CR3 = 0x150,
	VMSA_CR0 = 0x158, VMSA_DR7 = 0x160, VMSA_DR6 = 0x168, VMSA_RFLAGS = 0x170,
	VMSA_RIP = 0x178, VMSA_DR0 = 0x180, VMSA_RSP = 0x1d8, VMSA_RAX = 0x1f8, VMSA_STAR = 0x200,
	VMSA_CR2 = 0x240, VMSA_PAT = 0x268, VMSA_TSC_AUX = 0x2ec, VMSA_RCX = 0x308,
	VMSA_RDX = 0x310, VMSA_RBX = 0x318, VMSA_RBP = 0x328, VMSA_RSI = 0x330, VMSA_RDI = 0x338,
	VMSA_R8 = 0x340, VMSA_FEATURES = 0x3b0, VMSA_XCR0 = 0x3e8, VMSA_MXCSR = 0x408,
	VMSA_FCW = 0x410, VMSA_X87 = 0x420, VMSA_XMM = 0x470, VMSA_YMM = 0x570, VMSA_END = 0x670,
};
uint64_t sev_vmsa_field(struct sev *s, unsigned offset);
