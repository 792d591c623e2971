/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_secrets.c - the secrets page: firmware ABI 56860, 8.17.2.5.
 */
#include "hw/psp/psp_snp_priv.h"

#include <openssl/crypto.h>
#include <string.h>

#define VERSION		3u

struct secrets {			/* as in memory; zeros from the last field on */
	uint32_t version, flags;	/* bit 0: IMI_EN */
	uint32_t fms, reserved1;
	uint8_t	 gosvw[16], vmpcks[SNP_NR_VMPCKS][32];
	uint8_t	 of_guest1[96], vmsa_tweak_bitmap[64], of_guest2[32];
	uint32_t tsc_factor;
};
_Static_assert(offsetof(struct secrets, of_guest1) == 0xa0, "layout of the firmware ABI");
_Static_assert(offsetof(struct secrets, tsc_factor) == 0x160, "layout of the firmware ABI");

/* The machine has no VmsaRegProt and its clock no deviation: no tweak bitmap, factor 0. */
void snp_secrets_compose(const struct psp *psp, const struct snp_guest *g, uint8_t *page)
{
	struct secrets s = {
		.version = VERSION, .flags = g->imi, .fms = hw_cpuid(psp->hw, 1, 0).eax,
	};

	memcpy(s.gosvw, g->gosvw, sizeof(s.gosvw));
	for (unsigned i = 0; i < SNP_NR_VMPCKS; i++)
		memcpy(s.vmpcks[i], g->vmpcks[i].key, sizeof(s.vmpcks[i]));
	memset(page, 0, PAGE_SIZE);
	memcpy(page, &s, sizeof(s));
	OPENSSL_cleanse(&s, sizeof(s));
}
