/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uapi/kvm_tdx.h - commands of KVM_MEMORY_ENCRYPT_OP for TDX (Linux 6.16), and
 * the exit by which a TD asks the VMM for services.
 *
 * The ioctl's argument points to a kvm_tdx_cmd.  Part of kvm.h; nothing is
 * added if a <linux/kvm.h> that knows TDX was included first.
 */
#ifndef SOFTCVM_UAPI_KVM_TDX_H
#define SOFTCVM_UAPI_KVM_TDX_H

#include <linux/types.h>
#include <softcvm/uapi/kvm.h>

#ifndef KVM_EXIT_TDX
#define KVM_EXIT_TDX			40
#endif
#ifndef KVM_SYSTEM_EVENT_TDX_FATAL
#define KVM_SYSTEM_EVENT_TDX_FATAL	7
#endif

#ifndef KVM_X86_TDX_VM
#define KVM_X86_TDX_VM			5

enum kvm_tdx_cmd_id {
	KVM_TDX_CAPABILITIES = 0,
	KVM_TDX_INIT_VM = 1,
	KVM_TDX_INIT_VCPU = 2,
	KVM_TDX_INIT_MEM_REGION = 3,
	KVM_TDX_FINALIZE_VM = 4,
	KVM_TDX_GET_CPUID = 5,
	KVM_TDX_CMD_NR_MAX,
};

/* hw_error: 0 on the way in, the SEAMCALL's status on the way out. */
struct kvm_tdx_cmd {
	__u32 id;
	__u32 flags;
	__u64 data;
	__u64 hw_error;
};

/* The CPUID list (its nent set by the caller) has the bits a VMM may configure. */
__extension__ struct kvm_tdx_capabilities {
	__u64 supported_attrs;
	__u64 supported_xfam;
	__u64 kernel_tdvmcallinfo_1_r11;
	__u64 user_tdvmcallinfo_1_r11;
	__u64 kernel_tdvmcallinfo_1_r12;
	__u64 user_tdvmcallinfo_1_r12;
	__u64 reserved[250];
	struct kvm_cpuid2 cpuid;
};

/* The three identities are SHA-384 digests. */
__extension__ struct kvm_tdx_init_vm {
	__u64 attributes;
	__u64 xfam;
	__u64 mrconfigid[6];
	__u64 mrowner[6];
	__u64 mrownerconfig[6];
	__u64 reserved[12];
	struct kvm_cpuid2 cpuid;
};

#define KVM_TDX_MEASURE_MEMORY_REGION	(1ULL << 0)

struct kvm_tdx_init_mem_region {
	__u64 source_addr;
	__u64 gpa;
	__u64 nr_pages;
};
#endif

#endif
