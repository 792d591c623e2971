/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * psp.h - the mailbox of AMD's secure processor: SEV API, publication 55766.
 *
 * One function: a command number and its buffer.  Buffers have the API's
 * layout and field names; addresses are system physical ones and the memory
 * behind them is read and written raw, without anybody's key, unless the
 * command is about guest memory.  Nothing of the caller's is kept.
 *
 * Keys and certificates are made by the machine itself and signed by nobody:
 * the certificate chain ends in a CEK whose signature fields are empty and
 * whose chip id spells that it is none of AMD's.
 */
#pragma once
#include <stdint.h>

#include "base/macros.h"

struct hw;

#define PSP_API_MAJOR		1
#define PSP_API_MINOR		55
#define PSP_BUILD		21

/* Lengths that the API fixes */
#define PSP_MEASURE_LEN		48u	/* MAC of 32 bytes, then MNONCE of 16 */
#define PSP_SESSION_LEN		128u	/* NONCE, WRAP_TK, WRAP_IV, WRAP_MAC, POLICY_MAC */
#define PSP_HEADER_LEN		52u	/* FLAGS, IV, MAC: of packets */
#define PSP_CERT_LEN		2084u	/* one SEV certificate */
#define PSP_CERT_CHAIN_LEN	6252u	/* PEK, OCA, CEK */
#define PSP_ATTESTATION_LEN	208u
#define PSP_ID_LEN		64u	/* GET_ID, for each socket */
#define PSP_DATA_MAX		0x4000u	/* longest packet of LAUNCH_SECRET, SEND and RECEIVE */
#define PSP_VMSA_LEN		4096u
#define PSP_TMR_LEN		0x100000u	/* INIT with SEV-ES: trusted memory, aligned to itself */

enum psp_cmd {				/* 55766 chapters 5 and 6: command identifiers */
	PSP_NOP				= 0x000,
	PSP_INIT			= 0x001,
	PSP_SHUTDOWN			= 0x002,
	PSP_FACTORY_RESET		= 0x003,	/* PLATFORM_RESET */
	PSP_PLATFORM_STATUS		= 0x004,
	PSP_PEK_GEN			= 0x005,
	PSP_PEK_CSR			= 0x006,
	PSP_PEK_CERT_IMPORT		= 0x007,
	PSP_PDH_CERT_EXPORT		= 0x008,
	PSP_PDH_GEN			= 0x009,
	PSP_DF_FLUSH			= 0x00a,
	PSP_DOWNLOAD_FIRMWARE		= 0x00b,
	PSP_GET_ID			= 0x00c,
	PSP_INIT_EX			= 0x00d,
	PSP_DECOMMISSION		= 0x020,
	PSP_ACTIVATE			= 0x021,
	PSP_DEACTIVATE			= 0x022,
	PSP_GUEST_STATUS		= 0x023,
	PSP_COPY			= 0x024,
	PSP_ACTIVATE_EX			= 0x025,
	PSP_LAUNCH_START		= 0x030,
	PSP_LAUNCH_UPDATE_DATA		= 0x031,
	PSP_LAUNCH_UPDATE_VMSA		= 0x032,
	PSP_LAUNCH_MEASURE		= 0x033,
	PSP_LAUNCH_UPDATE_SECRET	= 0x034,
	PSP_LAUNCH_FINISH		= 0x035,
	PSP_ATTESTATION			= 0x036,
	PSP_SEND_START			= 0x040,
	PSP_SEND_UPDATE_DATA		= 0x041,
	PSP_SEND_UPDATE_VMSA		= 0x042,
	PSP_SEND_FINISH			= 0x043,
	PSP_SEND_CANCEL			= 0x044,
	PSP_RECEIVE_START		= 0x050,
	PSP_RECEIVE_UPDATE_DATA		= 0x051,
	PSP_RECEIVE_UPDATE_VMSA		= 0x052,
	PSP_RECEIVE_FINISH		= 0x053,
	PSP_DBG_DECRYPT			= 0x060,
	PSP_DBG_ENCRYPT			= 0x061,
	/* SEV-SNP, 56860 chapter 8; buffers in hw/insn/psp_snp.h */
	PSP_SNP_INIT			= 0x081,
	PSP_SNP_SHUTDOWN		= 0x082,
	PSP_SNP_PLATFORM_STATUS		= 0x083,
	PSP_SNP_DF_FLUSH		= 0x084,
	PSP_SNP_INIT_EX			= 0x085,
	PSP_SNP_SHUTDOWN_EX		= 0x086,
	PSP_SNP_DECOMMISSION		= 0x090,
	PSP_SNP_ACTIVATE		= 0x091,
	PSP_SNP_GUEST_STATUS		= 0x092,
	PSP_SNP_GCTX_CREATE		= 0x093,
	PSP_SNP_GUEST_REQUEST		= 0x094,
	PSP_SNP_ACTIVATE_EX		= 0x095,
	PSP_SNP_LAUNCH_START		= 0x0a0,
	PSP_SNP_LAUNCH_UPDATE		= 0x0a1,
	PSP_SNP_LAUNCH_FINISH		= 0x0a2,
	PSP_SNP_DBG_DECRYPT		= 0x0b0,
	PSP_SNP_DBG_ENCRYPT		= 0x0b1,
	PSP_SNP_PAGE_SET_STATE		= 0x0c6,
	PSP_SNP_PAGE_RECLAIM		= 0x0c7,
	PSP_SNP_PAGE_UNSMASH		= 0x0c8,
	PSP_SNP_CONFIG			= 0x0c9,
	PSP_SNP_COMMIT			= 0x0cb,
};

