/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * names.c - numbers that events show by name: the names that tools know.
 */
#include "trace/trace_priv.h"

struct name {
	uint64_t	value;
	const char	*name;
};

static const struct name svm_exits[] = {
	{ 0x0, "read_cr0" }, { 0x2, "read_cr2" }, { 0x3, "read_cr3" }, { 0x4, "read_cr4" },
	{ 0x8, "read_cr8" }, { 0x10, "write_cr0" }, { 0x12, "write_cr2" }, { 0x13, "write_cr3" },
	{ 0x14, "write_cr4" }, { 0x18, "write_cr8" }, { 0x20, "read_dr0" }, { 0x21, "read_dr1" },
	{ 0x22, "read_dr2" }, { 0x23, "read_dr3" }, { 0x24, "read_dr4" }, { 0x25, "read_dr5" },
	{ 0x26, "read_dr6" }, { 0x27, "read_dr7" }, { 0x30, "write_dr0" }, { 0x31, "write_dr1" },
	{ 0x32, "write_dr2" }, { 0x33, "write_dr3" }, { 0x34, "write_dr4" },
	{ 0x35, "write_dr5" }, { 0x36, "write_dr6" }, { 0x37, "write_dr7" }, { 0x40, "DE excp" },
	{ 0x41, "DB excp" }, { 0x43, "BP excp" }, { 0x44, "OF excp" }, { 0x45, "BR excp" },
	{ 0x46, "UD excp" }, { 0x47, "NM excp" }, { 0x48, "DF excp" }, { 0x4a, "TS excp" },
	{ 0x4b, "NP excp" }, { 0x4c, "SS excp" }, { 0x4d, "GP excp" }, { 0x4e, "PF excp" },
	{ 0x50, "MF excp" }, { 0x51, "AC excp" }, { 0x52, "MC excp" }, { 0x53, "XF excp" },
	{ 0x60, "interrupt" }, { 0x61, "nmi" }, { 0x62, "smi" }, { 0x63, "init" },
	{ 0x64, "vintr" }, { 0x65, "cr0_sel_write" }, { 0x66, "read_idtr" },
	{ 0x67, "read_gdtr" }, { 0x68, "read_ldtr" }, { 0x69, "read_rt" },
	{ 0x6a, "write_idtr" }, { 0x6b, "write_gdtr" }, { 0x6c, "write_ldtr" },
	{ 0x6d, "write_rt" }, { 0x6e, "rdtsc" }, { 0x6f, "rdpmc" }, { 0x70, "pushf" },
	{ 0x71, "popf" }, { 0x72, "cpuid" }, { 0x73, "rsm" }, { 0x74, "iret" },
	{ 0x75, "swint" }, { 0x76, "invd" }, { 0x77, "pause" }, { 0x78, "hlt" },
	{ 0x79, "invlpg" }, { 0x7a, "invlpga" }, { 0x7b, "io" }, { 0x7c, "msr" },
	{ 0x7d, "task_switch" }, { 0x7e, "ferr_freeze" }, { 0x7f, "shutdown" },
	{ 0x80, "vmrun" }, { 0x81, "hypercall" }, { 0x82, "vmload" }, { 0x83, "vmsave" },
	{ 0x84, "stgi" }, { 0x85, "clgi" }, { 0x86, "skinit" }, { 0x87, "rdtscp" },
	{ 0x88, "icebp" }, { 0x89, "wbinvd" }, { 0x8a, "monitor" }, { 0x8b, "mwait" },
	{ 0x8d, "xsetbv" }, { 0x8f, "write_efer_trap" }, { 0x90, "write_cr0_trap" },
	{ 0x94, "write_cr4_trap" }, { 0x98, "write_cr8_trap" }, { 0xa2, "invpcid" },
	{ 0x400, "npf" }, { 0x401, "avic_incomplete_ipi" },
	{ 0x402, "avic_unaccelerated_access" }, { 0x403, "vmgexit" },
	{ 0x80000001, "vmgexit_mmio_read" }, { 0x80000002, "vmgexit_mmio_write" },
	{ 0x80000003, "vmgexit_nmi_complete" }, { 0x80000004, "vmgexit_ap_hlt_loop" },
	{ 0x80000005, "vmgexit_ap_jump_table" }, { 0x80000010, "vmgexit_page_state_change" },
	{ 0x80000011, "vmgexit_guest_request" }, { 0x80000012, "vmgexit_ext_guest_request" },
	{ 0x80000013, "vmgexit_ap_creation" }, { 0x8000fffd, "vmgexit_hypervisor_feature" },
	{ 0xffffffff, "invalid_guest_state" },
};

