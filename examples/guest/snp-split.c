/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-split.c - one page of 2 MiB goes to the hypervisor and comes back: what was one entry of
 * the RMP is 512 from then on, and the guest notices by asking only.
 *
 * $ softcvm run --type snp --param kvm.gmem_order=9 snp-split.elf
 * 2 MiB: validated as one, size 2M
 * one page of it is not ours: its neighbour has size 4K, 0 words are others
 * shared: 0x0, then 0x2222
 * ours again: not validated yet, then noise; 0 words beside it are others
 * 2 MiB as one: code 6
 * guest ended: exit 0
 */
#include "snp.h"

#define PAGE_AT		(77 * GUEST_PAGE)
#define NR_PAGES	(GUEST_LARGE_PAGE / GUEST_PAGE)

static const char *size_of(uint64_t va)
{
	return snp_rmpquery(va, 1).size == SNP_2M ? "2M" : "4K";
}

/* All but the one page. */
static unsigned others(uint64_t at)
{
	unsigned wrong = 0;

	for (uint64_t i = 0; i < NR_PAGES; i++)
		wrong += i != PAGE_AT / GUEST_PAGE &&
			 *(volatile uint64_t *)(at + i * GUEST_PAGE) != i + 0x1000;
	return wrong;
}

int guest_main(void)
{
	const uint64_t at = guest_reserve(GUEST_LARGE_PAGE), va = at + PAGE_AT;
	volatile uint64_t *page = (uint64_t *)va;
	uint64_t before;

	if (snp_pvalidate(at, SNP_2M, true) != SNP_DONE)
		guest_panic("2 MiB are not one page here");
	guest_printf("2 MiB: validated as one, size %s\n", size_of(at));
	for (uint64_t i = 0; i < NR_PAGES; i++)
		*(volatile uint64_t *)(at + i * GUEST_PAGE) = i + 0x1000;

	if (snp_pvalidate(va, SNP_4K, false) != SNP_DONE)
		guest_panic("PVALIDATE failed");
	guest_printf("one page of it is not ours: its neighbour has size %s, %u words are others\n",
		     size_of(va + GUEST_PAGE), others(at));

	if (snp_change_page(va, SNP_SHARED))
		guest_panic("no shared page");
	guest_map(va, va, GUEST_MAP_SHARED);
	before = *page;
	*page = 0x2222;
	guest_printf("shared: 0x%lx, then 0x%lx\n", before, *page);

	guest_map(va, va, GUEST_MAP_PRIVATE);
	if (snp_change_page(va, SNP_PRIVATE))
		guest_panic("no private page");
	guest_printf("ours again: %s", snp_pvalidate(va, SNP_4K, true) == SNP_DONE ?
		     "not validated yet" : "validated already");
	guest_printf(", then %s; %u words beside it are others\n",
		     *page == 77 + 0x1000 || *page == 0x2222 || !*page ? "no noise" : "noise", others(at));
	guest_printf("2 MiB as one: code %u\n", snp_pvalidate(at, SNP_2M, false));
	return others(at) != 0;
}
