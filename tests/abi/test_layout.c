/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_layout.c - numbers, sizes and offsets of the ABI, checked by the
 * compiler, with our header alone, before and after <linux/kvm.h>
 * (UAPI_ORDER 0, 1, 2; meson.build compiles all three).  uapi-compare has the
 * whole comparison where a kernel's source is at hand; these are the values of
 * kvm.md 1.0.4, 1.2 to 1.13.
 */
#if UAPI_ORDER == 2
#include <linux/kvm.h>
#endif
#include <softcvm/uapi/kvm.h>
#include <softcvm/uapi/kvm_para.h>
#if UAPI_ORDER == 1
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#endif

#include <assert.h>
#include <stddef.h>
#include <stdio.h>

#define NUMBER(name, value)	static_assert((name) == (value), #name);
#define SIZE(type, value)	static_assert(sizeof(struct type) == (value), #type);
#define AT(type, member, value)	static_assert(offsetof(struct type, member) == (value), #member);

NUMBER(KVM_GET_API_VERSION, 0xAE00)
NUMBER(KVM_CREATE_VM, 0xAE01)
NUMBER(KVM_GET_MSR_INDEX_LIST, 0xC004AE02)
NUMBER(KVM_CHECK_EXTENSION, 0xAE03)
NUMBER(KVM_GET_VCPU_MMAP_SIZE, 0xAE04)
NUMBER(KVM_GET_SUPPORTED_CPUID, 0xC008AE05)
NUMBER(KVM_GET_MSR_FEATURE_INDEX_LIST, 0xC004AE0A)
NUMBER(KVM_CREATE_VCPU, 0xAE41)
NUMBER(KVM_GET_DIRTY_LOG, 0x4010AE42)
NUMBER(KVM_SET_USER_MEMORY_REGION, 0x4020AE46)
NUMBER(KVM_SET_TSS_ADDR, 0xAE47)
NUMBER(KVM_SET_IDENTITY_MAP_ADDR, 0x4008AE48)
NUMBER(KVM_SET_USER_MEMORY_REGION2, 0x40A0AE49)
NUMBER(KVM_CREATE_IRQCHIP, 0xAE60)
NUMBER(KVM_IRQ_LINE, 0x4008AE61)
NUMBER(KVM_REGISTER_COALESCED_MMIO, 0x4010AE67)
NUMBER(KVM_UNREGISTER_COALESCED_MMIO, 0x4010AE68)
NUMBER(KVM_SET_GSI_ROUTING, 0x4008AE6A)
NUMBER(KVM_IRQFD, 0x4020AE76)
NUMBER(KVM_IOEVENTFD, 0x4040AE79)
NUMBER(KVM_RUN, 0xAE80)
NUMBER(KVM_GET_REGS, 0x8090AE81)
NUMBER(KVM_SET_REGS, 0x4090AE82)
NUMBER(KVM_GET_SREGS, 0x8138AE83)
NUMBER(KVM_SET_SREGS, 0x4138AE84)
NUMBER(KVM_TRANSLATE, 0xC018AE85)
NUMBER(KVM_GET_MSRS, 0xC008AE88)
NUMBER(KVM_SET_MSRS, 0x4008AE89)
NUMBER(KVM_SET_SIGNAL_MASK, 0x4004AE8B)
NUMBER(KVM_SET_CPUID2, 0x4008AE90)
NUMBER(KVM_GET_MP_STATE, 0x8004AE98)
NUMBER(KVM_SET_MP_STATE, 0x4004AE99)
NUMBER(KVM_GET_VCPU_EVENTS, 0x8040AE9F)
NUMBER(KVM_SET_VCPU_EVENTS, 0x4040AEA0)
NUMBER(KVM_ENABLE_CAP, 0x4068AEA3)
NUMBER(KVM_SIGNAL_MSI, 0x4020AEA5)
NUMBER(KVM_MEMORY_ENCRYPT_OP, 0xC008AEBA)
NUMBER(KVM_MEMORY_ENCRYPT_REG_REGION, 0x8010AEBB)
NUMBER(KVM_MEMORY_ENCRYPT_UNREG_REGION, 0x8010AEBC)
NUMBER(KVM_CLEAR_DIRTY_LOG, 0xC018AEC0)
NUMBER(KVM_X86_SET_MSR_FILTER, 0x4188AEC6)
NUMBER(KVM_RESET_DIRTY_RINGS, 0xAEC7)
NUMBER(KVM_GET_SREGS2, 0x8140AECC)
NUMBER(KVM_SET_SREGS2, 0x4140AECD)
NUMBER(KVM_GET_STATS_FD, 0xAECE)
NUMBER(KVM_SET_MEMORY_ATTRIBUTES, 0x4020AED2)
NUMBER(KVM_CREATE_GUEST_MEMFD, 0xC040AED4)
NUMBER(KVM_PRE_FAULT_MEMORY, 0xC040AED5)
NUMBER(KVM_CREATE_DEVICE, 0xC00CAEE0)

