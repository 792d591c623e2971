/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmsa.c - what a state page gets besides encryption: a checksum in trusted
 * memory, whose address the page carries.  APM vol. 2 15.35.8.
 */
#include "hw/psp/psp_priv.h"

#include "hw/mem/tmr.h"

#include <stdlib.h>
#include <string.h>

#define VMSA_ZEROS	0x380u

enum psp_status psp_vmsa_seal(struct psp *psp, struct psp_guest *g, uint8_t *vmsa)
{
	hpa_t *more = realloc(g->sums, (g->nr_sums + 1) * sizeof(*more));
	hpa_t sum;

	if (!more)
		return PSP_RESOURCE_LIMIT;
	g->sums = more;
	sum = tmr_take(psp->hw);
	if (!hpa_is_valid(sum))
		return PSP_RESOURCE_LIMIT;
	g->sums[g->nr_sums++] = sum;
	memset(vmsa + VMSA_ZEROS, 0, sizeof(uint64_t));
	memcpy(vmsa + TMR_VMSA_ADDRESS, &sum.v, sizeof(sum.v));
	return tmr_store(psp->hw, vmsa) ? PSP_SUCCESS : PSP_RESOURCE_LIMIT;
}

bool psp_vmsa_is_sealed(struct psp *psp, struct psp_guest *g, const uint8_t *vmsa)
{
	uint64_t sum;

	memcpy(&sum, vmsa + TMR_VMSA_ADDRESS, sizeof(sum));
	for (size_t i = 0; i < g->nr_sums; i++)
		if (g->sums[i].v == sum)
			return tmr_matches(psp->hw, vmsa);
	return false;
}