static const struct name vmx_exits[] = {
	{ 0x0, "EXCEPTION_NMI" }, { 0x1, "EXTERNAL_INTERRUPT" }, { 0x2, "TRIPLE_FAULT" },
	{ 0x3, "INIT_SIGNAL" }, { 0x4, "SIPI_SIGNAL" }, { 0x7, "INTERRUPT_WINDOW" },
	{ 0x8, "NMI_WINDOW" }, { 0x9, "TASK_SWITCH" }, { 0xa, "CPUID" }, { 0xc, "HLT" },
	{ 0xd, "INVD" }, { 0xe, "INVLPG" }, { 0xf, "RDPMC" }, { 0x10, "RDTSC" },
	{ 0x12, "VMCALL" }, { 0x13, "VMCLEAR" }, { 0x14, "VMLAUNCH" }, { 0x15, "VMPTRLD" },
	{ 0x16, "VMPTRST" }, { 0x17, "VMREAD" }, { 0x18, "VMRESUME" }, { 0x19, "VMWRITE" },
	{ 0x1a, "VMOFF" }, { 0x1b, "VMON" }, { 0x1c, "CR_ACCESS" }, { 0x1d, "DR_ACCESS" },
	{ 0x1e, "IO_INSTRUCTION" }, { 0x1f, "MSR_READ" }, { 0x20, "MSR_WRITE" },
	{ 0x21, "INVALID_STATE" }, { 0x22, "MSR_LOAD_FAIL" }, { 0x24, "MWAIT_INSTRUCTION" },
	{ 0x25, "MONITOR_TRAP_FLAG" }, { 0x27, "MONITOR_INSTRUCTION" },
	{ 0x28, "PAUSE_INSTRUCTION" }, { 0x29, "MCE_DURING_VMENTRY" },
	{ 0x2b, "TPR_BELOW_THRESHOLD" }, { 0x2c, "APIC_ACCESS" }, { 0x2d, "EOI_INDUCED" },
	{ 0x2e, "GDTR_IDTR" }, { 0x2f, "LDTR_TR" }, { 0x30, "EPT_VIOLATION" },
	{ 0x31, "EPT_MISCONFIG" }, { 0x32, "INVEPT" }, { 0x33, "RDTSCP" },
	{ 0x34, "PREEMPTION_TIMER" }, { 0x35, "INVVPID" }, { 0x36, "WBINVD" },
	{ 0x37, "XSETBV" }, { 0x38, "APIC_WRITE" }, { 0x39, "RDRAND" }, { 0x3a, "INVPCID" },
	{ 0x3b, "VMFUNC" }, { 0x3c, "ENCLS" }, { 0x3d, "RDSEED" }, { 0x3e, "PML_FULL" },
	{ 0x3f, "XSAVES" }, { 0x40, "XRSTORS" }, { 0x43, "UMWAIT" }, { 0x44, "TPAUSE" },
	{ 0x4a, "BUS_LOCK" }, { 0x4b, "NOTIFY" },
};

/* include/uapi/linux/kvm.h, as far as the kernel names them here. */
static const struct name user_exits[] = {
	{ 0x0, "KVM_EXIT_UNKNOWN" }, { 0x1, "KVM_EXIT_EXCEPTION" }, { 0x2, "KVM_EXIT_IO" },
	{ 0x3, "KVM_EXIT_HYPERCALL" }, { 0x4, "KVM_EXIT_DEBUG" }, { 0x5, "KVM_EXIT_HLT" },
	{ 0x6, "KVM_EXIT_MMIO" }, { 0x7, "KVM_EXIT_IRQ_WINDOW_OPEN" },
	{ 0x8, "KVM_EXIT_SHUTDOWN" }, { 0x9, "KVM_EXIT_FAIL_ENTRY" }, { 0xa, "KVM_EXIT_INTR" },
	{ 0xb, "KVM_EXIT_SET_TPR" }, { 0xc, "KVM_EXIT_TPR_ACCESS" },
	{ 0xd, "KVM_EXIT_S390_SIEIC" }, { 0xe, "KVM_EXIT_S390_RESET" }, { 0xf, "KVM_EXIT_DCR" },
	{ 0x10, "KVM_EXIT_NMI" }, { 0x11, "KVM_EXIT_INTERNAL_ERROR" }, { 0x12, "KVM_EXIT_OSI" },
	{ 0x13, "KVM_EXIT_PAPR_HCALL" }, { 0x14, "KVM_EXIT_S390_UCONTROL" },
	{ 0x15, "KVM_EXIT_WATCHDOG" }, { 0x16, "KVM_EXIT_S390_TSCH" }, { 0x17, "KVM_EXIT_EPR" },
	{ 0x18, "KVM_EXIT_SYSTEM_EVENT" }, { 0x19, "KVM_EXIT_S390_STSI" },
	{ 0x1a, "KVM_EXIT_IOAPIC_EOI" }, { 0x1b, "KVM_EXIT_HYPERV" },
	{ 0x1c, "KVM_EXIT_ARM_NISV" }, { 0x1d, "KVM_EXIT_X86_RDMSR" },
	{ 0x1e, "KVM_EXIT_X86_WRMSR" },
};

