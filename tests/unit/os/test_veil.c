/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_veil.c - pages that are open, frozen and hidden: private, shared, and a
 * file that is mapped twice; by userfaults and by protection, as root and as nobody.
 */
#include "os/veil.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/page.h"
#include "os/uaccess.h"

#define PAGES	4u
#define SIZE	(PAGES * PAGE_SIZE)
#define NOBODY	65534

static bool may_fault;

static bool can_load(const uint8_t *p)
{
	uint8_t byte;

	return os_load8(p, &byte);
}

static bool can_store(uint8_t *p)
{
	return os_prefault(p, true);
}

#define IS(p, load, store)					\
	do {							\
		assert_int_equal(can_load(p), load);		\
		assert_int_equal(can_store(p), store);		\
	} while (0)
#define IS_OPEN(p)	IS(p, true, true)
#define IS_FROZEN(p)	IS(p, true, false)
#define IS_HIDDEN(p)	IS(p, false, false)

static enum veil_way watch(struct veil *v, uint8_t *p)
{
	size_t size = SIZE;
	enum veil_way way;

	assert_int_equal(veil_watch(v, p, &size, &way), VEIL_OK);
	assert_int_equal(size, SIZE);
	return way;
}

static bool are(const uint8_t *p, size_t size, uint8_t byte)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != byte)
			return false;
	return true;
}

/* The life of a page at @p, that @other shows, too (or is the same). */
static void walk(struct veil *v, uint8_t *p, uint8_t *other)
{
	uint8_t *page = p + PAGE_SIZE, *page2 = other + PAGE_SIZE, bytes[PAGE_SIZE], seen[PAGE_SIZE];
	enum veil_way way;
	size_t done;

	memset(p, 1, SIZE);
	memset(bytes, 2, PAGE_SIZE);
	way = watch(v, p);
	assert_int_equal(way, may_fault ? VEIL_FAULT : VEIL_PROTECT);
	IS_OPEN(page);
	IS_OPEN(page2);
	assert_true(veil_freeze(v, page, PAGE_SIZE, way));
	IS_FROZEN(page);
	IS_FROZEN(page2);
	assert_false(veil_is_open(v, page, true));
	assert_true(veil_is_open(v, page, false));
	veil_hide(v, page, PAGE_SIZE, way);
	IS_HIDDEN(page);
	IS_HIDDEN(page2);
	assert_false(veil_read(v, seen, page, PAGE_SIZE) && way == VEIL_FAULT);
	assert_int_equal(veil_fill(v, page, bytes, PAGE_SIZE, way, &done), VEIL_OK);
	assert_int_equal(done, PAGE_SIZE);
	assert_false(can_store(page));
	assert_true(are(page, PAGE_SIZE, 2));
	assert_true(are(page2, PAGE_SIZE, 2));
	veil_thaw(v, page, PAGE_SIZE, way);
	IS_OPEN(page);
	IS_OPEN(page2);
	/* Neighbours know nothing of it. */
	assert_true(are(p, PAGE_SIZE, 1));
	assert_true(are(page + PAGE_SIZE, SIZE - 2 * PAGE_SIZE, 1));
	IS_OPEN(p);
	IS_OPEN(page + PAGE_SIZE);
}

static struct veil *a_veil(void)
{
	struct veil *v = veil_create(may_fault);

	assert_non_null(v);
	assert_int_equal(os_uaccess_install(), 0);
	return v;
}

