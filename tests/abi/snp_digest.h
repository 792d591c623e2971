/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_digest.h - the launch digest of an SNP guest, worked out from the bytes as
 * the SEV-SNP firmware ABI (8.17.2) has it, with nobody's code but libcrypto's.
 */
#ifndef TESTS_ABI_SNP_DIGEST_H
#define TESTS_ABI_SNP_DIGEST_H

#include <stdint.h>

/* It begins as zeros. */
void snp_digest_page(uint8_t digest[48], uint8_t type, uint64_t gpa, const void *page);
/* The page of @vcpu, not launched yet, with the registers that it has now. */
void snp_digest_vcpu(uint8_t digest[48], int vcpu);

#endif
