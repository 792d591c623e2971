/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/psp/snp_digest.h"

#include <openssl/evp.h>
#include <string.h>

/* In a VMSA the firmware fills these in later; they count as zero. */
#define VMSA_TSC_SCALE	0x2f0u
#define VMSA_TSC_OFFSET	0x2f8u

struct page_info {
	uint8_t	 digest[SNP_DIGEST_BYTES], contents[SNP_DIGEST_BYTES];
	uint16_t length;
	uint8_t	 type, imi, reserved, vmpl_perms[3];
	uint64_t gpa;
};
_Static_assert(sizeof(struct page_info) == 0x70, "layout of the firmware ABI");

static bool sha384(const void *bytes, size_t len, uint8_t out[SNP_DIGEST_BYTES])
{
	return EVP_Digest(bytes, len, out, NULL, EVP_sha384(), NULL);
}

static bool contents_of(const struct snp_page *page, const uint8_t *bytes, uint8_t *out)
{
	uint8_t vmsa[PAGE_SIZE];

	if (page->type == SNP_PAGE_NORMAL)
		return sha384(bytes, PAGE_SIZE, out);
	if (page->type != SNP_PAGE_VMSA)
		return true;
	memcpy(vmsa, bytes, sizeof(vmsa));
	memset(vmsa + VMSA_TSC_SCALE, 0, sizeof(uint64_t));
	memset(vmsa + VMSA_TSC_OFFSET, 0, sizeof(uint64_t));
	return sha384(vmsa, sizeof(vmsa), out);
}

bool snp_digest_extend(uint8_t digest[SNP_DIGEST_BYTES], const struct snp_page *page,
		       const uint8_t *bytes)
{
	struct page_info info = {
		.length = sizeof(info), .type = (uint8_t)page->type, .imi = page->imi,
		.gpa = page->gpa.v,
	};
	uint8_t next[SNP_DIGEST_BYTES];

	memcpy(info.digest, digest, sizeof(info.digest));
	memcpy(info.vmpl_perms, page->vmpl_perms, sizeof(info.vmpl_perms));
	if (!contents_of(page, bytes, info.contents) || !sha384(&info, sizeof(info), next))
		return false;
	memcpy(digest, next, sizeof(next));
	return true;
}