static const struct name apic_registers[] = {
	{ 0x20, "APIC_ID" }, { 0x30, "APIC_LVR" }, { 0x80, "APIC_TASKPRI" },
	{ 0x90, "APIC_ARBPRI" }, { 0xa0, "APIC_PROCPRI" }, { 0xb0, "APIC_EOI" },
	{ 0xc0, "APIC_RRR" }, { 0xd0, "APIC_LDR" }, { 0xe0, "APIC_DFR" }, { 0xf0, "APIC_SPIV" },
	{ 0x100, "APIC_ISR" }, { 0x180, "APIC_TMR" }, { 0x200, "APIC_IRR" },
	{ 0x280, "APIC_ESR" }, { 0x300, "APIC_ICR" }, { 0x310, "APIC_ICR2" },
	{ 0x320, "APIC_LVTT" }, { 0x330, "APIC_LVTTHMR" }, { 0x340, "APIC_LVTPC" },
	{ 0x350, "APIC_LVT0" }, { 0x360, "APIC_LVT1" }, { 0x370, "APIC_LVTERR" },
	{ 0x380, "APIC_TMICT" }, { 0x390, "APIC_TMCCT" }, { 0x3e0, "APIC_TDCR" },
	{ 0x3f0, "APIC_SELF_IPI" }, { 0x400, "APIC_EFEAT" }, { 0x410, "APIC_ECTRL" },
};

static const struct name exceptions[] = {
	{ 0x0, "#DE" }, { 0x1, "#DB" }, { 0x3, "#BP" }, { 0x4, "#OF" }, { 0x5, "#BR" },
	{ 0x6, "#UD" }, { 0x7, "#NM" }, { 0x8, "#DF" }, { 0xa, "#TS" }, { 0xb, "#NP" },
	{ 0xc, "#SS" }, { 0xd, "#GP" }, { 0xe, "#PF" }, { 0x10, "#MF" }, { 0x11, "#AC" },
	{ 0x12, "#MC" },
};

static const struct name delivery_modes[] = {
	{ 0x0, "Fixed" }, { 0x1, "LowPrio" }, { 0x2, "SMI" }, { 0x3, "Res3" }, { 0x4, "NMI" },
	{ 0x5, "INIT" }, { 0x6, "SIPI" }, { 0x7, "ExtINT" },
};

static const struct name shorthands[] = {
	{ 0x0, "dst" }, { 0x1, "self" }, { 0x2, "all" }, { 0x3, "all-but-self" },
};

/* Of the emulated instruction: our own numbers. */
static const struct name cpu_modes[] = {
	{ 0x0, "real" }, { 0x1, "vm16" }, { 0x2, "prot16" }, { 0x3, "prot32" },
	{ 0x4, "prot64" },
};

static const struct name mmio_types[] = {
	{ 0x0, "unsatisfied-read" }, { 0x1, "read" }, { 0x2, "write" },
};

static const struct name irq_chips[] = {
	{ 0x0, "PIC master" }, { 0x1, "PIC slave" }, { 0x2, "IOAPIC" },
};

#define TABLE(t)	{ t, ARRAY_SIZE(t) }

static const struct { const struct name *names; size_t nr; } tables[] = {
	[TRACE_NAMES_SVM_EXIT] = TABLE(svm_exits),
	[TRACE_NAMES_VMX_EXIT] = TABLE(vmx_exits),
	[TRACE_NAMES_USER_EXIT] = TABLE(user_exits),
	[TRACE_NAMES_APIC] = TABLE(apic_registers),
	[TRACE_NAMES_EXCEPTION] = TABLE(exceptions),
	[TRACE_NAMES_DELIVERY] = TABLE(delivery_modes),
	[TRACE_NAMES_SHORTHAND] = TABLE(shorthands),
	[TRACE_NAMES_CPU_MODE] = TABLE(cpu_modes),
	[TRACE_NAMES_MMIO] = TABLE(mmio_types),
	[TRACE_NAMES_IRQCHIP] = TABLE(irq_chips),
};

const char *trace_name(enum trace_names names, uint64_t value)
{
	for (size_t i = 0; i < tables[names].nr; i++) {
		if (tables[names].names[i].value == value)
			return tables[names].names[i].name;
	}
	return NULL;
}
