/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * uapi/psp_sev.h - ioctls on /dev/sev: the platform's secure processor.
 */
#ifndef SOFTCVM_UAPI_PSP_SEV_H
#define SOFTCVM_UAPI_PSP_SEV_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum {
	SEV_FACTORY_RESET,
	SEV_PLATFORM_STATUS,
	SEV_PEK_GEN,
	SEV_PEK_CSR,
	SEV_PDH_GEN,
	SEV_PDH_CERT_EXPORT,
	SEV_PEK_CERT_IMPORT,
	SEV_GET_ID,
	SEV_GET_ID2,
	SNP_PLATFORM_STATUS,
	SNP_COMMIT,
	SNP_SET_CONFIG,
	SNP_VLEK_LOAD,
	SEV_MAX
};

#define SEV_PACKED __attribute__((packed))

/* error: what the firmware answered. */
struct SEV_PACKED sev_issue_cmd {
	__u32 cmd;
	__u64 data;
	__u32 error;
};

#define SEV_ISSUE_CMD	_IOWR('S', 0x0, struct sev_issue_cmd)

struct SEV_PACKED sev_user_data_status {
	__u8 api_major, api_minor, state;
	__u32 flags;
	__u8 build;
	__u32 guest_count;
};

/* SEV_PEK_CSR and SEV_GET_ID2: length in and out. */
struct SEV_PACKED sev_user_data_range {
	__u64 address;
	__u32 length;
};

struct SEV_PACKED sev_user_data_pek_cert_import {
	__u64 pek_cert_address;
	__u32 pek_cert_len;
	__u64 oca_cert_address;
	__u32 oca_cert_len;
};

struct SEV_PACKED sev_user_data_pdh_cert_export {
	__u64 pdh_cert_address;
	__u32 pdh_cert_len;
	__u64 cert_chain_address;
	__u32 cert_chain_len;
};

struct SEV_PACKED sev_user_data_get_id {
	__u8 socket1[64], socket2[64];
};

#endif
