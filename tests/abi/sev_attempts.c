/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "sev_attempts.h"

#include <softcvm/uapi/kvm.h>
#include <softcvm/uapi/kvm_sev.h>
#include <softcvm/uapi/kvm_since_6_1.h>
#include <softcvm/uapi/psp_sev.h>

#define BLOB_TOO_LONG	0x4001u		/* SEV_FW_BLOB_MAX_SIZE and one */
#define DATA(type, ...)	.data = &(const type){ __VA_ARGS__ }, .size = sizeof(type)

#define OP(what, arg, ...)							\
	{ .command = #what, .argument = arg, .by = BY_OP, .id = KVM_SEV_##what, __VA_ARGS__ }
/* What each command does with its own pointer and with the descriptor of /dev/sev. */
#define POINTERS(what)								\
	OP(what, "null", .value = 0),						\
	OP(what, "hole", .value = AT_HOLE)
#define REGION(what, arg, ...)							\
	{ .command = #what, .argument = arg, .by = BY_##what, __VA_ARGS__ }
#define CAP(what, arg, ...)							\
	{ .command = #what, .argument = arg, .by = BY_CAP,			\
	  .id = KVM_CAP_VM_##what##_ENC_CONTEXT_FROM, __VA_ARGS__ }
#define CAPS(what)								\
	CAP(what, "launched", .value = FD_LAUNCHED),				\
	CAP(what, "itself", .value = FD_SELF),					\
	CAP(what, "of a mirror", .value = FD_MIRROR),				\
	CAP(what, "of a DEFAULT VM", .value = FD_PLAIN),			\
	CAP(what, "closed descriptor", .value = FD_CLOSED),			\
	CAP(what, "memfd", .value = FD_MEMFD),					\
	CAP(what, "flags", .value = FD_LAUNCHED, .flags = 1)

typedef struct kvm_sev_init init;
typedef struct kvm_sev_launch_start start;
typedef struct kvm_sev_launch_update_data update;
typedef struct kvm_sev_launch_measure measure;
typedef struct kvm_sev_launch_secret secret;
typedef struct kvm_sev_attestation_report report;
typedef struct kvm_sev_dbg dbg;
typedef struct kvm_enc_region region;

#define PACKET	.hdr_uaddr = AT_BUFFER, .hdr_len = 52, .guest_uaddr = AT_GUEST, .guest_len = 16,	\
		.trans_uaddr = AT_OTHER, .trans_len = 16
#define DBG	.src_uaddr = AT_GUEST, .dst_uaddr = AT_BUFFER, .len = 16

#define DBGS(what)								\
	OP(what, "good", DATA(dbg, DBG)),					\
	POINTERS(what),								\
	OP(what, "length 0", DATA(dbg, DBG, .len = 0)),				\
	OP(what, "wraps", DATA(dbg, DBG, .src_uaddr = -8ULL, .len = 16)),	\
	OP(what, "no destination", DATA(dbg, DBG, .dst_uaddr = 0)),		\
	OP(what, "source not there", DATA(dbg, DBG, .src_uaddr = AT_HOLE)),	\
	OP(what, "destination not there", DATA(dbg, DBG, .dst_uaddr = AT_HOLE))

const struct attempt attempts[] = {
	{ .command = "op", .argument = "null", .by = BY_RAW_OP, .value = 0 },
	{ .command = "op", .argument = "hole", .by = BY_RAW_OP, .value = AT_HOLE },
	{ .command = "op", .argument = "unknown", .by = BY_OP, .id = 99 },
	{ .command = "op", .argument = "after the last", .by = BY_OP, .id = KVM_SEV_NR_MAX },
	OP(CERT_EXPORT, "good"),
	OP(SNP_LAUNCH_START, "null"),
	OP(SNP_LAUNCH_UPDATE, "null"),
	OP(SNP_LAUNCH_FINISH, "null"),
	OP(INIT, "good"),
	OP(ES_INIT, "good"),
	OP(INIT2, "good", DATA(init, 0)),
	POINTERS(INIT2),
	OP(INIT2, "flags", DATA(init, .flags = 1)),
	OP(INIT2, "unknown features", DATA(init, .vmsa_features = 1ULL << 63)),
	OP(INIT2, "GHCB version 3", DATA(init, .ghcb_version = 3)),
	OP(INIT2, "GHCB version 1", DATA(init, .ghcb_version = 1)),
	OP(LAUNCH_START, "policy without ES", DATA(start, 0)),
	OP(LAUNCH_START, "policy with ES", DATA(start, .policy = 4)),
	POINTERS(LAUNCH_START),
	OP(LAUNCH_START, "closed descriptor", DATA(start, 0), .sev_fd = FD_CLOSED),
	OP(LAUNCH_START, "memfd", DATA(start, 0), .sev_fd = FD_MEMFD),
	OP(LAUNCH_START, "read-only /dev/sev", DATA(start, 0), .sev_fd = FD_SEV_READER),
	OP(LAUNCH_START, "certificate of length 0", DATA(start, .dh_uaddr = AT_BUFFER)),
	OP(LAUNCH_START, "certificate too long",
	   DATA(start, .dh_uaddr = AT_BUFFER, .dh_len = BLOB_TOO_LONG)),
	OP(LAUNCH_START, "certificate not there", DATA(start, .dh_uaddr = AT_HOLE, .dh_len = 64)),
	OP(LAUNCH_START, "session of length 0", DATA(start, .session_uaddr = AT_BUFFER)),
	OP(LAUNCH_START, "session too long",
	   DATA(start, .session_uaddr = AT_BUFFER, .session_len = BLOB_TOO_LONG)),
	OP(LAUNCH_START, "session not there",
	   DATA(start, .session_uaddr = AT_HOLE, .session_len = 64)),
	OP(LAUNCH_UPDATE_DATA, "good", DATA(update, .uaddr = AT_GUEST, .len = 4096)),
	POINTERS(LAUNCH_UPDATE_DATA),
	OP(LAUNCH_UPDATE_DATA, "length 0", DATA(update, .uaddr = AT_GUEST)),
	OP(LAUNCH_UPDATE_DATA, "wraps", DATA(update, .uaddr = AT_WRAP, .len = 0x2000)),
	OP(LAUNCH_UPDATE_DATA, "not there", DATA(update, .uaddr = AT_HOLE, .len = 4096)),
	OP(LAUNCH_UPDATE_DATA, "end not there", DATA(update, .uaddr = AT_HOLE - 4096, .len = 8192)),
	OP(LAUNCH_UPDATE_DATA, "8 bytes", DATA(update, .uaddr = AT_GUEST, .len = 8)),
	OP(LAUNCH_UPDATE_DATA, "at an odd address", DATA(update, .uaddr = AT_GUEST + 1, .len = 16)),
	OP(LAUNCH_UPDATE_VMSA, "good"),
	OP(LAUNCH_MEASURE, "good", DATA(measure, .uaddr = AT_BUFFER, .len = 48)),
	POINTERS(LAUNCH_MEASURE),
	OP(LAUNCH_MEASURE, "length 0", DATA(measure, .uaddr = AT_BUFFER)),
	OP(LAUNCH_MEASURE, "no buffer", DATA(measure, .len = 48)),
	OP(LAUNCH_MEASURE, "too short", DATA(measure, .uaddr = AT_BUFFER, .len = 47)),
	OP(LAUNCH_MEASURE, "too long", DATA(measure, .uaddr = AT_BUFFER, .len = BLOB_TOO_LONG)),
	OP(LAUNCH_MEASURE, "not there", DATA(measure, .uaddr = AT_HOLE, .len = 48)),
	OP(LAUNCH_SECRET, "forged", DATA(secret, PACKET)),
	POINTERS(LAUNCH_SECRET),
	OP(LAUNCH_SECRET, "length 0", DATA(secret, PACKET, .guest_len = 0)),
	OP(LAUNCH_SECRET, "not there", DATA(secret, PACKET, .guest_uaddr = AT_HOLE)),
	OP(LAUNCH_SECRET, "no data", DATA(secret, PACKET, .trans_uaddr = 0)),
	OP(LAUNCH_SECRET, "data too long", DATA(secret, PACKET, .trans_len = BLOB_TOO_LONG)),
	OP(LAUNCH_SECRET, "data not there", DATA(secret, PACKET, .trans_uaddr = AT_HOLE)),
	OP(LAUNCH_SECRET, "header of length 0", DATA(secret, PACKET, .hdr_len = 0)),
	OP(LAUNCH_SECRET, "header not there", DATA(secret, PACKET, .hdr_uaddr = AT_HOLE)),
	OP(LAUNCH_SECRET, "header too short", DATA(secret, PACKET, .hdr_len = 48)),
	OP(LAUNCH_SECRET, "lengths differ", DATA(secret, PACKET, .trans_len = 32)),
	OP(LAUNCH_FINISH, "good"),
	OP(GUEST_STATUS, "good", .value = AT_BUFFER),
	POINTERS(GUEST_STATUS),
	OP(GET_ATTESTATION_REPORT, "good", DATA(report, .uaddr = AT_BUFFER, .len = 4096)),
	POINTERS(GET_ATTESTATION_REPORT),
	OP(GET_ATTESTATION_REPORT, "length 0", DATA(report, .uaddr = AT_BUFFER)),
	OP(GET_ATTESTATION_REPORT, "too short", DATA(report, .uaddr = AT_BUFFER, .len = 16)),
	OP(GET_ATTESTATION_REPORT, "too long", DATA(report, .uaddr = AT_BUFFER, .len = BLOB_TOO_LONG)),
	OP(GET_ATTESTATION_REPORT, "not there", DATA(report, .uaddr = AT_HOLE, .len = 4096)),
	DBGS(DBG_DECRYPT),
	DBGS(DBG_ENCRYPT),
	REGION(REGION, "good", DATA(region, AT_GUEST, 4096)),
	REGION(REGION, "null", .value = 0),
	REGION(REGION, "hole", .value = AT_HOLE),
	REGION(REGION, "length 0", DATA(region, AT_GUEST, 0)),
	REGION(REGION, "wraps", DATA(region, AT_WRAP, 0x2000)),
	REGION(REGION, "not there", DATA(region, AT_HOLE, 4096)),
	REGION(UNREGION, "of none", DATA(region, AT_GUEST, 4096)),
	REGION(UNREGION, "null", .value = 0),
	REGION(UNREGION, "hole", .value = AT_HOLE),
	CAPS(MOVE),
	CAPS(COPY),
};
const size_t nr_attempts = sizeof(attempts) / sizeof(attempts[0]);

typedef struct sev_user_data_range range;
typedef struct sev_user_data_pdh_cert_export export;
typedef struct sev_user_data_pek_cert_import import;

#define DEV(what, arg, ...)							\
	{ .command = #what, .argument = arg, .by = BY_DEVICE, .id = SEV_##what, __VA_ARGS__ }
#define DEV_POINTERS(what)							\
	DEV(what, "null", .value = 0),						\
	DEV(what, "hole", .value = AT_HOLE)
#define EXPORT	.pdh_cert_address = AT_BUFFER, .pdh_cert_len = 0x1000,		\
		.cert_chain_address = AT_OTHER, .cert_chain_len = 0x4000
#define IMPORT	.pek_cert_address = AT_BUFFER, .pek_cert_len = 0x824,		\
		.oca_cert_address = AT_OTHER, .oca_cert_len = 0x824

const struct attempt device_attempts[] = {
	{ .command = "ioctl", .argument = "unknown", .by = BY_RAW_DEVICE, .id = 1 },
	{ .command = "ioctl", .argument = "null", .by = BY_RAW_DEVICE },
	{ .command = "ioctl", .argument = "hole", .by = BY_RAW_DEVICE, .value = AT_HOLE },
	{ .command = "command", .argument = "the number after the last", .by = BY_DEVICE, .id = SEV_MAX },
	{ .command = "command", .argument = "unknown", .by = BY_DEVICE, .id = 99 },
	DEV(FACTORY_RESET, "good"),
	DEV(PLATFORM_STATUS, "good", .value = AT_BUFFER),
	DEV_POINTERS(PLATFORM_STATUS),
	DEV(PEK_GEN, "good"),
	DEV(PDH_GEN, "good"),
	DEV(PEK_CSR, "good", DATA(range, AT_BUFFER, 0x4000)),
	DEV_POINTERS(PEK_CSR),
	DEV(PEK_CSR, "length 0", DATA(range, AT_BUFFER, 0)),
	DEV(PEK_CSR, "too short", DATA(range, AT_BUFFER, 16)),
	DEV(PEK_CSR, "too long", DATA(range, AT_BUFFER, BLOB_TOO_LONG)),
	DEV(PEK_CSR, "not there", DATA(range, AT_HOLE, 0x4000)),
	DEV(PDH_CERT_EXPORT, "good", DATA(export, EXPORT)),
	DEV_POINTERS(PDH_CERT_EXPORT),
	DEV(PDH_CERT_EXPORT, "length 0", DATA(export, EXPORT, .pdh_cert_len = 0)),
	DEV(PDH_CERT_EXPORT, "too short", DATA(export, EXPORT, .pdh_cert_len = 16)),
	DEV(PDH_CERT_EXPORT, "too long", DATA(export, EXPORT, .pdh_cert_len = BLOB_TOO_LONG)),
	DEV(PDH_CERT_EXPORT, "too long, no chain",
	    DATA(export, EXPORT, .pdh_cert_len = BLOB_TOO_LONG, .cert_chain_len = 0)),
	DEV(PDH_CERT_EXPORT, "chain too long", DATA(export, EXPORT, .cert_chain_len = BLOB_TOO_LONG)),
	DEV(PDH_CERT_EXPORT, "not there", DATA(export, EXPORT, .pdh_cert_address = AT_HOLE)),
	DEV(PDH_CERT_EXPORT, "chain not there", DATA(export, EXPORT, .cert_chain_address = AT_HOLE)),
	DEV_POINTERS(PEK_CERT_IMPORT),
	DEV(PEK_CERT_IMPORT, "forged", DATA(import, IMPORT)),
	DEV(PEK_CERT_IMPORT, "no certificate", DATA(import, IMPORT, .pek_cert_address = 0)),
	DEV(PEK_CERT_IMPORT, "length 0", DATA(import, IMPORT, .oca_cert_len = 0)),
	DEV(PEK_CERT_IMPORT, "too long", DATA(import, IMPORT, .oca_cert_len = BLOB_TOO_LONG)),
	DEV(PEK_CERT_IMPORT, "not there", DATA(import, IMPORT, .oca_cert_address = AT_HOLE)),
	DEV(GET_ID, "good", .value = AT_BUFFER),
	DEV_POINTERS(GET_ID),
	DEV(GET_ID2, "good", DATA(range, AT_BUFFER, 128)),
	DEV_POINTERS(GET_ID2),
	DEV(GET_ID2, "length 0", DATA(range, AT_BUFFER, 0)),
	DEV(GET_ID2, "too short", DATA(range, AT_BUFFER, 16)),
	DEV(GET_ID2, "long", DATA(range, AT_BUFFER, 0x10000)),
	DEV(GET_ID2, "too long", DATA(range, AT_BUFFER, 0x400001)),
	DEV(GET_ID2, "not there", DATA(range, AT_HOLE, 128)),
};
const size_t nr_device_attempts = sizeof(device_attempts) / sizeof(device_attempts[0]);
