/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * svm.h - VMRUN: AMD's guest mode.  APM vol. 2 chapter 15 and appendix C.
 *
 * The control area is a structure of the caller instead of a page, its
 * numbers are the manual's.  Always intercepted, because no hypervisor of
 * ours runs without: INTR, NMI, SHUTDOWN, CPUID, HLT, IOIO (all ports), MSR
 * (but see @msrpm), VMMCALL, INVLPGA, VMRUN/VMLOAD/VMSAVE/STGI/CLGI/SKINIT, INVD,
 * WBINVD, MONITOR/MWAIT, XSETBV (but see @pass_xsetbv), RDPMC, task switches,
 * CR0/CR3/CR4/CR8 writes as the bitmaps say.
 *
 * SEV (15.34): the ASID is the guest's key slot (hw/mem/view.h) and the guest
 * has a C-bit.  SEV-ES (15.35): its state is the VMSA (hw/insn/vmsa.h), exits
 * are automatic or become #VC in the guest.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "x86/state.h"

struct cpu;

enum svm_exitcode {			/* APM vol. 2 appendix C */
	SVM_EXIT_CR0_READ	= 0x000,	/* + cr number */
	SVM_EXIT_CR0_WRITE	= 0x010,	/* + cr number */
	SVM_EXIT_DR0_READ	= 0x020,
	SVM_EXIT_DR0_WRITE	= 0x030,
	SVM_EXIT_EXCP0		= 0x040,	/* + vector */
	SVM_EXIT_INTR		= 0x060,
	SVM_EXIT_NMI		= 0x061,
	SVM_EXIT_SMI		= 0x062,
	SVM_EXIT_INIT		= 0x063,
	SVM_EXIT_VINTR		= 0x064,
	SVM_EXIT_RDTSC		= 0x06e,
	SVM_EXIT_RDPMC		= 0x06f,
	SVM_EXIT_CPUID		= 0x072,
	SVM_EXIT_IRET		= 0x074,
	SVM_EXIT_INVD		= 0x076,
	SVM_EXIT_PAUSE		= 0x077,
	SVM_EXIT_HLT		= 0x078,
	SVM_EXIT_INVLPGA	= 0x07a,
	SVM_EXIT_IOIO		= 0x07b,
	SVM_EXIT_MSR		= 0x07c,
	SVM_EXIT_TASK_SWITCH	= 0x07d,
	SVM_EXIT_SHUTDOWN	= 0x07f,
	SVM_EXIT_VMRUN		= 0x080,
	SVM_EXIT_VMMCALL	= 0x081,
	SVM_EXIT_VMLOAD		= 0x082,
	SVM_EXIT_VMSAVE		= 0x083,
	SVM_EXIT_STGI		= 0x084,
	SVM_EXIT_CLGI		= 0x085,
	SVM_EXIT_SKINIT		= 0x086,
	SVM_EXIT_RDTSCP		= 0x087,
	SVM_EXIT_WBINVD		= 0x089,
	SVM_EXIT_MONITOR	= 0x08a,
	SVM_EXIT_MWAIT		= 0x08b,
	SVM_EXIT_XSETBV		= 0x08d,
	SVM_EXIT_EFER_WRITE_TRAP = 0x08f,
	SVM_EXIT_CR0_WRITE_TRAP	= 0x090,	/* + cr number */
	SVM_EXIT_BUSLOCK	= 0x0a5,	/* never by this processor, nor is the next */
	SVM_EXIT_IDLE_HLT	= 0x0a6,
	SVM_EXIT_NPF		= 0x400,
	SVM_EXIT_VMGEXIT	= 0x403,
	SVM_EXIT_INVALID	= -1,
};

enum svm_tlb_control {			/* VMCB offset 0x5c */
	SVM_TLB_DO_NOTHING	= 0,
	SVM_TLB_FLUSH_ALL_ASID	= 1,
	SVM_TLB_FLUSH_ASID	= 3,
	SVM_TLB_FLUSH_ASID_NONGLOBAL = 7,
};

/* EXITINFO1 of #NPF: the page-fault error code and (APM 15.25.6) */
#define SVM_NPF_PRESENT		BIT(0)
#define SVM_NPF_WRITE		BIT(1)
#define SVM_NPF_USER		BIT(2)
#define SVM_NPF_RSVD		BIT(3)
#define SVM_NPF_FETCH		BIT(4)
#define SVM_NPF_RMP		BIT(31)
#define SVM_NPF_FINAL		BIT(32)	/* of the guest's final address */
#define SVM_NPF_TABLE		BIT(33)	/* of a guest page-table access */
#define SVM_NPF_ENC		BIT(34)
#define SVM_NPF_SIZEM		BIT(35)
#define SVM_NPF_VMPL		BIT(36)

/* EXITINFO1 of IOIO (APM 15.10.2): port in 31:16 */
#define SVM_IOIO_IN		BIT(0)
#define SVM_IOIO_STR		BIT(2)
#define SVM_IOIO_REP		BIT(3)
#define SVM_IOIO_SZ8		BIT(4)
#define SVM_IOIO_SZ16		BIT(5)
#define SVM_IOIO_SZ32		BIT(6)
#define SVM_IOIO_A16		BIT(7)
#define SVM_IOIO_A32		BIT(8)
#define SVM_IOIO_A64		BIT(9)
/* EXITINFO2 of IOIO is the address of the next instruction. */

