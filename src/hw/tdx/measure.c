/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/tdx/measure.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define RECORD	128u	/* a block of SHA-384 */
#define GPA_AT	16u

struct measurement {
	EVP_MD		*md;
	EVP_MD_CTX	*ctx;
	uint8_t		 mrtd[TDX_DIGEST];
	uint8_t		 rtmr[TDX_NR_RTMRS][TDX_DIGEST];
};

struct measurement *measure_new(void)
{
	struct measurement *mr = calloc(1, sizeof(*mr));

	if (!mr)
		return NULL;
	mr->md = EVP_MD_fetch(NULL, "SHA384", NULL);
	mr->ctx = EVP_MD_CTX_new();
	if (mr->md && mr->ctx && EVP_DigestInit_ex2(mr->ctx, mr->md, NULL))
		return mr;
	measure_free(mr);
	return NULL;
}

void measure_free(struct measurement *mr)
{
	if (!mr)
		return;
	EVP_MD_CTX_free(mr->ctx);
	EVP_MD_free(mr->md);
	free(mr);
}

static bool record(struct measurement *mr, const char *name, uint64_t gpa)
{
	uint8_t block[RECORD] = { 0 };

	memcpy(block, name, strlen(name));
	memcpy(block + GPA_AT, &gpa, sizeof(gpa));
	return EVP_DigestUpdate(mr->ctx, block, sizeof(block));
}

bool measure_page_add(struct measurement *mr, uint64_t gpa)
{
	return record(mr, "MEM.PAGE.ADD", gpa);
}

bool measure_extend(struct measurement *mr, uint64_t gpa, const uint8_t bytes[TDX_MR_CHUNK])
{
	return record(mr, "MR.EXTEND", gpa) && EVP_DigestUpdate(mr->ctx, bytes, TDX_MR_CHUNK);
}

bool measure_finalize(struct measurement *mr)
{
	return EVP_DigestFinal_ex(mr->ctx, mr->mrtd, NULL);
}

const uint8_t *measure_mrtd(const struct measurement *mr)
{
	return mr->mrtd;
}

bool measure_rtmr_extend(struct measurement *mr, unsigned i, const uint8_t data[TDX_DIGEST])
{
	uint8_t both[2 * TDX_DIGEST];

	memcpy(both, mr->rtmr[i], TDX_DIGEST);
	memcpy(both + TDX_DIGEST, data, TDX_DIGEST);
	return EVP_DigestInit_ex2(mr->ctx, mr->md, NULL) &&
	       EVP_DigestUpdate(mr->ctx, both, sizeof(both)) &&
	       EVP_DigestFinal_ex(mr->ctx, mr->rtmr[i], NULL);
}

const uint8_t *measure_rtmr(const struct measurement *mr, unsigned i)
{
	return mr->rtmr[i];
}