enum psp_status {			/* 55766 chapter 4: status codes */
	PSP_SUCCESS			= 0x00,
	PSP_INVALID_PLATFORM_STATE	= 0x01,
	PSP_INVALID_GUEST_STATE		= 0x02,
	PSP_INVALID_CONFIG		= 0x03,
	PSP_INVALID_LENGTH		= 0x04,
	PSP_ALREADY_OWNED		= 0x05,
	PSP_INVALID_CERTIFICATE		= 0x06,
	PSP_POLICY_FAILURE		= 0x07,
	PSP_INACTIVE			= 0x08,
	PSP_INVALID_ADDRESS		= 0x09,
	PSP_BAD_SIGNATURE		= 0x0a,
	PSP_BAD_MEASUREMENT		= 0x0b,
	PSP_ASID_OWNED			= 0x0c,
	PSP_INVALID_ASID		= 0x0d,
	PSP_WBINVD_REQUIRED		= 0x0e,
	PSP_DFFLUSH_REQUIRED		= 0x0f,
	PSP_INVALID_GUEST		= 0x10,
	PSP_INVALID_COMMAND		= 0x11,
	PSP_ACTIVE			= 0x12,
	PSP_HWERROR_PLATFORM		= 0x13,
	PSP_HWERROR_UNSAFE		= 0x14,
	PSP_UNSUPPORTED			= 0x15,
	PSP_INVALID_PARAM		= 0x16,
	PSP_RESOURCE_LIMIT		= 0x17,
	PSP_SECURE_DATA_INVALID		= 0x18,
	/* SEV-SNP */
	PSP_INVALID_PAGE_SIZE		= 0x19,
	PSP_INVALID_PAGE_STATE		= 0x1a,
	PSP_INVALID_MDATA_ENTRY		= 0x1b,
	PSP_INVALID_PAGE_OWNER		= 0x1c,
	PSP_AEAD_OFLOW			= 0x1d,	/* of guest messages */
	PSP_RMP_INIT_REQUIRED		= 0x20,
	PSP_RMP_INIT_FAILED		= 0x26,
	PSP_INVALID_KEY			= 0x27,
};

enum psp_platform_state { PSP_UNINIT = 0, PSP_INIT_DONE = 1, PSP_WORKING = 2 };

enum psp_guest_state {			/* 55766 6.1.1: GSTATE */
	PSP_GUEST_UNINIT	= 0,
	PSP_GUEST_LUPDATE	= 1,
	PSP_GUEST_LSECRET	= 2,
	PSP_GUEST_RUNNING	= 3,
	PSP_GUEST_SUPDATE	= 4,
	PSP_GUEST_RUPDATE	= 5,
	PSP_GUEST_SENT		= 6,
};

/* POLICY, 55766 chapter 3; bits 23:16 and 31:24 are the least API version */
#define PSP_POLICY_NODBG	0x01u
#define PSP_POLICY_NOKS		0x02u
#define PSP_POLICY_ES		0x04u
#define PSP_POLICY_NOSEND	0x08u
#define PSP_POLICY_DOMAIN	0x10u
#define PSP_POLICY_SEV		0x20u

#define PSP_INIT_ES		0x01u	/* flags of INIT and INIT_EX */
#define PSP_STATUS_ES		0x0100u	/* flags of PLATFORM_STATUS: CONFIG.ES */
#define PSP_STATUS_OWNED	0x0001u	/* an OCA from outside has signed the PEK */

#define PSP_BUFFER	__attribute__((packed))

