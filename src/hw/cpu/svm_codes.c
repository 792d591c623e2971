/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * svm_codes.c - exit codes: which instruction has which, and which of them end a
 * SEV-ES guest's run by themselves.  APM vol. 2 appendix C, table 15-33.
 */
#include "hw/cpu/svm_priv.h"

uint64_t svm_exit_code(enum x86_intercept what, uint64_t info)
{
	static const uint16_t codes[X86_NR_ICPTS] = {
		[X86_ICPT_CPUID] = SVM_EXIT_CPUID, [X86_ICPT_HLT] = SVM_EXIT_HLT,
		[X86_ICPT_IO] = SVM_EXIT_IOIO,
		[X86_ICPT_RDMSR] = SVM_EXIT_MSR, [X86_ICPT_WRMSR] = SVM_EXIT_MSR,
		[X86_ICPT_CR_READ] = SVM_EXIT_CR0_READ, [X86_ICPT_CR_WRITE] = SVM_EXIT_CR0_WRITE,
		[X86_ICPT_DR_READ] = SVM_EXIT_DR0_READ, [X86_ICPT_DR_WRITE] = SVM_EXIT_DR0_WRITE,
		[X86_ICPT_CLTS] = SVM_EXIT_CR0_WRITE, [X86_ICPT_LMSW] = SVM_EXIT_CR0_WRITE,
		[X86_ICPT_SMSW] = SVM_EXIT_CR0_READ, [X86_ICPT_RDPMC] = SVM_EXIT_RDPMC,
		[X86_ICPT_RDTSC] = SVM_EXIT_RDTSC, [X86_ICPT_RDTSCP] = SVM_EXIT_RDTSCP,
		[X86_ICPT_INVD] = SVM_EXIT_INVD, [X86_ICPT_WBINVD] = SVM_EXIT_WBINVD,
		[X86_ICPT_MONITOR] = SVM_EXIT_MONITOR, [X86_ICPT_MWAIT] = SVM_EXIT_MWAIT,
		[X86_ICPT_XSETBV] = SVM_EXIT_XSETBV, [X86_ICPT_PAUSE] = SVM_EXIT_PAUSE,
		[X86_ICPT_IRET] = SVM_EXIT_IRET, [X86_ICPT_VMMCALL] = SVM_EXIT_VMMCALL,
		[X86_ICPT_TASK_SWITCH] = SVM_EXIT_TASK_SWITCH,
	};

	switch (what) {
	case X86_ICPT_CR_READ: case X86_ICPT_CR_WRITE:
	case X86_ICPT_DR_READ: case X86_ICPT_DR_WRITE:
		return codes[what] + (info & 15);
	case X86_ICPT_SVM:
		return info;
	default:
		return codes[what];
	}
}

enum exit_kind {
	NAE,		/* #VC in the guest, when intercepted */
	AE,		/* leaves at the instruction or event */
	AE_ADVANCES,	/* leaves after it */
};

struct exit_row {
	uint16_t	first, last;
	uint8_t		kind;
};

/*
 * Table 15-33 and the codes around it, in order; what no row has is NAE.  Of
 * SVM_EXIT_NPF only those without a reserved bit are (cpu_nested_fault).
 */
static const struct exit_row exits[] = {
	{ SVM_EXIT_CR0_READ, SVM_EXIT_CR0_READ + 15, NAE },
	{ SVM_EXIT_CR0_WRITE, SVM_EXIT_CR0_WRITE + 15, NAE },
	{ SVM_EXIT_DR0_READ, SVM_EXIT_DR0_READ + 15, NAE },
	{ SVM_EXIT_DR0_WRITE, SVM_EXIT_DR0_WRITE + 15, NAE },
	{ SVM_EXIT_EXCP0, SVM_EXIT_EXCP0 + X86_MC - 1, NAE },
	{ SVM_EXIT_EXCP0 + X86_MC, SVM_EXIT_EXCP0 + X86_MC, AE },
	{ SVM_EXIT_EXCP0 + X86_MC + 1, SVM_EXIT_EXCP0 + 31, NAE },
	{ SVM_EXIT_INTR, SVM_EXIT_INTR, AE },
	{ SVM_EXIT_NMI, SVM_EXIT_NMI, AE },
	{ SVM_EXIT_SMI, SVM_EXIT_SMI, AE },
	{ SVM_EXIT_INIT, SVM_EXIT_INIT, AE },
	{ SVM_EXIT_VINTR, SVM_EXIT_VINTR, AE },
	{ SVM_EXIT_RDTSC, SVM_EXIT_RDTSC, NAE },
	{ SVM_EXIT_RDPMC, SVM_EXIT_RDPMC, NAE },
	{ SVM_EXIT_CPUID, SVM_EXIT_CPUID, NAE },
	{ SVM_EXIT_IRET, SVM_EXIT_IRET, NAE },
	{ SVM_EXIT_INVD, SVM_EXIT_INVD, NAE },
	{ SVM_EXIT_PAUSE, SVM_EXIT_PAUSE, AE_ADVANCES },
	{ SVM_EXIT_HLT, SVM_EXIT_HLT, AE_ADVANCES },
	{ SVM_EXIT_INVLPGA, SVM_EXIT_INVLPGA, NAE },
	{ SVM_EXIT_IOIO, SVM_EXIT_IOIO, NAE },
	{ SVM_EXIT_MSR, SVM_EXIT_MSR, NAE },
	{ SVM_EXIT_TASK_SWITCH, SVM_EXIT_TASK_SWITCH, NAE },
	{ SVM_EXIT_SHUTDOWN, SVM_EXIT_SHUTDOWN, AE },
	{ SVM_EXIT_VMRUN, SVM_EXIT_VMRUN, NAE },
	{ SVM_EXIT_VMMCALL, SVM_EXIT_VMMCALL, NAE },
	{ SVM_EXIT_VMLOAD, SVM_EXIT_SKINIT, NAE },
	{ SVM_EXIT_RDTSCP, SVM_EXIT_RDTSCP, NAE },
	{ SVM_EXIT_WBINVD, SVM_EXIT_WBINVD, NAE },
	{ SVM_EXIT_MONITOR, SVM_EXIT_MWAIT, NAE },
	{ SVM_EXIT_XSETBV, SVM_EXIT_XSETBV, NAE },
	{ SVM_EXIT_EFER_WRITE_TRAP, SVM_EXIT_EFER_WRITE_TRAP, AE_ADVANCES },
	{ SVM_EXIT_CR0_WRITE_TRAP, SVM_EXIT_CR0_WRITE_TRAP + 15, AE_ADVANCES },
	{ SVM_EXIT_BUSLOCK, SVM_EXIT_BUSLOCK, AE },
	{ SVM_EXIT_IDLE_HLT, SVM_EXIT_IDLE_HLT, AE_ADVANCES },
	{ SVM_EXIT_NPF, SVM_EXIT_NPF, AE },
	{ SVM_EXIT_VMGEXIT, SVM_EXIT_VMGEXIT, AE_ADVANCES },
};

static enum exit_kind kind_of(uint64_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(exits); i++)
		if (code >= exits[i].first && code <= exits[i].last)
			return (enum exit_kind)exits[i].kind;
	return NAE;
}

bool svm_is_automatic(uint64_t code)
{
	return kind_of(code) != NAE;
}

bool svm_advances_rip(uint64_t code)
{
	return kind_of(code) == AE_ADVANCES;
}
