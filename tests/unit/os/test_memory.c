/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/page.h"
#include "os/uaccess.h"

static size_t resident_pages(void *p, size_t size)
{
	unsigned char in[64];
	size_t nr = 0;

	assert_true(size / PAGE_SIZE <= sizeof(in));
	assert_int_equal(mincore(p, size, in), 0);
	for (size_t i = 0; i < size / PAGE_SIZE; i++)
		nr += in[i] & 1;
	return nr;
}

static void private_memory_is_aligned_and_zero(void **unused)
{
	static const struct { size_t size, align; } rows[] = {
		{ 1ul << 12, 1ul << 12 }, { 3ul << 12, 1ul << 16 }, { 1ul << 21, 1ul << 21 },
		{ 1ul << 30, 1ul << 30 }, { 1ul << 40, 1ul << 30 },	/* reserved, not committed */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t *p = os_map_private(rows[i].size, rows[i].align);

		assert_non_null(p);
		assert_true(IS_ALIGNED((uintptr_t)p, rows[i].align));
		assert_int_equal(p[0] | p[rows[i].size - 1], 0);
		os_unmap(p, rows[i].size);
	}
	assert_null(os_map_private(1ull << 62, PAGE_SIZE));
	assert_null(os_map_private(~0ull << 12, 1ull << 30));
}

static void discarded_pages_read_as_zero(void **unused)
{
	size_t size = 16 * PAGE_SIZE;
	uint8_t *p = os_map_private(size, PAGE_SIZE);

	assert_int_equal(resident_pages(p, size), 0);
	assert_int_equal(os_populate(p, size / 2), 0);
	assert_int_equal(resident_pages(p, size), 8);
	memset(p, 1, size);
	assert_int_equal(os_populate(p, size), 0);
	assert_int_equal(p[size - 1], 1);
	os_discard(p + PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(resident_pages(p, size), 15);
	assert_int_equal(p[0], 1);
	assert_int_equal(p[PAGE_SIZE], 0);
	assert_int_equal(p[2 * PAGE_SIZE], 1);
	os_unmap(p, size);
	assert_int_equal(os_populate(p, size), -ENOMEM);
}

/* A child finds nothing where the guest's bytes were. */
static void children_do_not_inherit_it(void **unused)
{
	uint8_t *p = os_map_private(PAGE_SIZE, PAGE_SIZE);
	uint8_t byte;
	int status;
	pid_t pid;

	p[0] = 42;
	pid = fork();
	if (!pid)
		_exit(os_uaccess_install() || os_load8(p, &byte));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	os_unmap(p, PAGE_SIZE);
}

static void an_object_is_an_empty_sealed_file(void **unused)
{
	int low = open("/dev/null", O_RDONLY), fd;
	struct stat st;
	char link[64], name[64] = "";

	close(low);
	fd = os_object_fd("kvm-vm", true);
	assert_int_equal(fd, low);		/* the lowest free number, as the kernel */
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	assert_true(readlink(link, name, sizeof(name) - 1) > 0);
	assert_non_null(strstr(name, "kvm-vm"));
	close(fd);
	fd = os_object_fd("kvm-vm", false);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	close(fd);
}

static void shared_memory_has_its_size(void **unused)
{
	int fd = os_shared_memfd("kvm-vcpu", 3 * PAGE_SIZE, true);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 3 * PAGE_SIZE);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_memory_is_aligned_and_zero),
		cmocka_unit_test(discarded_pages_read_as_zero),
		cmocka_unit_test(children_do_not_inherit_it),
		cmocka_unit_test(an_object_is_an_empty_sealed_file),
		cmocka_unit_test(shared_memory_has_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
