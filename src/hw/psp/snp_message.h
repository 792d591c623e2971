/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_message.h - messages between a SEV-SNP guest and the secure processor:
 * AES-256-GCM under one of four keys that the guest found in its secrets page.
 * Firmware ABI 56860 chapter 7 and 8.26.
 *
 * Values in memory of the caller; any thread, one at a time for a key.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "hw/insn/psp.h"

#define SNP_MESSAGE_HEADER	0x60u
#define SNP_MESSAGE_MAX		4000u	/* bytes of payload in a page */
#define SNP_NR_VMPCKS		4u

struct snp_message {			/* one page, as in memory */
	uint8_t	 authtag[32];		/* 16 bytes used */
	uint64_t seqno;
	uint8_t	 reserved1[8];
	/* from here to the payload: authenticated, not encrypted */
	uint8_t	 algo, hdr_version;
	uint16_t hdr_size;
	uint8_t	 type, version;
	uint16_t size;
	uint32_t reserved2;
	uint8_t	 vmpck, reserved3[35];
	uint8_t	 payload[SNP_MESSAGE_MAX];
};

struct snp_vmpck {
	uint8_t	 key[32];
	uint64_t count;			/* messages so far, both ways: even */
};

/*
 * The payload of a guest's message into @out (SNP_MESSAGE_MAX bytes).
 * INVALID_PARAM: the header; BAD_MEASUREMENT: not this key's, or changed on
 * the way; AEAD_OFLOW: not the next one, or the counter is at its end.
 */
MUST_CHECK enum psp_status snp_message_open(const struct snp_message *m,
					    const struct snp_vmpck keys[SNP_NR_VMPCKS],
					    uint8_t *out);
/*
 * The answer to @request, and both are counted.  @len at most SNP_MESSAGE_MAX.
 * False: libcrypto failed; nothing is counted.
 */
MUST_CHECK bool snp_message_seal(struct snp_message *m, const struct snp_message *request,
				 struct snp_vmpck keys[SNP_NR_VMPCKS], uint8_t type,
				 const void *payload, size_t len);
