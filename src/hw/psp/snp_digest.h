/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_digest.h - the launch digest of SEV-SNP: firmware ABI 56860, 8.17.2,
 * PAGE_INFO.  One chain of SHA-384 over a record for each 4 KiB page.
 *
 * Values in memory of the caller; any thread.
 */
#pragma once
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/macros.h"

#define SNP_DIGEST_BYTES	48u

struct snp_page {
	uint8_t	 type;			/* PSP_SNP_NORMAL to PSP_SNP_CPUID */
	bool	 imi;			/* part of an initial migration image */
	uint8_t	 vmpl_perms[3];		/* VMPL1 to VMPL3 */
	gpa_t	 gpa;			/* of the RMP entry */
};

/* What hashing needs, made once for many pages: a fetch of the algorithm costs as much as a page. */
struct snp_hash {
	EVP_MD		*md;
	EVP_MD_CTX	*ctx;
};
MUST_CHECK bool snp_hash_make(struct snp_hash *h);
void snp_hash_free(struct snp_hash *h);		/* also one of zeros */

/*
 * CONTENTS of a page: the hash of its 4096 bytes in the clear, @bytes, for
 * NORMAL and VMSA, else zeros.
 */
MUST_CHECK bool snp_digest_contents(const struct snp_hash *h, uint8_t type, const uint8_t *bytes,
				    uint8_t contents[SNP_DIGEST_BYTES]);
/*
 * @digest (zeros at LAUNCH_START) goes on by one page.  False: libcrypto
 * failed, @digest is as before.
 */
MUST_CHECK bool snp_digest_extend(const struct snp_hash *h, uint8_t digest[SNP_DIGEST_BYTES],
				  const struct snp_page *page,
				  const uint8_t contents[SNP_DIGEST_BYTES]);
