/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmsa.h - the page with the state of an encrypted guest's processor.  APM
 * vol. 2 appendix B, table B-4; the fields that this machine has.
 *
 * The hypervisor fills one in the clear before the launch and never again:
 * the secure processor encrypts it and names the place of its checksum, from then
 * on VMRUN loads it and #VMEXIT stores it, under the guest's key (hw/mem/tmr.h).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/macros.h"

struct vmsa_segment {
	uint16_t	selector;
	uint16_t	attributes;	/* 7:0 type S DPL P, 8 AVL, 9 L, 10 D/B, 11 G */
	uint32_t	limit;
	uint64_t	base;
};

/* SEV_FEATURES */
#define VMSA_SNP_ACTIVE		BIT(0)
#define VMSA_VTOM		BIT(1)
#define VMSA_REFLECT_VC		BIT(2)
#define VMSA_RESTRICTED_INJECTION BIT(3)
#define VMSA_ALTERNATE_INJECTION BIT(4)
#define VMSA_DEBUG_SWAP		BIT(5)	/* debug registers are the guest's own */

struct vmsa {
	struct vmsa_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint64_t	pl_ssp[4], u_cet;
	uint8_t		reserved_c8[2], vmpl, cpl;
	uint8_t		reserved_cc[4];
	uint64_t	efer;
	uint8_t		reserved_d8[0x140 - 0xd8];
	uint64_t	xss, cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint64_t	dr[4], dr_mask[4];
	uint8_t		reserved_1c0[0x1d8 - 0x1c0];
	uint64_t	rsp, s_cet, ssp, isst, rax;
	uint64_t	star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t	sysenter_cs, sysenter_esp, sysenter_eip, cr2;
	uint8_t		reserved_248[0x268 - 0x248];
	uint64_t	g_pat, dbgctl, br_from, br_to, lastexcp_from, lastexcp_to;
	uint8_t		reserved_298[0x2e0 - 0x298];
	uint64_t	spec_ctrl;
	uint32_t	pkru, tsc_aux;
	uint64_t	tsc_scale, tsc_offset, reg_prot_nonce;
	uint64_t	rcx, rdx, rbx, secure_avic_ctl, rbp, rsi, rdi, r8_to_r15[8];
	uint64_t	reserved_380;
	uint64_t	checksum;	/* its address, from the secure processor */
	uint64_t	guest_exitinfo1, guest_exitinfo2, guest_exitintinfo, guest_nrip;
	uint64_t	sev_features, vintr_ctrl, guest_exitcode, virtual_tom;
	uint64_t	tlb_id, pcpu_id, event_inj, xcr0;
	uint8_t		reserved_3f0[0x400 - 0x3f0];
	uint64_t	x87_dp;
	uint32_t	mxcsr;
	uint16_t	x87_ftw;	/* abridged, as FXSAVE has it */
	uint16_t	x87_fsw, x87_fcw, x87_fop, x87_ds, x87_cs;
	uint64_t	x87_rip;
	uint8_t		fpreg_x87[80];	/* 8 mantissas, then 8 signs and exponents; ST(0) first */
	uint8_t		fpreg_xmm[16][16], fpreg_ymm[16][16];
	uint8_t		reserved_670[0x1000 - 0x670];
} __attribute__((packed, aligned(8)));

_Static_assert(sizeof(struct vmsa) == 4096, "a page");
_Static_assert(offsetof(struct vmsa, cpl) == 0xcb, "CPL");
_Static_assert(offsetof(struct vmsa, xss) == 0x140, "XSS");
_Static_assert(offsetof(struct vmsa, rsp) == 0x1d8, "RSP");
_Static_assert(offsetof(struct vmsa, cr2) == 0x240, "CR2");
_Static_assert(offsetof(struct vmsa, tsc_aux) == 0x2ec, "TSC_AUX");
_Static_assert(offsetof(struct vmsa, rcx) == 0x308, "RCX");
_Static_assert(offsetof(struct vmsa, sev_features) == 0x3b0, "SEV_FEATURES");
_Static_assert(offsetof(struct vmsa, xcr0) == 0x3e8, "XCR0");
_Static_assert(offsetof(struct vmsa, mxcsr) == 0x408, "MXCSR");
_Static_assert(offsetof(struct vmsa, fpreg_x87) == 0x420, "x87");
_Static_assert(offsetof(struct vmsa, fpreg_ymm) == 0x570, "YMM");