static uint8_t *map(int flags, int fd)
{
	uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void anonymous_memory(void **unused)
{
	static const int flags[] = { MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct veil *v = a_veil();
		uint8_t *p = map(flags[i], -1);

		walk(v, p, p);
		walk(v, p, p);
		munmap(p, SIZE);
		veil_destroy(v);
	}
}

static void a_file_that_is_mapped_twice(void **unused)
{
	struct veil *v = a_veil();
	int fd = memfd_create("twice", 0);
	uint8_t *p, *q, *late;
	size_t iter = 0;

	(void)unused;
	assert_int_equal(ftruncate(fd, SIZE), 0);
	p = map(MAP_SHARED, fd);
	q = map(MAP_SHARED, fd);
	walk(v, p, q);
	walk(v, q, p);
	assert_ptr_equal(veil_next_alias(v, p + 5, &iter), q + 5);
	assert_null(veil_next_alias(v, p + 5, &iter));
	assert_true(veil_has_aliases(v, q, 1));
	late = map(MAP_SHARED, fd);
	veil_mapped(v, late, SIZE);
	walk(v, p, late);
	munmap(p, SIZE);
	munmap(q, SIZE);
	munmap(late, SIZE);
	close(fd);
	veil_destroy(v);
}

static size_t heap(void)
{
	return mallinfo2().uordblks;
}

/* A file that comes and goes, each time somewhere else: old lists of mappings are not kept. */
static void files_that_have_gone_leave_nothing(void **unused)
{
	struct veil *v = a_veil();
	size_t before = 0;

	(void)unused;
	for (unsigned i = 0; i < 100; i++) {
		int fd = memfd_create("gone", 0);
		uint8_t *p, *q;

		assert_int_equal(ftruncate(fd, SIZE), 0);
		p = map(MAP_SHARED, fd);
		q = map(MAP_SHARED, fd);
		(void)watch(v, p);
		munmap(p, SIZE);
		munmap(q, SIZE);
		close(fd);
		if (i == 50)
			before = heap();
	}
	assert_in_range(heap(), 0, before + PAGE_SIZE);
	veil_destroy(v);
}

static void a_private_mapping_of_a_file_goes_by_protection(void **unused)
{
	struct veil *v = a_veil();
	int fd = memfd_create("private", 0);
	bool was = may_fault;
	uint8_t *p;

	(void)unused;
	assert_int_equal(ftruncate(fd, SIZE), 0);
	p = map(MAP_PRIVATE, fd);
	may_fault = false;
	walk(v, p, p);
	may_fault = was;
	munmap(p, SIZE);
	close(fd);
	veil_destroy(v);
}

static void what_was_given_back_is_zero(void **unused)
{
	struct veil *v = a_veil();
	uint8_t *p = map(MAP_PRIVATE | MAP_ANONYMOUS, -1), *at, from[PAGE_SIZE];
	enum veil_way way;
	size_t done;

	(void)unused;
	way = watch(v, p);
	IS_OPEN(p);
	assert_int_equal(madvise(p, PAGE_SIZE, MADV_DONTNEED), 0);
	if (way == VEIL_FAULT) {
		IS_HIDDEN(p);
		assert_true(veil_zero(v, p + 123));
	}
	IS_OPEN(p);
	assert_false(veil_zero(v, p));
	assert_true(are(p, PAGE_SIZE, 0));

	at = veil_reserve(v, 1 << 21, 1 << 21, &way);
	assert_non_null(at);
	IS_HIDDEN(at);
	memset(from, 8, sizeof(from));
	assert_int_equal(veil_fill(v, at, from, PAGE_SIZE, way, &done), VEIL_OK);
	veil_thaw(v, at, PAGE_SIZE, way);
	IS_OPEN(at);
	IS_HIDDEN(at + PAGE_SIZE);
	if (way == VEIL_FAULT)
		assert_int_equal(veil_fill(v, at, from, PAGE_SIZE, way, &done), VEIL_EXISTS);
	assert_true(veil_write(v, at, "x", 1));
	assert_true(veil_read(v, from, at, 1));
	assert_int_equal(from[0], 'x');
	munmap(at, 1 << 21);
	munmap(p, SIZE);
	assert_false(veil_read(v, from, p, 1));
	assert_int_equal(veil_watch(v, p, &(size_t){ SIZE }, &way), VEIL_FAILED);
	veil_destroy(v);
}

/* Where the kernel can (Linux 6.8), and all or nothing of a page in any case. */
static void pages_that_move(void **unused)
{
	struct veil *v = a_veil();
	uint8_t *p = map(MAP_PRIVATE | MAP_ANONYMOUS, -1), *to, byte = 0;
	enum veil_way way;
	size_t moved;

	(void)unused;
	memset(p, 7, SIZE);
	p[PAGE_SIZE] = 8;
	assert_false(veil_is_watched(v, p, SIZE));
	way = watch(v, p);
	assert_int_equal(veil_is_watched(v, p, SIZE), way == VEIL_FAULT);
	to = veil_reserve(v, 1 << 21, 1 << 21, &way);
	assert_non_null(to);
	moved = veil_move(v, to, p, 2 * PAGE_SIZE);
	assert_true(!moved || (moved == 2 * PAGE_SIZE && may_fault));
	for (size_t at = 0; at < SIZE; at += PAGE_SIZE) {
		if (at >= moved) {
			assert_true(are(p + at + 1, PAGE_SIZE - 1, 7));
			IS_OPEN(p + at);
			IS_HIDDEN(to + at);
		} else {
			assert_true(are(to + at + 1, PAGE_SIZE - 1, 7));
			IS_OPEN(to + at);
			IS_HIDDEN(p + at);
		}
	}
	assert_true(veil_read(v, &byte, moved ? to + PAGE_SIZE : p + PAGE_SIZE, 1));
	assert_int_equal(byte, 8);
	/* What is not there cannot go, and what is there is not replaced. */
	assert_int_equal(veil_move(v, to, p, moved), 0);
	assert_int_equal(veil_move(v, to, p + 2 * PAGE_SIZE, moved), 0);
	assert_true(are(p + 2 * PAGE_SIZE, 2 * PAGE_SIZE, 7));
	munmap(to, 1 << 21);
	munmap(p, SIZE);
	assert_false(veil_is_watched(v, p, SIZE));
	veil_destroy(v);
}

static void a_forked_child_is_not_here(void **unused)
{
	struct veil *v = a_veil();
	int status;
	pid_t child;

	(void)unused;
	assert_true(veil_is_here(v));
	child = fork();
	if (!child)
		_exit(veil_is_here(v) ? 1 : 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	veil_destroy(v);
}

static int by_fault(void **unused)
{
	may_fault = true;
	return 0;
}

static int by_protection(void **unused)
{
	may_fault = false;
	return 0;
}

#define BOTH(test)								\
	{ #test, test, by_fault, NULL, NULL },					\
	{ #test " (by protection)", test, by_protection, NULL, NULL }

static int run(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(anonymous_memory),
		BOTH(a_file_that_is_mapped_twice),
		BOTH(files_that_have_gone_leave_nothing),
		BOTH(a_private_mapping_of_a_file_goes_by_protection),
		BOTH(what_was_given_back_is_zero),
		BOTH(pages_that_move),
		BOTH(a_forked_child_is_not_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* No privilege is needed: a second time without one. */
int main(void)
{
	int failed = run();

	if (!failed && !geteuid() && !setgid(NOBODY) && !setuid(NOBODY)) {
		print_message("as nobody\n");
		failed = run();
	}
	return failed;
}