struct PSP_BUFFER psp_init {
	uint32_t flags, reserved;
	uint64_t tmr_address;
	uint32_t tmr_length;
};
struct PSP_BUFFER psp_init_ex {
	uint32_t length, flags;
	uint64_t tmr_address;
	uint32_t tmr_length, reserved;
	uint64_t nv_address;
	uint32_t nv_length;
};
struct PSP_BUFFER psp_platform_status {
	uint8_t	 api_major, api_minor, state;
	uint32_t flags;
	uint8_t	 build;
	uint32_t guest_count;
};
/* PEK_CSR, GET_ID, DOWNLOAD_FIRMWARE: length is in/out, what is needed when it is too short */
struct PSP_BUFFER psp_range {
	uint64_t address;
	uint32_t length;
};
struct PSP_BUFFER psp_pek_cert_import {
	uint64_t pek_cert_address;
	uint32_t pek_cert_length, reserved;
	uint64_t oca_cert_address;
	uint32_t oca_cert_length;
};
struct PSP_BUFFER psp_pdh_cert_export {
	uint64_t pdh_cert_address;
	uint32_t pdh_cert_length, reserved;
	uint64_t certs_address;
	uint32_t certs_length;
};
/* DECOMMISSION, DEACTIVATE, LAUNCH_FINISH, SEND_FINISH, SEND_CANCEL, RECEIVE_FINISH */
struct PSP_BUFFER psp_handle {
	uint32_t handle;
};
struct PSP_BUFFER psp_activate {
	uint32_t handle, asid;
};
struct PSP_BUFFER psp_guest_status {
	uint32_t handle, policy, asid;
	uint8_t	 state;
};
struct PSP_BUFFER psp_launch_start {
	uint32_t handle;		/* in: a guest to share its key, or 0; out */
	uint32_t policy;
	uint64_t dh_cert_address;	/* 0: no session, the firmware's own TIK */
	uint32_t dh_cert_length, reserved;
	uint64_t session_address;
	uint32_t session_length;
};
/* LAUNCH_UPDATE_DATA and _VMSA, LAUNCH_MEASURE (length in/out) */
struct PSP_BUFFER psp_guest_range {
	uint32_t handle, reserved;
	uint64_t address;
	uint32_t length;
};
struct PSP_BUFFER psp_copy {		/* ciphertext to another address, still readable */
	uint32_t handle, length;
	uint64_t src_address, dst_address;
};
/* LAUNCH_UPDATE_SECRET, SEND_UPDATE_DATA/_VMSA (header_length in/out), RECEIVE_UPDATE_DATA/_VMSA */
struct PSP_BUFFER psp_packet {
	uint32_t handle, reserved1;
	uint64_t header_address;
	uint32_t header_length, reserved2;
	uint64_t guest_address;
	uint32_t guest_length, reserved3;
	uint64_t trans_address;
	uint32_t trans_length;
};
struct PSP_BUFFER psp_attestation {
	uint32_t handle, reserved;
	uint64_t address;
	uint8_t	 mnonce[16];
	uint32_t length;
};
struct PSP_BUFFER psp_send_start {
	uint32_t handle, policy;	/* policy: out */
	uint64_t pdh_cert_address;
	uint32_t pdh_cert_length, reserved1;
	uint64_t plat_certs_address;
	uint32_t plat_certs_length, reserved2;
	uint64_t amd_certs_address;
	uint32_t amd_certs_length, reserved3;
	uint64_t session_address;
	uint32_t session_length;	/* in/out */
};
struct PSP_BUFFER psp_receive_start {
	uint32_t handle, policy;	/* handle as in LAUNCH_START */
	uint64_t pdh_cert_address;
	uint32_t pdh_cert_length, reserved1;
	uint64_t session_address;
	uint32_t session_length;
};
struct PSP_BUFFER psp_dbg {
	uint32_t handle, reserved;
	uint64_t src_address, dst_address;
	uint32_t length;
};

/*
 * Runs one command; @buffer is its structure above (NULL for those that have
 * none: NOP, SHUTDOWN, FACTORY_RESET, PEK_GEN, PDH_GEN, DF_FLUSH) and is
 * changed only where the API says "out".  Commands run one after the other, in
 * the order of arrival.  INVALID_COMMAND on a machine without memory encryption.
 * May block: call it without locks of rank HOST or above.  Any thread.
 */
MUST_CHECK enum psp_status psp_command(struct hw *hw, enum psp_cmd cmd, void *buffer);
/*
 * @n commands of one kind, one after the other until one fails: as many calls of
 * psp_command(), with one doorbell.  @buffers: theirs, packed; @done: how many have succeeded.
 * What the next one (number @done) answered, or SUCCESS.
 */
MUST_CHECK enum psp_status psp_commands(struct hw *hw, enum psp_cmd cmd, void *buffers, unsigned n,
					unsigned *done);

/*
 * WBINVD was executed on every processor: what DF_FLUSH and the reuse of an
 * ASID ask for first.  Any thread.
 */
void psp_wbinvd_done(struct hw *hw);
