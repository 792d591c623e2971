/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmx.h - VM entry: Intel's guest mode.  SDM vol. 3C chapters 25 to 31.
 *
 * The VMCS is a structure of the caller instead of a page, its numbers are
 * the manual's.  Always on, because no hypervisor of ours runs without: EPT,
 * VPID, unrestricted guest, external-interrupt and NMI exiting, unconditional
 * I/O exiting, MSR exiting (all), HLT, CPUID, INVD, WBINVD, XSETBV, VMCALL and
 * the VMX instructions, MONITOR/MWAIT and RDPMC exiting.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "x86/state.h"

struct cpu;

enum vmx_exit_reason {			/* SDM vol. 3D appendix C */
	VMX_EXIT_EXCEPTION_NMI	= 0,
	VMX_EXIT_EXTERNAL_INTERRUPT = 1,
	VMX_EXIT_TRIPLE_FAULT	= 2,
	VMX_EXIT_INTERRUPT_WINDOW = 7,
	VMX_EXIT_NMI_WINDOW	= 8,
	VMX_EXIT_TASK_SWITCH	= 9,
	VMX_EXIT_CPUID		= 10,
	VMX_EXIT_HLT		= 12,
	VMX_EXIT_INVD		= 13,
	VMX_EXIT_INVLPG		= 14,
	VMX_EXIT_RDPMC		= 15,
	VMX_EXIT_VMCALL		= 18,
	VMX_EXIT_VMCLEAR	= 19,
	VMX_EXIT_VMLAUNCH	= 20,
	VMX_EXIT_VMPTRLD	= 21,
	VMX_EXIT_VMPTRST	= 22,
	VMX_EXIT_VMREAD		= 23,
	VMX_EXIT_VMRESUME	= 24,
	VMX_EXIT_VMWRITE	= 25,
	VMX_EXIT_VMXOFF		= 26,
	VMX_EXIT_VMXON		= 27,
	VMX_EXIT_CR_ACCESS	= 28,
	VMX_EXIT_DR_ACCESS	= 29,
	VMX_EXIT_IO		= 30,
	VMX_EXIT_RDMSR		= 31,
	VMX_EXIT_WRMSR		= 32,
	VMX_EXIT_INVALID_STATE	= 33,
	VMX_EXIT_MWAIT		= 36,
	VMX_EXIT_MONITOR	= 39,
	VMX_EXIT_PAUSE		= 40,
	VMX_EXIT_EPT_VIOLATION	= 48,
	VMX_EXIT_EPT_MISCONFIG	= 49,
	VMX_EXIT_INVEPT		= 50,
	VMX_EXIT_INVVPID	= 53,
	VMX_EXIT_WBINVD		= 54,
	VMX_EXIT_XSETBV		= 55,
};
#define VMX_EXIT_FAILED_ENTRY	BIT(31)	/* or-ed to INVALID_STATE */

/* Exit qualification of EPT violations, SDM table 28-7 */
#define VMX_EPT_READ		BIT(0)
#define VMX_EPT_WRITE		BIT(1)
#define VMX_EPT_FETCH		BIT(2)
#define VMX_EPT_READABLE	BIT(3)	/* what the entries allowed */
#define VMX_EPT_WRITABLE	BIT(4)
#define VMX_EPT_EXECUTABLE	BIT(5)
#define VMX_EPT_GLA_VALID	BIT(7)
#define VMX_EPT_FINAL		BIT(8)	/* final address, not a page-table access */

/* Exit qualification of I/O, SDM table 28-5: size-1 in 2:0, port in 31:16 */
#define VMX_IO_IN		BIT(3)
#define VMX_IO_STRING		BIT(4)
#define VMX_IO_REP		BIT(5)

/* Interruption information, SDM tables 25-17 and 25-19: vector 7:0, type 10:8 */
#define VMX_INTR_VALID		BIT(31)
#define VMX_INTR_HAS_ERROR	BIT(11)
#define VMX_INTR_TYPE_EXTERNAL	(0u << 8)
#define VMX_INTR_TYPE_NMI	(2u << 8)
#define VMX_INTR_TYPE_HARD_EXCEPTION (3u << 8)
#define VMX_INTR_TYPE_SOFT_INT	(4u << 8)
#define VMX_INTR_TYPE_PRIV_EXCEPTION (5u << 8)	/* INT1 */
#define VMX_INTR_TYPE_SOFT_EXCEPTION (6u << 8)

struct vmx_control {
	uint16_t	vpid;		/* > 0 */
	uint64_t	eptp;		/* SDM 25.6.11: root, walk length - 1 in 5:3, A/D in 6 */
	/*
	 * Shared-EPT pointer (TDX's; field 203Ch): guest physical addresses with bit
	 * @shared_bit are walked from there, with the whole address and @eptp's
	 * length and flags.  @shared_bit 0: off.
	 */
	uint64_t	shared_eptp;
	uint8_t		shared_bit;
	uint32_t	exception_bitmap;
	uint32_t	pf_mask, pf_match;	/* of #PF's error code, SDM 26.2: unequal turns its bit round */
	uint64_t	cr0_mask, cr0_shadow;	/* bits owned by the host, what is read */
	uint64_t	cr4_mask, cr4_shadow;
	bool		cr3_load_exiting, cr3_store_exiting;
	bool		cr8_load_exiting, cr8_store_exiting;
	bool		mov_dr_exiting;
	bool		invlpg_exiting;
	bool		pause_exiting;
	bool		interrupt_window_exiting;
	bool		nmi_window_exiting;
	uint32_t	entry_intr_info;
	uint32_t	entry_error_code;
	uint32_t	entry_insn_len;
	uint64_t	tsc_offset;
	uint64_t	tsc_multiplier;	/* 16.48 fixed point; 0: scaling is off */
};

struct vmx_exit {
	uint32_t	reason;
	uint64_t	qualification;
	gpa_t		gpa;		/* EPT violation and misconfiguration */
	gva_t		gla;
	uint32_t	intr_info, intr_error;
	uint32_t	idt_info, idt_error;	/* event whose delivery was interrupted */
	uint32_t	insn_len;
	uint32_t	insn_info;
};

/*
 * VMLAUNCH/VMRESUME: runs the guest in @state on @cpu until something in
 * @control ends it.  Only the thread that runs on @cpu; @state is exact on
 * return.  State that VM entry refuses gives INVALID_STATE|FAILED_ENTRY.
 */
void vmx_enter(struct cpu *cpu, const struct vmx_control *control,
	       struct x86_state *state, struct vmx_exit *exit);

enum vmx_invept { VMX_INVEPT_SINGLE = 1, VMX_INVEPT_ALL = 2 };
enum vmx_invvpid { VMX_INVVPID_ADDRESS = 0, VMX_INVVPID_SINGLE = 1, VMX_INVVPID_ALL = 2,
		   VMX_INVVPID_SINGLE_NONGLOBAL = 3 };

/* This processor's translations only, as the instructions do. */
void vmx_invept(struct cpu *cpu, enum vmx_invept type, uint64_t eptp);
void vmx_invvpid(struct cpu *cpu, enum vmx_invvpid type, uint16_t vpid, gva_t address);
