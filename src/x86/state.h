/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * state.h - the architectural state of one x86-64 processor thread.
 *
 * What software could name, and nothing of how we execute it.  Owned by
 * whoever runs it (a vCPU); hardware works on it in place while the guest
 * runs, and whenever the guest is out it is exact.  Not thread-safe.
 * SDM vol. 1 chapter 3, APM vol. 2 chapters 1, 4 and 8.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/macros.h"

enum x86_gpr {
	X86_RAX, X86_RCX, X86_RDX, X86_RBX, X86_RSP, X86_RBP, X86_RSI, X86_RDI,
	X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15,
	X86_NR_GPRS
};

enum x86_seg {				/* encoding order of the manuals */
	X86_ES, X86_CS, X86_SS, X86_DS, X86_FS, X86_GS, X86_LDTR, X86_TR,
	X86_NR_SEGS
};

/*
 * Segment attributes as the VMCS has them (SDM 25.4.1, table 25-2):
 *
 *   16 15 14 13 12 11   8  7  6 5  4  3  0
 *  [ U| G| D| L| A| 0...0 | P| DPL| S| type]    U unusable, A available
 */
#define X86_AR_TYPE_HI		3
#define X86_AR_TYPE_LO		0
#define X86_AR_S		BIT(4)
#define X86_AR_DPL_HI		6
#define X86_AR_DPL_LO		5
#define X86_AR_P		BIT(7)
#define X86_AR_AVL		BIT(12)
#define X86_AR_L		BIT(13)
#define X86_AR_DB		BIT(14)
#define X86_AR_G		BIT(15)
#define X86_AR_UNUSABLE		BIT(16)

struct x86_segment {
	uint16_t	selector;
	uint32_t	ar;
	uint32_t	limit;		/* in bytes, after scaling by G */
	uint64_t	base;
};

struct x86_table {			/* GDTR, IDTR */
	uint16_t	limit;
	uint64_t	base;
};

#define X86_FLAGS_CF	BIT(0)
#define X86_FLAGS_FIXED	BIT(1)
#define X86_FLAGS_PF	BIT(2)
#define X86_FLAGS_AF	BIT(4)
#define X86_FLAGS_ZF	BIT(6)
#define X86_FLAGS_SF	BIT(7)
#define X86_FLAGS_TF	BIT(8)
#define X86_FLAGS_IF	BIT(9)
#define X86_FLAGS_DF	BIT(10)
#define X86_FLAGS_OF	BIT(11)
#define X86_FLAGS_IOPL	(3ull << 12)
#define X86_FLAGS_NT	BIT(14)
#define X86_FLAGS_RF	BIT(16)
#define X86_FLAGS_VM	BIT(17)
#define X86_FLAGS_AC	BIT(18)
#define X86_FLAGS_VIF	BIT(19)
#define X86_FLAGS_VIP	BIT(20)
#define X86_FLAGS_ID	BIT(21)
#define X86_FLAGS_STATUS \
	(X86_FLAGS_CF | X86_FLAGS_PF | X86_FLAGS_AF | X86_FLAGS_ZF | X86_FLAGS_SF | X86_FLAGS_OF)

#define X86_CR0_PE	BIT(0)
#define X86_CR0_MP	BIT(1)
#define X86_CR0_EM	BIT(2)
#define X86_CR0_TS	BIT(3)
#define X86_CR0_ET	BIT(4)
#define X86_CR0_NE	BIT(5)
#define X86_CR0_WP	BIT(16)
#define X86_CR0_AM	BIT(18)
#define X86_CR0_NW	BIT(29)
#define X86_CR0_CD	BIT(30)
#define X86_CR0_PG	BIT(31)

