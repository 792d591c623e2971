/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_id_block.h - who a SEV-SNP guest is meant to be: the ID block that its
 * owner signs, and what LAUNCH_FINISH checks of it.  Firmware ABI 56860, 8.18.
 *
 * Values in memory of the caller; any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "hw/insn/psp.h"
#include "hw/psp/cert.h"
#include "hw/psp/snp_digest.h"

struct snp_id_block {			/* 96 bytes, as in memory */
	uint8_t	 ld[SNP_DIGEST_BYTES], family_id[16], image_id[16];
	uint32_t version, guest_svn;
	uint64_t policy;
};

struct snp_id_signature {
	uint8_t	 r[PSP_POINT_BYTES], s[PSP_POINT_BYTES], unused[368];
};

struct snp_id_key {
	uint32_t curve;
	struct psp_point q;
	uint8_t	 unused[880];
};

struct snp_id_auth {			/* 4096 bytes, as in memory */
	uint32_t id_key_algo, author_key_algo;
	uint8_t	 unused1[56];
	struct snp_id_signature id_block_sig;	/* of the ID block, by the ID key */
	struct snp_id_key id_key;
	uint8_t	 unused2[60];
	struct snp_id_signature id_key_sig;	/* of the ID key, by the author's */
	struct snp_id_key author_key;
	uint8_t	 unused3[892];
};
#define SNP_ID_ALGO_P384	1u	/* ECDSA with SHA-384 */

struct snp_identity {			/* what reports will say; zeros without an ID block */
	uint8_t	 id_key_digest[SNP_DIGEST_BYTES], author_key_digest[SNP_DIGEST_BYTES];
};

/*
 * BAD_MEASUREMENT: another launch digest; POLICY_FAILURE: another policy;
 * INVALID_PARAM: an algorithm that there is not; BAD_SIGNATURE.  @out is
 * written on SUCCESS only; the author's key counts when @has_author.
 */
MUST_CHECK enum psp_status snp_id_block_check(const struct snp_id_block *block,
					      const struct snp_id_auth *auth, bool has_author,
					      const uint8_t ld[SNP_DIGEST_BYTES],
					      uint64_t policy, struct snp_identity *out);
