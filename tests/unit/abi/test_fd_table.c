/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_fd_table.c - descriptors of ours: other names, closes seen and unseen, many, threads. */
#include "an_abi.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "sync/crowd.h"

#define NOT_OURS	-9

static bool is_ours(struct abi *abi, int fd, bool check)
{
	struct abi_file *f = abi_file_get(abi, fd, check);

	abi_file_put(f);
	return f;
}

static int alias(struct abi *abi, int fd, int to)
{
	struct abi_file *f = abi_file_get(abi, fd, true);
	int r;

	assert_non_null(f);
	assert_int_equal(dup2(fd, to), to);
	r = abi_file_alias(abi, f, to);
	abi_file_put(f);
	return r;
}

static void a_duplicate_is_the_same_file(void **unused)
{
	struct abi *abi = an_abi(HW_VENDOR_AMD);
	int fd = abi_open(abi, O_RDWR);
	struct abi_file *a, *b;

	(void)unused;
	assert_true(fd >= 0);
	assert_int_equal(alias(abi, fd, 900), 0);
	a = abi_file_get(abi, fd, true);
	b = abi_file_get(abi, 900, true);
	assert_ptr_equal(a, b);
	abi_file_put(a);
	abi_file_put(b);
	do_close(abi, fd);
	assert_false(is_ours(abi, fd, false));
	assert_int_equal(do_ioctl(abi, 900, KVM_GET_API_VERSION, 0), 12);
	do_close(abi, 900);
	assert_int_equal(do_ioctl(abi, 900, KVM_GET_API_VERSION, 0), NOT_OURS);
	abi_destroy(abi);
}

/* dup2 onto a descriptor of ours: the old file is released, a VM with it. */
static void a_duplicate_replaces_what_was_there(void **unused)
{
	struct abi *abi = an_abi(HW_VENDOR_AMD);
	int dev = abi_open(abi, O_RDWR);
	int vm = (int)do_ioctl(abi, dev, KVM_CREATE_VM, 0);

	(void)unused;
	assert_true(vm >= 0);
	assert_int_equal(do_ioctl(abi, vm, KVM_GET_API_VERSION, 0), -25);
	assert_int_equal(alias(abi, dev, vm), 0);
	assert_int_equal(do_ioctl(abi, vm, KVM_GET_API_VERSION, 0), 12);
	assert_int_equal(alias(abi, dev, dev), 0);		/* onto itself */
	assert_int_equal(do_ioctl(abi, dev, KVM_GET_API_VERSION, 0), 12);
	do_close(abi, vm);
	do_close(abi, dev);
	abi_destroy(abi);
}

static void a_close_behind_our_back_is_found(void **unused)
{
	struct abi *abi = an_abi(HW_VENDOR_INTEL);
	int fd = abi_open(abi, O_RDWR), other = open("/dev/null", O_RDONLY);

	(void)unused;
	close(fd);				/* nobody told the table */
	assert_true(is_ours(abi, fd, false));
	assert_false(is_ours(abi, fd, true));
	assert_false(is_ours(abi, fd, false));	/* and it has gone from there */

	fd = abi_open(abi, O_RDWR);
	assert_int_equal(dup2(other, fd), fd);	/* another file under the number */
	assert_false(is_ours(abi, fd, true));
	close(fd);
	close(other);
	abi_destroy(abi);
}

static void numbers_that_cannot_be(void **unused)
{
	static const int fds[] = { -1, -2147483647 - 1, 2147483647, 4095, 4096, 1 << 20 };
	struct abi *abi = an_abi(HW_VENDOR_AMD);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_false(is_ours(abi, fds[i], true));
		assert_null(abi_file_detach(abi, fds[i]));
	}
	assert_int_equal(abi_highest_fd(abi), -1);
	abi_destroy(abi);
}

static void thousands_at_once(void **unused)
{
	struct abi *abi = an_abi(HW_VENDOR_AMD);
	int dev = abi_open(abi, O_RDWR), nr = 0;
	static int fds[9000];
	struct rlimit lim;

	(void)unused;
	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	while (nr < (int)ARRAY_SIZE(fds)) {
		int fd = dup(dev);
		struct abi_file *f = abi_file_get(abi, dev, false);

		if (fd >= 0)
			assert_int_equal(abi_file_alias(abi, f, fd), 0);
		abi_file_put(f);
		if (fd < 0)
			break;
		fds[nr++] = fd;
	}
	assert_true(nr > 1000);
	assert_int_equal(abi_highest_fd(abi), fds[nr - 1]);
	for (int i = 0; i < nr; i++)
		assert_int_equal(do_ioctl(abi, fds[i], KVM_GET_API_VERSION, 0), 12);
	for (int i = 0; i < nr; i++)
		do_close(abi, fds[i]);
	for (int i = 0; i < nr; i++)
		assert_false(is_ours(abi, fds[i], false));
	do_close(abi, dev);
	abi_destroy(abi);
}

#define ROUNDS	300

/* Opens, uses and closes; sees only its own files or none, whatever others do. */
static void use_descriptors(struct abi *abi)
{
	for (int i = 0; i < ROUNDS; i++) {
		int dev = abi_open(abi, O_RDWR);
		int vm = (int)do_ioctl(abi, dev, KVM_CREATE_VM, 0);

		assert_true(dev >= 0 && vm >= 0);
		assert_int_equal(do_ioctl(abi, vm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY), 1);
		do_close(abi, vm);
		do_close(abi, dev);
	}
}

/* Looks at whatever number there is, and lets go of it. */
static void look_at_descriptors(struct abi *abi)
{
	for (int i = 0; i < 20 * ROUNDS; i++)
		abi_file_put(abi_file_get(abi, 3 + i % 16, false));
}

static void either(void *arg, unsigned who)
{
	if (who & 1)
		look_at_descriptors(arg);
	else
		use_descriptors(arg);
}

static void threads_share_the_table(void **unused)
{
	struct abi *abi = an_abi(HW_VENDOR_AMD);

	(void)unused;
	crowd_run(4, either, abi);
	for (int fd = 0; fd <= abi_highest_fd(abi); fd++)
		assert_false(is_ours(abi, fd, false));
	abi_destroy(abi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_duplicate_is_the_same_file),
		cmocka_unit_test(a_duplicate_replaces_what_was_there),
		cmocka_unit_test(a_close_behind_our_back_is_found),
		cmocka_unit_test(numbers_that_cannot_be),
		cmocka_unit_test(thousands_at_once),
		cmocka_unit_test(threads_share_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
