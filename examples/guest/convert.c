/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * convert.c - 256 MiB of private memory become shared and private again, 2 MiB after 2 MiB, while
 * the other processor uses what is not being converted.  What it costs: docs/facts/snp-convert.tsv.
 */
#include "snp.h"

#define CHUNKS		128u
#define PAGES		512u			/* of a chunk */
#define SIZE		((uint64_t)CHUNKS * GUEST_LARGE_PAGE)
#define WORDS		(GUEST_PAGE / 8)
#define STRIDE		97u			/* between words that are looked at */
#define PRIVATE_MARK	0x5045525349535453ull
#define SHARED_MARK	0x5348415245445348ull

/* A chunk is used by who has locked it; to use it is to find the marks and to leave them. */
static struct chunk {
	uint32_t locked;
	bool	 is_shared;
	uint64_t uses;			/* by the other processor, and so says the chunk itself */
} chunks[CHUNKS];

static uint64_t region;
static volatile bool running, finished;
static uint64_t wrong_there, uses;

static uint64_t address(unsigned c)
{
	return region + (uint64_t)c * GUEST_LARGE_PAGE;
}

static void lock(struct chunk *c)
{
	while (__atomic_exchange_n(&c->locked, 1, __ATOMIC_ACQUIRE))
		__asm__ volatile("pause");
}

static void unlock(struct chunk *c)
{
	__atomic_store_n(&c->locked, 0, __ATOMIC_RELEASE);
}

static volatile uint64_t *word(uint64_t page, unsigned w)
{
	return (volatile uint64_t *)page + w;
}

static bool page_has(uint64_t page, uint64_t mark)
{
	for (unsigned w = 1; w < WORDS; w += STRIDE) {
		if (*word(page, w) != (mark ? mark ^ (page + w) : 0))
			return false;
	}
	return true;
}

static void mark_page(uint64_t page, uint64_t mark)
{
	for (unsigned w = 1; w < WORDS; w += STRIDE)
		*word(page, w) = mark ^ (page + w);
}

/* How many of the pages have the mark. */
static unsigned count(unsigned c, uint64_t mark)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PAGES; i++)
		n += page_has(address(c) + i * GUEST_PAGE, mark);
	return n;
}

static void mark(unsigned c, uint64_t mark)
{
	for (unsigned i = 0; i < PAGES; i++)
		mark_page(address(c) + i * GUEST_PAGE, mark);
	*word(address(c), 0) = chunks[c].uses;
}

/* A few of its pages, not always the same ones. */
static void use(unsigned c, unsigned turn)
{
	uint64_t of = chunks[c].is_shared ? SHARED_MARK : PRIVATE_MARK;

	for (unsigned i = turn % 61; i < PAGES; i += 61) {
		uint64_t page = address(c) + i * GUEST_PAGE;

		wrong_there += !page_has(page, of);
		mark_page(page, of);
	}
	wrong_there += *word(address(c), 0) != chunks[c].uses;
	*word(address(c), 0) = ++chunks[c].uses;
	uses++;
}

static void other_processor(void)
{
	uint32_t random = 1;

	while (!running)
		__asm__ volatile("pause" ::: "memory");
	for (unsigned turn = 0; !finished; turn++) {
		unsigned c = (random = random * 1664525u + 1013904223u) >> 25;

		lock(&chunks[c]);
		guest_flush_tlb();		/* it may have been mapped otherwise since */
		use(c, turn);
		unlock(&chunks[c]);
	}
	running = false;
}

static unsigned validate_all(void)
{
	unsigned large = 0;

	for (unsigned c = 0; c < CHUNKS; c++) {
		snp_validate(address(c), GUEST_LARGE_PAGE, true);
		large += snp_rmpquery(address(c), 1).size == SNP_2M;
		mark(c, PRIVATE_MARK);
	}
	return large;
}

static unsigned share_all(enum snp_size by)
{
	unsigned wrong = 0;

	for (unsigned c = 0; c < CHUNKS; c++) {
		lock(&chunks[c]);
		wrong += PAGES - count(c, PRIVATE_MARK) + (*word(address(c), 0) != chunks[c].uses);
		snp_share(address(c), GUEST_LARGE_PAGE, by);
		wrong += PAGES - count(c, 0);
		mark(c, SHARED_MARK);
		chunks[c].is_shared = true;
		unlock(&chunks[c]);
		if ((c + 1) % 32 == 0)
			guest_printf("to shared: %u of %u, %u wrong\n", c + 1, CHUNKS, wrong);
	}
	return wrong;
}

static unsigned unshare_all(enum snp_size by)
{
	unsigned wrong = 0, as_they_were = 0;

	for (unsigned c = 0; c < CHUNKS; c++) {
		lock(&chunks[c]);
		wrong += PAGES - count(c, SHARED_MARK) + (*word(address(c), 0) != chunks[c].uses);
		snp_unshare(address(c), GUEST_LARGE_PAGE, by);
		as_they_were += count(c, PRIVATE_MARK);
		wrong += count(c, SHARED_MARK) + count(c, 0);
		mark(c, PRIVATE_MARK);
		chunks[c].is_shared = false;
		unlock(&chunks[c]);
		if ((c + 1) % 32 == 0)
			guest_printf("to private: %u of %u, %u wrong, %u pages as they were\n", c + 1,
				     CHUNKS, wrong, as_they_were);
	}
	return wrong;
}

int guest_convert(enum snp_size by)
{
	unsigned wrong;

	region = guest_reserve(SIZE);
	guest_cpu_start(1, other_processor);
	/* Page tables are memory, too, and become the guest's: not while they are in use. */
	for (uint64_t at = region; by == SNP_4K && at < region + SIZE; at += GUEST_LARGE_PAGE)
		guest_map(at, at, GUEST_MAP_PRIVATE);
	guest_printf("%lu MiB validated, %u of %u as 2M\n", SIZE >> 20, validate_all(), CHUNKS);
	running = true;
	wrong = share_all(by);
	wrong += unshare_all(by);
	finished = true;
	while (running)
		__asm__ volatile("pause" ::: "memory");
	for (unsigned c = 0; c < CHUNKS; c++)
		wrong += PAGES - count(c, PRIVATE_MARK) + (*word(address(c), 0) != chunks[c].uses);
	guest_printf("meanwhile processor 1 used %s, %lu times wrong\n", uses ? "them" : "nothing",
		     wrong_there);
	return wrong || wrong_there || !uses;
}