NUMBER(KVM_EXIT_MEMORY_FAULT, 39)
NUMBER(KVM_MEMORY_EXIT_FLAG_PRIVATE, 8)
NUMBER(KVM_MEMORY_ATTRIBUTE_PRIVATE, 8)
NUMBER(KVM_CAP_MEMORY_ATTRIBUTES, 233)
NUMBER(KVM_CAP_GUEST_MEMFD_FLAGS, 244)
NUMBER(KVM_X86_TDX_VM, 5)
NUMBER(KVM_SEV_INIT2, 22)
NUMBER(KVM_SEV_SNP_LAUNCH_FINISH, 102)
NUMBER(KVM_TDX_GET_CPUID, 5)
NUMBER(KVM_HC_MAP_GPA_RANGE, 12)
NUMBER(KVM_MAP_GPA_RANGE_ENCRYPTED, 0x10)

SIZE(kvm_regs, 144)
SIZE(kvm_sregs, 312)
SIZE(kvm_sregs2, 320)
SIZE(kvm_vcpu_events, 64)
SIZE(kvm_fpu, 416)
SIZE(kvm_xsave, 4096)
SIZE(kvm_lapic_state, 1024)
SIZE(kvm_segment, 24)
SIZE(kvm_dtable, 16)
SIZE(kvm_cpuid_entry2, 40)
SIZE(kvm_cpuid2, 8)
SIZE(kvm_msr_entry, 16)
SIZE(kvm_enable_cap, 104)
SIZE(kvm_irq_routing_entry, 48)
SIZE(kvm_msi, 32)
SIZE(kvm_irqfd, 32)
SIZE(kvm_ioeventfd, 64)
SIZE(kvm_stats_header, 24)
SIZE(kvm_stats_desc, 16)
SIZE(kvm_create_device, 12)
SIZE(kvm_device_attr, 24)
SIZE(kvm_translation, 24)
SIZE(kvm_guest_debug, 72)
SIZE(kvm_debugregs, 128)
SIZE(kvm_sync_regs, 520)
SIZE(kvm_run, 2352)
AT(kvm_run, immediate_exit, 1)
AT(kvm_run, exit_reason, 8)
AT(kvm_run, cr8, 16)
AT(kvm_run, hypercall.ret, 88)
AT(kvm_run, kvm_valid_regs, 288)
AT(kvm_run, s, 304)
#if UAPI_ORDER != 2	/* members that <linux/kvm.h> of Linux 6.1 does not have */
AT(kvm_run, memory_fault.flags, 32)
AT(kvm_run, memory_fault.gpa, 40)
AT(kvm_run, memory_fault.size, 48)
AT(kvm_run, tdx.get_tdvmcall_info.r14, 88)
#endif

SIZE(kvm_userspace_memory_region2, 160)
AT(kvm_userspace_memory_region2, guest_memfd_offset, 32)
AT(kvm_userspace_memory_region2, guest_memfd, 40)
AT(kvm_userspace_memory_region2, pad2, 48)
SIZE(kvm_create_guest_memfd, 64)
SIZE(kvm_memory_attributes, 32)
SIZE(kvm_pre_fault_memory, 64)
SIZE(kvm_sev_cmd, 24)
AT(kvm_sev_cmd, error, 16)
SIZE(kvm_sev_init, 48)
SIZE(kvm_sev_launch_start, 40)
SIZE(kvm_sev_snp_launch_start, 64)
AT(kvm_sev_snp_launch_start, flags, 24)
SIZE(kvm_sev_snp_launch_update, 64)
AT(kvm_sev_snp_launch_update, type, 24)
SIZE(kvm_sev_snp_launch_finish, 88)
AT(kvm_sev_snp_launch_finish, host_data, 19)
AT(kvm_sev_snp_launch_finish, flags, 54)
SIZE(kvm_tdx_cmd, 24)
AT(kvm_tdx_capabilities, user_tdvmcallinfo_1_r12, 40)
AT(kvm_tdx_capabilities, cpuid, 2048)
AT(kvm_tdx_init_vm, mrownerconfig, 112)
AT(kvm_tdx_init_vm, cpuid, 256)
SIZE(kvm_tdx_init_mem_region, 24)

int main(void)
{
	puts("the compiler has checked it");
	return 0;
}
