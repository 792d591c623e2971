/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-psc.c - page state changes: one page by the MSR, a thousand by the GHCB, and back.  What was
 * private is gone when the VMM has given the page back; what is shared begins with
 * zeros, what is private again with noise: the hypervisor's zeros, seen with the guest's key.
 *
 * $ softcvm run --type snp snp-psc.elf
 * private: 0x1111
 * shared by the MSR: 0x0, and as written: 0x2222
 * private again: not validated yet, and then noise
 * an operation that does not exist: error
 * 1000 pages to shared: 4 requests, 0 wrong
 * 1000 pages to private: 4 requests, 0 as they were
 * guest ended: exit 0
 */
#include "snp.h"

#define PAGES	1000ul

static unsigned wrong_words(uint64_t at, uint64_t value)
{
	unsigned wrong = 0;

	for (uint64_t i = 0; i < PAGES; i++)
		wrong += *(volatile uint64_t *)(at + i * GUEST_PAGE + 8 * (i % 512)) != value;
	return wrong;
}

static void fill(uint64_t at, uint64_t value)
{
	for (uint64_t i = 0; i < PAGES; i++)
		*(volatile uint64_t *)(at + i * GUEST_PAGE + 8 * (i % 512)) = value;
}

static void one_page(void)
{
	volatile uint64_t *page = guest_page();
	uint64_t at = (uintptr_t)page, before;

	*page = 0x1111;
	guest_printf("private: 0x%lx\n", *page);
	snp_share(at, GUEST_PAGE, SNP_4K);
	before = *page;
	*page = 0x2222;
	guest_printf("shared by the MSR: 0x%lx, and as written: 0x%lx\n", before, *page);
	guest_map(at, at, GUEST_MAP_PRIVATE);
	if (snp_change_page(at, SNP_PRIVATE))
		guest_panic("no private page");
	guest_printf("private again: %s", snp_pvalidate(at, SNP_4K, true) == SNP_DONE ?
		     "not validated yet" : "validated already");
	guest_printf(", and then %s\n", *page == 0x1111 || *page == 0x2222 || !*page ? "no noise" : "noise");
	guest_printf("an operation that does not exist: %s\n",
		     snp_change_page(at, (enum snp_state)3) ? "error" : "no error");
}

static unsigned many_pages(void)
{
	uint64_t size = PAGES * GUEST_PAGE, at = guest_reserve(2 * GUEST_LARGE_PAGE);
	unsigned requests, wrong, all;

	snp_validate(at, size, true);
	fill(at, 0x3333);
	snp_validate(at, size, false);
	requests = snp_change(at, size, SNP_SHARED, SNP_4K);
	for (uint64_t i = 0; i < size; i += GUEST_PAGE)
		guest_map(at + i, at + i, GUEST_MAP_SHARED);
	all = wrong = wrong_words(at, 0);
	guest_printf("%lu pages to shared: %u requests, %u wrong\n", PAGES, requests, wrong);
	fill(at, 0x4444);
	for (uint64_t i = 0; i < size; i += GUEST_PAGE)
		guest_map(at + i, at + i, GUEST_MAP_PRIVATE);
	requests = snp_change(at, size, SNP_PRIVATE, SNP_4K);
	snp_validate(at, size, true);
	wrong = PAGES - wrong_words(at, 0x3333);
	all += wrong += PAGES - wrong_words(at, 0x4444);
	guest_printf("%lu pages to private: %u requests, %u as they were\n", PAGES, requests, wrong);
	return all;
}

int guest_main(void)
{
	one_page();
	return many_pages() != 0;
}
