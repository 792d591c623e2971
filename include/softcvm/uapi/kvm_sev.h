/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uapi/kvm_sev.h - commands of KVM_MEMORY_ENCRYPT_OP for SEV, SEV-ES and SNP.
 *
 * The ioctl's argument points to a kvm_sev_cmd, its `data` to the command's own
 * structure.  Part of kvm.h, which decides whether it is read.
 */
#ifndef SOFTCVM_UAPI_KVM_SEV_H
#define SOFTCVM_UAPI_KVM_SEV_H

#include <linux/types.h>

enum sev_cmd_id {
	KVM_SEV_INIT = 0,
	KVM_SEV_ES_INIT = 1,
	KVM_SEV_LAUNCH_START = 2,
	KVM_SEV_LAUNCH_UPDATE_DATA = 3,
	KVM_SEV_LAUNCH_UPDATE_VMSA = 4,
	KVM_SEV_LAUNCH_SECRET = 5,
	KVM_SEV_LAUNCH_MEASURE = 6,
	KVM_SEV_LAUNCH_FINISH = 7,
	KVM_SEV_SEND_START = 8,
	KVM_SEV_SEND_UPDATE_DATA = 9,
	KVM_SEV_SEND_UPDATE_VMSA = 10,
	KVM_SEV_SEND_FINISH = 11,
	KVM_SEV_RECEIVE_START = 12,
	KVM_SEV_RECEIVE_UPDATE_DATA = 13,
	KVM_SEV_RECEIVE_UPDATE_VMSA = 14,
	KVM_SEV_RECEIVE_FINISH = 15,
	KVM_SEV_GUEST_STATUS = 16,
	KVM_SEV_DBG_DECRYPT = 17,
	KVM_SEV_DBG_ENCRYPT = 18,
	KVM_SEV_CERT_EXPORT = 19,
	KVM_SEV_GET_ATTESTATION_REPORT = 20,
	KVM_SEV_SEND_CANCEL = 21,
	KVM_SEV_INIT2 = 22,
	KVM_SEV_SNP_LAUNCH_START = 100,
	KVM_SEV_SNP_LAUNCH_UPDATE = 101,
	KVM_SEV_SNP_LAUNCH_FINISH = 102,
	KVM_SEV_NR_MAX,
};

/* error: what the firmware answered, written back. */
struct kvm_sev_cmd {
	__u32 id;
	__u32 pad0;
	__u64 data;
	__u32 error;
	__u32 sev_fd;
};

struct kvm_sev_launch_start {
	__u32 handle;
	__u32 policy;
	__u64 dh_uaddr;
	__u32 dh_len;
	__u32 pad0;
	__u64 session_uaddr;
	__u32 session_len;
	__u32 pad1;
};

struct kvm_sev_launch_update_data {
	__u64 uaddr;
	__u32 len;
	__u32 pad0;
};

struct kvm_sev_launch_secret {
	__u64 hdr_uaddr;
	__u32 hdr_len;
	__u32 pad0;
	__u64 guest_uaddr;
	__u32 guest_len;
	__u32 pad1;
	__u64 trans_uaddr;
	__u32 trans_len;
	__u32 pad2;
};

struct kvm_sev_launch_measure {
	__u64 uaddr;
	__u32 len;
	__u32 pad0;
};

struct kvm_sev_guest_status {
	__u32 handle;
	__u32 policy;
	__u32 state;
};

struct kvm_sev_dbg {
	__u64 src_uaddr;
	__u64 dst_uaddr;
	__u32 len;
	__u32 pad0;
};

struct kvm_sev_attestation_report {
	__u8 mnonce[16];
	__u64 uaddr;
	__u32 len;
	__u32 pad0;
};

/* Migration. */
struct kvm_sev_send_start {
	__u32 policy;
	__u32 pad0;
	__u64 pdh_cert_uaddr;
	__u32 pdh_cert_len;
	__u32 pad1;
	__u64 plat_certs_uaddr;
	__u32 plat_certs_len;
	__u32 pad2;
	__u64 amd_certs_uaddr;
	__u32 amd_certs_len;
	__u32 pad3;
	__u64 session_uaddr;
	__u32 session_len;
	__u32 pad4;
};

struct kvm_sev_send_update_data {
	__u64 hdr_uaddr;
	__u32 hdr_len;
	__u32 pad0;
	__u64 guest_uaddr;
	__u32 guest_len;
	__u32 pad1;
	__u64 trans_uaddr;
	__u32 trans_len;
	__u32 pad2;
};

struct kvm_sev_receive_start {
	__u32 handle;
	__u32 policy;
	__u64 pdh_uaddr;
	__u32 pdh_len;
	__u32 pad0;
	__u64 session_uaddr;
	__u32 session_len;
	__u32 pad1;
};

struct kvm_sev_receive_update_data {
	__u64 hdr_uaddr;
	__u32 hdr_len;
	__u32 pad0;
	__u64 guest_uaddr;
	__u32 guest_len;
	__u32 pad1;
	__u64 trans_uaddr;
	__u32 trans_len;
	__u32 pad2;
};

#endif
