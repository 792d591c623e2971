/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the kernel says of mappings, for each way in which a page can come to be there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/pages.h"

#define HUGE	PG_LEVEL_SIZE(PG_LEVEL_2M)
#define PRIVATE	(MAP_PRIVATE | MAP_ANONYMOUS)

/* Two of them, aligned; what is around them is not mapped. */
static char *at;

static void map(int prot, int flags, int fd)
{
	assert_true(mmap(at, 2 * HUGE, prot, flags | MAP_FIXED, fd, 0) == at);
	/* Some hosts give huge pages to who has not asked. */
	(void)madvise(at, 2 * HUGE, MADV_NOHUGEPAGE);
}

static int memory_file(unsigned flags)
{
	int fd = memfd_create("pages", flags);

	if (fd >= 0)
		assert_int_equal(ftruncate(fd, 2 * HUGE), 0);
	return fd;
}

/* Pages 0 to 9, as '0', or 'w': a write finds the page ready. */
static const char *ready(const struct os_pages *p)
{
	static char text[11];

	for (unsigned i = 0; i < 10; i++)
		text[i] = p->writable[0] >> i & 1 ? 'w' : '.';
	return text;
}

static struct os_pages ask(void)
{
	struct os_pages p;

	os_pages_ask(at + 3 * PAGE_SIZE, &p);
	return p;
}

static void nothing(void)	{ map(PROT_READ | PROT_WRITE, PRIVATE, -1); }
static void unmapped(void)	{ munmap(at, 2 * HUGE); }

static void read_and_written(void)
{
	nothing();
	for (int i = 0; i < 4; i++)
		(void)*(volatile char *)(at + i * PAGE_SIZE);
	at[PAGE_SIZE] = at[9 * PAGE_SIZE] = 1;
}

static void read_only(void)
{
	read_and_written();
	assert_int_equal(mprotect(at, 2 * HUGE, PROT_READ), 0);
}

/* Of two mappings in one 2 MiB the one that was asked about. */
static void partly_read_only(void)
{
	read_and_written();
	assert_int_equal(mprotect(at + 8 * PAGE_SIZE, PAGE_SIZE * 8, PROT_READ), 0);
}

static void shared_file(void)
{
	int fd = memory_file(0);

	map(PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	at[0] = 1;
	(void)*(volatile char *)(at + 2 * PAGE_SIZE);
	close(fd);
}

static void private_file(void)
{
	int fd = memory_file(0);

	map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	at[0] = 1;
	(void)*(volatile char *)(at + 2 * PAGE_SIZE);
	close(fd);
}

static const struct row {
	const char *why;
	void (*make)(void);
	const char *ready;
} rows[] = {
	{ "nothing has been touched",		 nothing,	   ".........." },
	{ "no mapping at all",			 unmapped,	   ".........." },
	{ "pages of zeros, and some written",	 read_and_written, ".w.......w" },
	{ "the same, read-only",		 read_only,	   ".........." },
	{ "another mapping behind it",		 partly_read_only, ".w........" },
	{ "a shared file",			 shared_file,	   "w.w......." },
	{ "a private mapping of a file",	 private_file,	   "w........." },
};

static bool kernel_can_tell(void)
{
	read_and_written();
	return ask().writable[0] & 2;
}

static void pages_that_a_write_finds_ready(void **unused)
{
	bool can_tell = kernel_can_tell();

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct os_pages p;

		munmap(at, 2 * HUGE);
		r->make();
		p = ask();
		if (strcmp(ready(&p), can_tell ? r->ready : ".........."))
			fail_msg("%s: %s, not %s", r->why, ready(&p), r->ready);
		assert_int_equal(p.level, PG_LEVEL_4K);
		assert_false(p.is_zero);
	}
}

/* True when the kernel has given a transparent huge page (it need not). */
static bool get_huge(void)
{
	nothing();
	return !madvise(at, 2 * HUGE, MADV_HUGEPAGE) && (at[5] = 1, ask().level == PG_LEVEL_2M);
}

static void huge_pages_until_they_are_broken_up(void **unused)
{
	struct os_pages p;

	(void)unused;
	if (!get_huge()) {
		print_message("the kernel gives no transparent huge page, or does not say so\n");
		skip();
	}
	p = ask();
	for (unsigned i = 0; i < OS_PAGES / 64; i++)
		assert_int_equal(p.writable[i], ~0ull);
	/* Of a huge mapping a part is protected. */
	assert_int_equal(mprotect(at + 5 * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	p = ask();
	assert_int_equal(p.level, PG_LEVEL_4K);
	assert_string_equal(ready(&p), "wwwww.....");

	/* Read-only, and nobody may write: it is as large as it is. */
	if (!get_huge())
		skip();
	assert_int_equal(mprotect(at, 2 * HUGE, PROT_READ), 0);
	p = ask();
	assert_int_equal(p.level, PG_LEVEL_2M);
	assert_int_equal(p.writable[0], 0);
}

/* The kernel's huge page of zeros is not what the first write will find. */
static void a_huge_page_of_zeros_is_none(void **unused)
{
	struct os_pages p;

	(void)unused;
	if (!get_huge())
		skip();
	munmap(at, 2 * HUGE);
	nothing();
	assert_int_equal(madvise(at, 2 * HUGE, MADV_HUGEPAGE), 0);
	(void)*(volatile char *)at;
	p = ask();
	assert_int_equal(p.level, PG_LEVEL_4K);
	assert_int_equal(p.writable[0], 0);
	if (!p.is_zero)
		print_message("the kernel does without the huge page of zeros\n");
	/* What is written is one, if there is one just now. */
	at[0] = 1;
	if (ask().level != PG_LEVEL_2M)
		assert_true(get_huge());
}

static void explicit_huge_pages(void **unused)
{
	int fd = memory_file(MFD_HUGETLB);

	(void)unused;
	if (fd < 0 || mmap(at, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
	    at) {
		print_message("the host has no huge pages (vm.nr_hugepages)\n");
		if (fd >= 0)
			close(fd);
		skip();
	}
	at[0] = 1;
	assert_int_equal(ask().level, PG_LEVEL_2M);
	close(fd);
}

static int find_room(void **unused)
{
	char *room = mmap(NULL, 4 * HUGE, PROT_NONE, PRIVATE, -1, 0);

	(void)unused;
	if (room == MAP_FAILED)
		return -1;
	munmap(room, 4 * HUGE);
	at = (char *)(((uintptr_t)room + HUGE) & ~(HUGE - 1));
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(pages_that_a_write_finds_ready, find_room),
		cmocka_unit_test_setup(huge_pages_until_they_are_broken_up, find_room),
		cmocka_unit_test_setup(a_huge_page_of_zeros_is_none, find_room),
		cmocka_unit_test_setup(explicit_huge_pages, find_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