/* EVENTINJ / EXITINTINFO: vector 7:0, type 10:8 (0 intr 2 nmi 3 exception
 * 4 soft), EV 11, V 31, error code 63:32
 */
#define SVM_EVENT_VALID		BIT(31)
#define SVM_EVENT_HAS_ERROR	BIT(11)
#define SVM_EVENT_TYPE_INTR	(0ull << 8)
#define SVM_EVENT_TYPE_NMI	(2ull << 8)
#define SVM_EVENT_TYPE_EXCEPTION (3ull << 8)
#define SVM_EVENT_TYPE_SOFT	(4ull << 8)

/* np_control, VMCB offset 0x90 */
#define SVM_NP_ENABLE		BIT(0)	/* always on */
#define SVM_NP_SEV		BIT(1)
#define SVM_NP_SEV_ES		BIT(2)	/* with SVM_NP_SEV */

/* int_state, VMCB offset 0x68 */
#define SVM_INT_SHADOW		BIT(0)
#define SVM_GUEST_INTERRUPT_MASK BIT(1)	/* out, SEV-ES: RFLAGS.IF */

#define SVM_MSRPM_SIZE		8192u	/* APM 15.11: two bits an MSR, read and write */

/* The place of MSR @nr in a permission map: bit 2n reads, 2n + 1 writes; -1: always intercepted. */
static inline int svm_msrpm_bit(uint32_t nr)
{
	uint32_t base = nr >= 0xc0010000 ? 0xc0010000 : nr >= 0xc0000000 ? 0xc0000000 : 0;
	uint32_t vector = base == 0xc0010000 ? 2 : base ? 1 : 0;

	return nr - base < 0x2000 ? (int)(vector * 0x2000 + (nr - base)) * 2 : -1;
}

struct svm_control {
	uint32_t	asid;		/* > 0; with SEV: 1 to config.nr_keys, the key slot */
	uint64_t	np_control;	/* SVM_NP_*; 0 is SVM_NP_ENABLE */
	hpa_t		ncr3;		/* root of the nested tables, 4 or 5 levels */
	uint8_t		nested_levels;	/* 4 or 5 */
	uint32_t	intercept_exceptions;	/* by vector */
	uint16_t	intercept_cr_read, intercept_cr_write;	/* by number */
	uint16_t	intercept_dr_read, intercept_dr_write;
	bool		intercept_vintr;/* exit as soon as interrupts are possible */
	bool		intercept_iret;
	bool		v_nmi_pending;	/* V_NMI_PENDING (15.21.10): taken when none is blocked */
	bool		intercept_pause;
	enum svm_tlb_control tlb_control;
	uint64_t	event_inj;
	uint64_t	tsc_offset;
	uint64_t	tsc_ratio;	/* TSC_RATIO MSR, 8.32 fixed point; 0: 1.0 */
	bool		pass_xsetbv;	/* XSETBV is not intercepted */
	const uint8_t	*msrpm;		/* MSR permission map; NULL: all are intercepted */

	/* SEV-ES only */
	hpa_t		vmsa_pa;	/* VMCB offset 0x108; page aligned, without a C-bit */
	uint64_t	ghcb_gpa;	/* 0xa0: the guest's GHCB MSR */
	uint64_t	int_state;	/* 0x68: SVM_INT_SHADOW */
	uint16_t	trap_cr_write;	/* CRn_WRITE_TRAP, by number: exit after the write */
	bool		trap_efer_write;
	bool		v_nmi_blocked;	/* V_NMI_MASK: until the guest's IRET */
	uint8_t		v_tpr;		/* the guest's CR8 */
};

struct svm_exit {
	uint64_t	exitcode;
	uint64_t	exitinfo1, exitinfo2;
	uint64_t	exitintinfo;	/* event whose delivery was interrupted */
	uint64_t	nrip;		/* of the next instruction, where the manual gives it;
					 * not of a SEV-ES guest */
	bool		v_nmi_pending;	/* still */
	bool		v_nmi_blocked;	/* SEV-ES */
	uint8_t		v_tpr;		/* SEV-ES */
	uint64_t	ghcb_gpa;	/* SEV-ES: the MSR as the guest left it, else the control's */
	uint64_t	int_state;	/* SEV-ES: SVM_INT_SHADOW, SVM_GUEST_INTERRUPT_MASK */
	uint8_t		nr_bytes;	/* DecodeAssists: valid for #NPF and #PF, never SEV-ES */
	uint8_t		bytes[15];
};

/*
 * Runs the guest in @state on @cpu until something in @control ends it.  Only
 * the thread that runs on @cpu; @state is exact on return.
 *
 * SEV-ES: @state is not looked at (may be NULL); the state is loaded from the
 * VMSA and saved there, and its checksum with it (15.35.8).  SVM_EXIT_INVALID
 * when that does not hold, or a control is one that the guest's mode forbids
 * (15.35.10, B.4).
 */
void svm_vmrun(struct cpu *cpu, const struct svm_control *control,
	       struct x86_state *state, struct svm_exit *exit);

/* INVLPGA: one linear address of one ASID on this processor. */
void svm_invlpga(struct cpu *cpu, gva_t address, uint32_t asid);
