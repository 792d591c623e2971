/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * memory.c - the guest's pages and its page tables.
 *
 * Tables lie in private memory and are reached at their own addresses; an entry has the
 * encryption bit for what it points to.
 */
#include "guest.h"

#define PTE_PRESENT	0x1ull
#define PTE_WRITE	0x2ull
#define PTE_LARGE	0x80ull
#define PTE_ADDRESS	0x000ffffffffff000ull
#define LARGE_PAGE	0x200000ull
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

/* The end of the RAM in which the image lies. */
static uint64_t pages_end(void)
{
	unsigned n;
	const struct memory_entry *map = memory_map(&n);
	uint64_t image = (uintptr_t)guest_image_end, end;

	for (unsigned i = 0; i < n; i++) {
		end = map[i].gpa + map[i].size;
		if (map[i].type == MEMORY_RAM && image > map[i].gpa && image < end)
			return end < IDENTITY_END ? end : IDENTITY_END;
	}
	return 0;
}

void *guest_page(void)
{
	static uint64_t next;
	void *page;

	if (!next)
		next = ((uintptr_t)guest_image_end + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
	if (next + GUEST_PAGE > pages_end())
		guest_panic("no memory left");
	page = (void *)next;
	next += GUEST_PAGE;
	return memset(page, 0, GUEST_PAGE);
}

static uint64_t address_of(uint64_t entry)
{
	return entry & PTE_ADDRESS & ~guest_c_bit;
}

static void flush_all(void)
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
	flush_all();
}

/* The last level's slot for @va; NULL where a table is missing and @make is not set. */
static uint64_t *slot_of(uint64_t va, bool make)
{
	uint64_t *table = guest_tables;

	for (unsigned shift = 39; shift > 12; shift -= 9) {
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
	return &table[va >> 12 & 511];
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

	guest_flush(page);
	guest_map(va, guest_physical(va), GUEST_MAP_SHARED);
	memset(page, 0, GUEST_PAGE);
}