#define X86_CR4_VME	BIT(0)
#define X86_CR4_PVI	BIT(1)
#define X86_CR4_TSD	BIT(2)
#define X86_CR4_DE	BIT(3)
#define X86_CR4_PSE	BIT(4)
#define X86_CR4_PAE	BIT(5)
#define X86_CR4_MCE	BIT(6)
#define X86_CR4_PGE	BIT(7)
#define X86_CR4_PCE	BIT(8)
#define X86_CR4_OSFXSR	BIT(9)
#define X86_CR4_OSXMMEXCPT BIT(10)
#define X86_CR4_UMIP	BIT(11)
#define X86_CR4_LA57	BIT(12)
#define X86_CR4_FSGSBASE BIT(16)
#define X86_CR4_PCIDE	BIT(17)
#define X86_CR4_OSXSAVE	BIT(18)
#define X86_CR4_SMEP	BIT(20)
#define X86_CR4_SMAP	BIT(21)
#define X86_CR4_PKE	BIT(22)

#define X86_EFER_SCE	BIT(0)
#define X86_EFER_LME	BIT(8)
#define X86_EFER_LMA	BIT(10)
#define X86_EFER_NX	BIT(11)
#define X86_EFER_SVME	BIT(12)
#define X86_EFER_FFXSR	BIT(14)

enum x86_vector {
	X86_DE = 0, X86_DB = 1, X86_NMI = 2, X86_BP = 3, X86_OF = 4, X86_BR = 5, X86_UD = 6,
	X86_NM = 7, X86_DF = 8, X86_TS = 10, X86_NP = 11, X86_SS_FAULT = 12, X86_GP = 13,
	X86_PF = 14, X86_MF = 16, X86_AC = 17, X86_MC = 18, X86_XM = 19, X86_VE = 20,
	X86_CP = 21, X86_VC = 29,
};

/* The legacy region and the upper halves, kept apart; the XSAVE image is made
 * of them on demand.  st[] in physical order is ST(0) first, as FXSAVE.
 */
struct x86_fpu {
	uint16_t	fcw, fsw, fop;
	uint8_t		ftw;		/* abridged: 1 = in use */
	uint64_t	fip, fdp;
	uint32_t	mxcsr;
	uint8_t		st[8][16] __attribute__((aligned(16)));	/* 80 bits used */
	uint8_t		xmm[16][16];
	uint8_t		ymm_hi[16][16];
} __attribute__((aligned(64)));

/* MSRs that instructions read by themselves; all others live in KVM. */
struct x86_msrs {
	uint64_t	star, lstar, cstar, sfmask;
	uint64_t	kernel_gs_base;
	uint64_t	sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t	tsc_aux;
	uint64_t	pat;
};

#define X86_SHADOW_STI		BIT(0)	/* interrupt shadows, as GUEST_INTERRUPTIBILITY */
#define X86_SHADOW_MOV_SS	BIT(1)
#define X86_SHADOW_NMI		BIT(3)	/* NMIs blocked until IRET */

struct x86_state {
	uint64_t	gpr[X86_NR_GPRS];
	uint64_t	rip;
	uint64_t	rflags;
	uint64_t	cr0, cr2, cr3, cr4, cr8;
	uint64_t	efer;
	uint64_t	xcr0;
	uint64_t	dr[4], dr6, dr7;
	/*
	 * PAE's directory pointers, where the hypervisor has loaded them (GUEST_PDPTE0
	 * on); until CR3 or the paging mode is written, then memory has them.
	 */
	uint64_t	pdpte[4];
	bool		has_pdpte;
	struct x86_segment seg[X86_NR_SEGS];
	struct x86_table gdtr, idtr;
	uint8_t		cpl;
	uint8_t		shadow;		/* X86_SHADOW_* */
	struct x86_msrs	msr;
	struct x86_fpu	fpu;
};

static inline bool x86_in_long_mode(const struct x86_state *s)
{
	return s->efer & X86_EFER_LMA;
}

static inline bool x86_in_64bit_mode(const struct x86_state *s)
{
	return x86_in_long_mode(s) && (s->seg[X86_CS].ar & X86_AR_L);
}
