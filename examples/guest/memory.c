/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * memory.c - the guest's pages and its page tables.
 *
 * Tables lie in private memory and are reached at their own addresses; an entry has the
 * encryption bit for what it points to.
 */
#include "snp.h"

#define PTE_PRESENT	0x1ull
#define PTE_WRITE	0x2ull
#define PTE_LARGE	0x80ull
#define PTE_ADDRESS	0x000ffffffffff000ull
#define LARGE_PAGE	GUEST_LARGE_PAGE
#define IDENTITY_END	0x100000000ull		/* what start.S mapped */
#define CACHE_LINE	64

extern uint64_t guest_tables[512];		/* start.S: the root */
extern uint64_t guest_start_info;
extern char guest_image_end[];

/* PVH start info, of which we read the memory map. */
struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, command_line, rsdp, memory_map;
	uint32_t nr_memory_map, reserved;
};
struct memory_entry {
	uint64_t gpa, size;
	uint32_t type, reserved;
};
#define START_INFO_MAGIC	0x336ec578u
#define MEMORY_RAM		1

static const struct memory_entry *memory_map(unsigned *n)
{
	const struct start_info *info = (const void *)guest_start_info;

	if (info->magic != START_INFO_MAGIC)
		guest_panic("no start info at 0x%lx", guest_start_info);
	*n = info->nr_memory_map;
	return (const void *)info->memory_map;
}

uint64_t guest_ram_size(void)
{
	unsigned n;
	const struct memory_entry *map = memory_map(&n);
	uint64_t size = 0;

	for (unsigned i = 0; i < n; i++)
		size += map[i].type == MEMORY_RAM ? map[i].size : 0;
	return size;
}

static uint64_t reserved;	/* guest_reserve's lowest; 0: nothing yet */

/* The end of the RAM in which the image lies, and of what is not reserved. */
static uint64_t pages_end(void)
{
	unsigned n;
	const struct memory_entry *map = memory_map(&n);
	uint64_t image = (uintptr_t)guest_image_end, end;

	if (reserved)
		return reserved;
	for (unsigned i = 0; i < n; i++) {
		end = map[i].gpa + map[i].size;
		if (map[i].type == MEMORY_RAM && image > map[i].gpa && image < end)
			return end < IDENTITY_END ? end : IDENTITY_END;
	}
	return 0;
}

/* Whole 2 MiB become the guest's at once: what is validated by 4K can never be 2M again. */
static void validate(uint64_t page)
{
	static uint64_t done;		/* up to here */

	if (page < done)
		return;
	done = page + GUEST_PAGE;
	if (page % LARGE_PAGE == 0 && page + LARGE_PAGE <= pages_end())
		done = page + LARGE_PAGE;
	snp_validate(page, done - page, true);
}

static uint64_t next;		/* page to give away; 0: none was yet */

void *guest_page(void)
{
	void *page;

	if (!next)
		next = ((uintptr_t)guest_image_end + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
	if (next + GUEST_PAGE > pages_end())
		guest_panic("no memory left");
	if (guest_is_snp())
		validate(next);
	page = (void *)next;
	next += GUEST_PAGE;
	return memset(page, 0, GUEST_PAGE);
}

uint64_t guest_reserve(uint64_t size)
{
	uint64_t end = pages_end() & ~(LARGE_PAGE - 1);
	uint64_t first = (next ? next : (uintptr_t)guest_image_end) + LARGE_PAGE;

	if (end < first || end - first < size)
		guest_panic("no %lu MiB left", size >> 20);
	return reserved = end - size;
}

static uint64_t address_of(uint64_t entry)
{
	return entry & PTE_ADDRESS & ~guest_c_bit;
}

void guest_flush_tlb(void)
{
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3) :: "memory");
}

/* The same translations in 4 KiB entries. */
static void split(uint64_t *entry)
{
	uint64_t *table = guest_page(), first = *entry & ~PTE_LARGE;

	for (unsigned i = 0; i < 512; i++)
		table[i] = first + i * GUEST_PAGE;
	*entry = (uintptr_t)table | guest_c_bit | PTE_WRITE | PTE_PRESENT;
	guest_flush_tlb();
}

/* The slot for @va of the level that @last says; NULL where a table is missing and @make is not set. */
static uint64_t *slot_at(uint64_t va, bool make, unsigned last)
{
	uint64_t *table = guest_tables;

	for (unsigned shift = 39; shift > last; shift -= 9) {
		uint64_t *entry = &table[va >> shift & 511];

		if (!(*entry & PTE_PRESENT)) {
			if (!make)
				return NULL;
			*entry = (uintptr_t)guest_page() | guest_c_bit | PTE_WRITE | PTE_PRESENT;
		} else if (*entry & PTE_LARGE) {
			if (!make)
				return entry;
			split(entry);
		}
		table = (uint64_t *)address_of(*entry);
	}
	return &table[va >> last & 511];
}

static uint64_t *slot_of(uint64_t va, bool make)
{
	return slot_at(va, make, 12);
}

/* A table of 4 KiB entries that was there before is lost. */
void guest_map_large(uint64_t va, uint64_t gpa, enum guest_map how)
{
	*slot_at(va, true, 21) = gpa | (how == GUEST_MAP_PRIVATE ? guest_c_bit : 0) | PTE_LARGE |
				 PTE_WRITE | PTE_PRESENT;
	__asm__ volatile("invlpg (%0)" :: "r"(va) : "memory");
}

void guest_map(uint64_t va, uint64_t gpa, enum guest_map how)
{
	*slot_of(va, true) = gpa | (how == GUEST_MAP_PRIVATE ? guest_c_bit : 0) | PTE_WRITE | PTE_PRESENT;
	__asm__ volatile("invlpg (%0)" :: "r"(va) : "memory");
}

void guest_unmap(uint64_t va)
{
	*slot_of(va, true) = 0;
	__asm__ volatile("invlpg (%0)" :: "r"(va) : "memory");
}

uint64_t guest_entry(uint64_t va)
{
	uint64_t *slot = slot_of(va, false);

	return slot && *slot & PTE_PRESENT ? *slot : 0;
}

uint64_t guest_physical(uint64_t va)
{
	uint64_t entry = guest_entry(va);
	uint64_t inside = entry & PTE_LARGE ? LARGE_PAGE - 1 : GUEST_PAGE - 1;

	if (!entry)
		guest_panic("0x%lx is not mapped", va);
	return (address_of(entry) & ~inside) | (va & inside);
}

void guest_flush(const void *page)
{
	__asm__ volatile("mfence" ::: "memory");
	for (unsigned i = 0; i < GUEST_PAGE; i += CACHE_LINE)
		__asm__ volatile("clflush (%0)" :: "r"((uintptr_t)page + i) : "memory");
	__asm__ volatile("mfence" ::: "memory");
}

/* Lines of the private side may still be in a cache: they go first. */
void guest_share(void *page)
{
	uint64_t va = (uintptr_t)page;

	if (guest_is_snp()) {
		snp_share(va, GUEST_PAGE, SNP_4K);
	} else {
		guest_flush(page);
		guest_map(va, guest_physical(va), GUEST_MAP_SHARED);
	}
	memset(page, 0, GUEST_PAGE);
}
