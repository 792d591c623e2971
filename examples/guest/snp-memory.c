/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-memory.c - memory that was not launched belongs to the guest when it says so: PVALIDATE, by
 * 2M where the hypervisor's pages are as large, else by 4K.
 *
 * $ softcvm run --type snp snp-memory.elf
 * 8 MiB by 2M: 0 done, 4 of another size
 * by 4K: 2048 done
 * 2M at an address between: code 1
 * noise at first: * words of 16384 are zeros
 * what was written is there: 0 words are not
 * VMPL 1 has 0x0; after RMPADJUST 0x1; size 4K
 * guest ended: exit 0
 */
#include "snp.h"

#define LARGE	4ul
#define WORDS	(GUEST_PAGE / 8)

static unsigned by_large(uint64_t at)
{
	unsigned done = 0, mismatch = 0;

	for (uint64_t i = 0; i < LARGE; i++) {
		unsigned code = snp_pvalidate(at + i * GUEST_LARGE_PAGE, SNP_2M, true);

		done += code == SNP_DONE;
		mismatch += code == SNP_FAIL_SIZEMISMATCH;
	}
	guest_printf("%lu MiB by 2M: %u done, %u of another size\n", 2 * LARGE, done, mismatch);
	return done;
}

static void by_small(uint64_t at, uint64_t size)
{
	unsigned done = 0;

	for (uint64_t end = at + size; at < end; at += GUEST_PAGE)
		done += snp_pvalidate(at, SNP_4K, true) == SNP_DONE;
	guest_printf("by 4K: %u done\n", done);
}

static unsigned check(uint64_t at, uint64_t size, uint64_t factor)
{
	unsigned wrong = 0;

	for (uint64_t page = at; page < at + size; page += GUEST_PAGE) {
		for (uint64_t w = 0; w < WORDS; w += 73)
			wrong += ((uint64_t *)page)[w] != factor * (page + w);
	}
	return wrong;
}

static void fill(uint64_t at, uint64_t size, uint64_t factor)
{
	for (uint64_t page = at; page < at + size; page += GUEST_PAGE) {
		for (uint64_t w = 0; w < WORDS; w += 73)
			((uint64_t *)page)[w] = factor * (page + w);
	}
}

int guest_main(void)
{
	const uint64_t size = LARGE * GUEST_LARGE_PAGE, at = guest_reserve(size);
	const uint64_t all = size / GUEST_PAGE * ((WORDS + 72) / 73);
	unsigned wrong, before, now;

	if (by_large(at) != LARGE)
		by_small(at, size);
	guest_printf("2M at an address between: code %u\n",
		     snp_pvalidate(at + GUEST_PAGE, SNP_2M, true));
	/* The hypervisor's zeros, seen with the guest's key. */
	wrong = check(at, size, 0);
	guest_printf("noise at first: %lu words of %lu are zeros\n", all - wrong, all);
	fill(at, size, 3);
	wrong = check(at, size, 3);
	guest_printf("what was written is there: %u words are not\n", wrong);
	before = snp_rmpquery(at, 1).rights;
	if (snp_rmpadjust(at, snp_rmpquery(at, 1).size, 1, SNP_READ) != SNP_DONE)
		guest_panic("RMPADJUST failed");
	now = snp_rmpquery(at, 1).rights;
	guest_printf("VMPL 1 has 0x%x; after RMPADJUST 0x%x; size %s\n", before, now,
		     snp_rmpquery(at, 1).size == SNP_2M ? "2M" : "4K");
	return wrong != 0;
}
