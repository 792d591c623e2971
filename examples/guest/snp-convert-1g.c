/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp-convert-1g.c - 256 MiB of a gigabyte to private, to shared and back, where what is shared lies on
 * one page of 1 GiB of the host's.
 *
 * Nested entries over that one page come and go in all three sizes; the host's own page table never
 * changes.  Which ones, stage by stage, docs/facts/snp-convert-levels.tsv works out.  The stage is
 * written to port 0x80 before it begins.
 *
 * $ softcvm run --type snp --hugepages --hugetlb --memory 2G snp-convert-1g.elf
 * stage 1: a gigabyte is shared: 0 wrong
 * stage 2: 256 MiB of it are private: 0 wrong
 * stage 3: and shared again, 2 MiB after 2 MiB: 0 wrong, 128 of 128 have kept what was shared
 * stage 4: every other page of 2 MiB is private: 0 wrong
 * the host has written a clock beside them, and one far away: 0 wrong
 * stage 5: all 256 MiB are private: 0 wrong
 * guest ended: exit 0
 */
#include "snp.h"

#define GIB		0x40000000ul
#define SIZE		(256ul << 20)
#define PORT_STAGE	0x80
#define MSR_WALL_CLOCK	0x4b564d00u
#define CLOCK_AT	64		/* in its page: behind the words */
#define SHARED_MARK	0x5348415245445348ul
#define PRIVATE_MARK	0x5045525349535453ul

static uint64_t gigabyte, region;
static unsigned wrong;

static volatile uint64_t *word(uint64_t page)
{
	return (volatile uint64_t *)(page + 8);
}

static void stage(unsigned n)
{
	wrong = 0;
	guest_out8(PORT_STAGE, (uint8_t)n);
}

/* A word at every @step of [@at, @end). */
static void mark(uint64_t at, uint64_t end, uint64_t step, uint64_t mark)
{
	for (; at < end; at += step)
		*word(at) = mark ^ at;
}

static void look(uint64_t at, uint64_t end, uint64_t step, uint64_t mark)
{
	for (; at < end; at += step) {
		wrong += *word(at) != (mark ^ at);
		*word(at) = mark ^ at;
	}
}

static void share_gigabyte(void)
{
	stage(1);
	snp_change(gigabyte, GIB, SNP_SHARED, SNP_2M);
	for (uint64_t at = gigabyte; at < gigabyte + GIB; at += GUEST_LARGE_PAGE)
		guest_map_large(at, at, GUEST_MAP_SHARED);
	mark(gigabyte, gigabyte + GIB, GUEST_LARGE_PAGE, SHARED_MARK);
	look(gigabyte, gigabyte + GIB, GUEST_LARGE_PAGE, SHARED_MARK);
	guest_printf("stage 1: a gigabyte is shared: %u wrong\n", wrong);
}

static void make_private(void)
{
	stage(2);
	snp_unshare(region, SIZE, SNP_2M);
	mark(region, region + SIZE, GUEST_LARGE_PAGE, PRIVATE_MARK);
	look(gigabyte, region, GUEST_LARGE_PAGE, SHARED_MARK);
	look(region, region + SIZE, GUEST_LARGE_PAGE, PRIVATE_MARK);
	guest_printf("stage 2: 256 MiB of it are private: %u wrong\n", wrong);
}

static void share_again(void)
{
	unsigned kept = 0;

	stage(3);
	for (uint64_t at = region; at < region + SIZE; at += GUEST_LARGE_PAGE) {
		wrong += *word(at) != (PRIVATE_MARK ^ at);
		snp_share(at, GUEST_LARGE_PAGE, SNP_2M);
		/* One access, a write: reading fresh memory first would map the host's page of zeros. */
		kept += __atomic_exchange_n(word(at), SHARED_MARK ^ at, __ATOMIC_RELAXED) ==
			(SHARED_MARK ^ at);
	}
	look(gigabyte, gigabyte + GIB, GUEST_LARGE_PAGE, SHARED_MARK);
	guest_printf("stage 3: and shared again, 2 MiB after 2 MiB: %u wrong, %u of %lu have kept what was "
		     "shared\n", wrong, kept, SIZE / GUEST_LARGE_PAGE);
}

/* The pages from @first on, every other one, of the first 2 MiB. */
static void every_other_private(uint64_t first)
{
	for (uint64_t at = first; at < region + GUEST_LARGE_PAGE; at += 2 * GUEST_PAGE) {
		snp_unshare(at, GUEST_PAGE, SNP_4K);
		*word(at) = PRIVATE_MARK ^ at;
	}
}

/* KVM stores it by the VMM's mapping, which private pages may be a part of (--in-place). */
static void ask_for_clock(uint64_t page)
{
	volatile const uint32_t *clock = (volatile const uint32_t *)(page + CLOCK_AT);

	guest_wrmsr(MSR_WALL_CLOCK, page + CLOCK_AT);
	wrong += !clock[0] || clock[0] % 2 || !clock[1];
}

static void ask_for_clocks(void)
{
	ask_for_clock(region + 2 * GUEST_PAGE);
	ask_for_clock(region + GUEST_LARGE_PAGE);
	guest_printf("the host has written a clock beside them, and one far away: %u wrong\n", wrong);
}

static void mix(void)
{
	stage(4);
	mark(region, region + GUEST_LARGE_PAGE, GUEST_PAGE, SHARED_MARK);
	every_other_private(region + GUEST_PAGE);
	look(gigabyte, region, GUEST_LARGE_PAGE, SHARED_MARK);
	look(region, region + GUEST_LARGE_PAGE, 2 * GUEST_PAGE, SHARED_MARK);
	look(region + GUEST_PAGE, region + GUEST_LARGE_PAGE, 2 * GUEST_PAGE, PRIVATE_MARK);
	look(region + GUEST_LARGE_PAGE, region + SIZE, GUEST_LARGE_PAGE, SHARED_MARK);
	guest_printf("stage 4: every other page of 2 MiB is private: %u wrong\n", wrong);
	ask_for_clocks();
}

static void make_private_again(void)
{
	stage(5);
	every_other_private(region);
	snp_unshare(region + GUEST_LARGE_PAGE, SIZE - GUEST_LARGE_PAGE, SNP_2M);
	mark(region + GUEST_LARGE_PAGE, region + SIZE, GUEST_LARGE_PAGE, PRIVATE_MARK);
	look(gigabyte, region, GUEST_LARGE_PAGE, SHARED_MARK);
	look(region, region + GUEST_LARGE_PAGE, GUEST_PAGE, PRIVATE_MARK);
	look(region + GUEST_LARGE_PAGE, region + SIZE, GUEST_LARGE_PAGE, PRIVATE_MARK);
	guest_printf("stage 5: all 256 MiB are private: %u wrong\n", wrong);
}

int guest_main(void)
{
	unsigned all = 0;

	gigabyte = guest_reserve(GIB);
	region = gigabyte + GIB - SIZE;
	if (gigabyte % GIB)
		guest_panic("0x%lx is no gigabyte", gigabyte);
	share_gigabyte();
	all += wrong;
	make_private();
	all += wrong;
	share_again();
	all += wrong;
	mix();
	all += wrong;
	make_private_again();
	all += wrong;
	guest_out8(PORT_STAGE, 0);
	return all != 0;
}
