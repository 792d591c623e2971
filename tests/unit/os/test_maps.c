/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_maps.c - the mapping of an address is the one that the list of all has.
 */
#include "os/maps.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/page.h"

#define SIZE	(4 * PAGE_SIZE)

static bool compare(const struct os_mapping *m, void *arg)
{
	unsigned *n = arg;
	struct os_mapping one;

	assert_int_equal(os_mapping_of((void *)(uintptr_t)(m->end - 1), &one), 0);
	assert_int_equal(one.start, m->start);
	assert_int_equal(one.end, m->end);
	assert_int_equal(one.offset, m->offset);
	assert_int_equal(one.dev, m->dev);
	assert_int_equal(one.ino, m->ino);
	assert_int_equal(one.is_shared, m->is_shared);
	assert_int_equal(one.rights, m->rights);
	assert_int_equal(one.is_writable, m->is_writable);
	++*n;
	return true;
}

static void an_address_has_the_mapping_of_the_list(void **unused)
{
	static const int rights[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	int fd = memfd_create("maps", 0);
	uint8_t *p[2 * ARRAY_SIZE(rights)];
	unsigned n = 0;

	(void)unused;
	assert_int_equal(ftruncate(fd, 2 * SIZE), 0);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = mmap(NULL, SIZE, rights[i / 2], i % 2 ? MAP_SHARED : MAP_PRIVATE, fd,
			    (off_t)PAGE_SIZE);
		assert_ptr_not_equal(p[i], MAP_FAILED);
	}
	assert_int_equal(os_for_each_mapping(compare, &n), 0);
	assert_true(n >= ARRAY_SIZE(p));
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		munmap(p[i], SIZE);
	close(fd);
}

static void anonymous_memory_and_holes_are_told(void **unused)
{
	uint8_t *p = mmap(NULL, 3 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct os_mapping m;

	(void)unused;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(munmap(p + SIZE, SIZE), 0);
	assert_int_equal(os_mapping_of(p + SIZE, &m), -ENOENT);
	assert_int_equal(os_mapping_of(p + SIZE - 1, &m), 0);
	assert_int_equal(m.end, (uintptr_t)p + SIZE);
	assert_int_equal(m.ino, 0);
	assert_false(m.is_shared);
	assert_true(m.rights && m.is_writable);
	munmap(p, SIZE);
	munmap(p + 2 * SIZE, SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_the_mapping_of_the_list),
		cmocka_unit_test(anonymous_memory_and_holes_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
