/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-hello.c - the first look round of a SNP guest: what it is, what its hypervisor offers, whether
 * it may do all that a guest may (VMPL 0), and the page of secrets.
 *
 * $ softcvm run --type snp snp-hello.elf
 * SEV_STATUS 0x7, GHCB protocol 2, hypervisor features 0x3
 * VMPL 0: it may give rights to VMPL 1, which has 0x3 now
 * secrets: version 3, 4 keys, all different
 * guest ended: exit 0
 */
#include "snp.h"

#define KEYS	(GUEST_SECRETS + 0x20)
#define KEY	32ul

static unsigned equal_keys(void)
{
	unsigned equal = 0;

	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = i + 1; j < 4; j++)
			equal += !memcmp((void *)(KEYS + i * KEY), (void *)(KEYS + j * KEY), KEY);
	}
	return equal;
}

int guest_main(void)
{
	uint64_t page = (uintptr_t)guest_page();
	unsigned code;

	guest_printf("SEV_STATUS 0x%lx, GHCB protocol %u, hypervisor features 0x%lx\n",
		     guest_rdmsr(MSR_SEV_STATUS), guest_ghcb_version(), snp_hypervisor_features());
	code = snp_rmpadjust(page, SNP_4K, 1, SNP_READ | SNP_WRITE);
	if (code != SNP_DONE)
		guest_panic("RMPADJUST: %u", code);
	guest_printf("VMPL 0: it may give rights to VMPL 1, which has 0x%x now\n",
		     snp_rmpquery(page, 1).rights);
	guest_printf("secrets: version %u, 4 keys, %s\n", *(const uint32_t *)GUEST_SECRETS,
		     equal_keys() ? "not all different" : "all different");
	return 0;
}
