/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/psp/snp_digest.h"

#include "hw/insn/psp_snp.h"

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

bool snp_hash_make(struct snp_hash *h)
{
	h->md = EVP_MD_fetch(NULL, "SHA384", NULL);
	h->ctx = EVP_MD_CTX_new();
	if (h->md && h->ctx)
		return true;
	snp_hash_free(h);
	return false;
}

void snp_hash_free(struct snp_hash *h)
{
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	*h = (struct snp_hash){ NULL, NULL };
}

static bool sha384(const struct snp_hash *h, const void *bytes, size_t len,
		   uint8_t out[SNP_DIGEST_BYTES])
{
	return EVP_DigestInit_ex2(h->ctx, h->md, NULL) && EVP_DigestUpdate(h->ctx, bytes, len) &&
	       EVP_DigestFinal_ex(h->ctx, out, NULL);
}

bool snp_digest_contents(const struct snp_hash *h, uint8_t type, const uint8_t *bytes,
			 uint8_t contents[SNP_DIGEST_BYTES])
{
	uint8_t vmsa[PAGE_SIZE];

	if (type == PSP_SNP_NORMAL)
		return sha384(h, bytes, PAGE_SIZE, contents);
	memset(contents, 0, SNP_DIGEST_BYTES);
	if (type != PSP_SNP_VMSA)
		return true;
	memcpy(vmsa, bytes, sizeof(vmsa));
	memset(vmsa + VMSA_TSC_SCALE, 0, sizeof(uint64_t));
	memset(vmsa + VMSA_TSC_OFFSET, 0, sizeof(uint64_t));
	return sha384(h, vmsa, sizeof(vmsa), contents);
}

bool snp_digest_extend(const struct snp_hash *h, uint8_t digest[SNP_DIGEST_BYTES],
		       const struct snp_page *page, const uint8_t contents[SNP_DIGEST_BYTES])
{
	struct page_info info = {
		.length = sizeof(info), .type = page->type, .imi = page->imi,
		.gpa = page->gpa.v,
	};
	uint8_t next[SNP_DIGEST_BYTES];

	memcpy(info.digest, digest, sizeof(info.digest));
	memcpy(info.contents, contents, sizeof(info.contents));
	memcpy(info.vmpl_perms, page->vmpl_perms, sizeof(info.vmpl_perms));
	if (!sha384(h, &info, sizeof(info), next))
		return false;
	memcpy(digest, next, sizeof(next));
	return true;
}
