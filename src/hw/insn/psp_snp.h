/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * psp_snp.h - the buffers of the secure processor's SEV-SNP commands: firmware
 * ABI, publication 56860, chapter 8.  They go through psp_command() as the
 * others do.
 *
 * A guest has no handle: it is its context page, which the host gives away by
 * RMPUPDATE (assigned, immutable, ASID 0) before SNP_GCTX_CREATE and gets back by
 * SNP_DECOMMISSION.  The same holds for each page that a command writes.
 */
#pragma once
#include "base/bits.h"
#include "hw/insn/psp.h"

struct PSP_BUFFER psp_snp_init_ex {
	uint32_t flags;			/* PSP_SNP_INIT_* */
	uint32_t reserved1;
	uint64_t list_address;		/* struct psp_snp_range_list: hypervisor-fixed memory */
	uint8_t	 reserved2[48];
};
#define PSP_SNP_INIT_RMP	BIT(0)
#define PSP_SNP_INIT_LIST	BIT(1)

struct PSP_BUFFER psp_snp_range {
	uint64_t base;
	uint32_t nr_pages, reserved;
};
struct PSP_BUFFER psp_snp_range_list {
	uint32_t nr, reserved;
	struct psp_snp_range ranges[];
};
struct PSP_BUFFER psp_snp_shutdown_ex {
	uint32_t length, flags;
};
#define PSP_SNP_SHUTDOWN_IOMMU	BIT(0)

/*
 * PLATFORM_STATUS (where the status goes), GCTX_CREATE, DECOMMISSION, PAGE_UNSMASH: one
 * address; PAGE_RECLAIM: bit 0 is the page's size.
 */
struct PSP_BUFFER psp_snp_addr {
	uint64_t address;
};
struct PSP_BUFFER psp_snp_status {	/* what SNP_PLATFORM_STATUS writes, 32 bytes */
	uint8_t	 api_major, api_minor, state, flags1;
	uint32_t build_id, flags2, guest_count;
	uint64_t current_tcb, reported_tcb;
};
struct PSP_BUFFER psp_snp_page_set_state {
	uint32_t length, reserved;
	uint64_t list_address;		/* struct psp_snp_range_list: firmware pages, fixed from now on */
};
struct PSP_BUFFER psp_snp_config {
	uint64_t reported_tcb;
	uint32_t mask;			/* PSP_SNP_MASK_*: not in reports */
	uint8_t	 reserved[52];
};
#define PSP_SNP_MASK_CHIP_ID	BIT(0)
#define PSP_SNP_MASK_CHIP_KEY	BIT(1)

struct PSP_BUFFER psp_snp_commit {
	uint32_t length;
};
struct PSP_BUFFER psp_snp_activate {
	uint64_t gctx;
	uint32_t asid;
};
struct PSP_BUFFER psp_snp_activate_ex {
	uint32_t length, reserved;
	uint64_t gctx;
	uint32_t asid, nr_ids;
	uint64_t ids_address;		/* APIC ids, 4 bytes each */
};
struct PSP_BUFFER psp_snp_guest_status {
	uint64_t gctx, address;
};
struct PSP_BUFFER psp_snp_guest_state {	/* what SNP_GUEST_STATUS writes, 32 bytes */
	uint64_t policy;
	uint32_t asid;
	uint8_t	 state, reserved1[3];	/* 0 init, 1 launch, 2 running */
	uint32_t flags;			/* bit 0: VCEK_DIS */
	uint8_t	 reserved2[12];
};
struct PSP_BUFFER psp_snp_launch_start {
	uint64_t gctx, policy, ma_gctx;
	uint32_t flags;			/* PSP_SNP_START_* */
	uint32_t desired_tsc_khz;
	uint8_t	 gosvw[16];
};
#define PSP_SNP_START_AGENT	BIT(0)	/* MA_EN */
#define PSP_SNP_START_IMI	BIT(1)
struct PSP_BUFFER psp_snp_launch_update {
	uint64_t gctx;
	uint32_t page;			/* PSP_SNP_UPDATE_*; 3:1 the type */
	uint32_t reserved1;
	uint64_t address;
	uint8_t	 reserved2, vmpl_perms[3];	/* VMPL1 to VMPL3 */
	uint32_t reserved3;
};
#define PSP_SNP_UPDATE_2M	BIT(0)
#define PSP_SNP_UPDATE_TYPE_HI	3
#define PSP_SNP_UPDATE_TYPE_LO	1
#define PSP_SNP_UPDATE_IMI	BIT(4)

struct PSP_BUFFER psp_snp_launch_finish {
	uint64_t gctx, id_block, id_auth;
	uint64_t flags;			/* PSP_SNP_FINISH_* */
	uint8_t	 host_data[32];
};
#define PSP_SNP_FINISH_ID_BLOCK		BIT(0)
#define PSP_SNP_FINISH_AUTHOR_KEY	BIT(1)
#define PSP_SNP_FINISH_NO_VCEK		BIT(2)

struct PSP_BUFFER psp_snp_guest_request {
	uint64_t gctx, request, response;
};
struct PSP_BUFFER psp_snp_dbg {
	uint64_t gctx, src, dst;
};

/* Types of LAUNCH_UPDATE; KVM's numbers are the same. */
#define PSP_SNP_NORMAL		1u
#define PSP_SNP_VMSA		2u
#define PSP_SNP_ZERO		3u
#define PSP_SNP_UNMEASURED	4u
#define PSP_SNP_SECRETS		5u
#define PSP_SNP_CPUID		6u

/* POLICY */
#define PSP_SNP_POLICY_SMT	BIT(16)
#define PSP_SNP_POLICY_MBO	BIT(17)
#define PSP_SNP_POLICY_MIGRATE	BIT(18)
#define PSP_SNP_POLICY_DEBUG	BIT(19)
#define PSP_SNP_POLICY_SINGLE	BIT(20)
