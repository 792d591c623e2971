/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_digest.h - the launch digest of SEV-SNP: firmware ABI 56860, 8.17.2,
 * PAGE_INFO.  One chain of SHA-384 over a record for each 4 KiB page.
 *
 * Values in memory of the caller; any thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/macros.h"

#define SNP_DIGEST_BYTES	48u

enum snp_page_type {
	SNP_PAGE_NORMAL		= 1,
	SNP_PAGE_VMSA		= 2,
	SNP_PAGE_ZERO		= 3,
	SNP_PAGE_UNMEASURED	= 4,
	SNP_PAGE_SECRETS	= 5,
	SNP_PAGE_CPUID		= 6,
};

struct snp_page {
	enum snp_page_type type;
	gpa_t		   gpa;		/* of the RMP entry */
	bool		   imi;		/* part of an initial migration image */
	uint8_t		   vmpl_perms[3];	/* VMPL1 to VMPL3 */
};

/*
 * @digest (zeros at LAUNCH_START) goes on by one page.  @bytes: its 4096 bytes
 * in the clear, for NORMAL and VMSA; of the other types no contents count.
 * False: libcrypto failed, @digest is as before.
 */
MUST_CHECK bool snp_digest_extend(uint8_t digest[SNP_DIGEST_BYTES], const struct snp_page *page,
				  const uint8_t *bytes);
