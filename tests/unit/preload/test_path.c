/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_path.c - however a name is written, it is ours or it is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/uaccess.h"
#include "preload/path.h"

static enum place place_of(int dirfd, const char *path, struct path_place *p)
{
	if (!path_is_suspect(path))
		return PLACE_KERNEL;
	path_find(dirfd, path, p);
	return p->place;
}

static void normalised(void **unused)
{
	static const struct { const char *path, *want; } rows[] = {
		{ "/", "/" }, { "//", "/" }, { "/..", "/" }, { "/a/../..", "/" },
		{ "/dev//kvm", "/dev/kvm" }, { "/dev/./kvm/", "/dev/kvm" },
		{ "/dev/../dev/kvm", "/dev/kvm" }, { "///x/../dev/a/b/../../kvm", "/dev/kvm" },
		{ "/dev/...", "/dev/..." }, { "/dev/.kvm", "/dev/.kvm" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char path[64];

		strcpy(path, rows[i].path);
		path_normalise(path);
		assert_string_equal(path, rows[i].want);
	}
}

static void absolute_names(void **unused)
{
	static const struct { const char *path; enum place want; } rows[] = {
		{ "/dev/kvm", PLACE_KVM },
		{ "//dev/./kvm", PLACE_KVM },
		{ "/dev/../dev/kvm", PLACE_KVM },
		{ "/proc/self/root/dev/kvm", PLACE_KVM },
		{ "/proc/thread-self/root/proc/self/root/dev/kvm", PLACE_KVM },
		{ "/dev/char/10:232", PLACE_KVM },
		{ "/dev/sev", PLACE_SEV },
		{ "/dev/./char/10:124", PLACE_SEV },
		{ "/dev/sev-guest", PLACE_ABSENT },
		{ "/sys/class/misc/kvm/dev", PLACE_ABSENT },
		{ "/sys/devices/virtual/misc/kvm", PLACE_ABSENT },
		{ "/sys/module/kvm", PLACE_MODULE },
		{ "/sys/module/kvm_intel/", PLACE_MODULE },
		{ "/sys/module/kvm/parameters", PLACE_PARAMETERS },
		{ "/sys/module/kvm/parameters/tdp_mmu", PLACE_PARAMETER },
		{ "/sys/module/kvm_amd/./parameters/../parameters/sev", PLACE_PARAMETER },
		{ "/sys/module/kvm/parameters/a/b", PLACE_ABSENT },
		{ "/sys/module/kvm/refcnt", PLACE_ABSENT },
		{ "/sys/module/kvmgt", PLACE_MODULE },
		{ "/sys/devices/system/cpu/smt/control", PLACE_SMT },
		{ "/sys/devices/system/cpu/./smt//active", PLACE_SMT },
		{ "/sys/devices/system/cpu/smt", PLACE_KERNEL },
		{ "/sys/devices/system/cpu/smt/", PLACE_KERNEL },
		{ "/sys/devices/system/cpu/smt/controls", PLACE_KERNEL },
		{ "/sys/devices/system/cpu/online", PLACE_KERNEL },
		{ "/proc/self/fd/5", PLACE_DESCRIPTOR },
		{ "/dev/fd/5", PLACE_DESCRIPTOR },
		{ "/dev/null", PLACE_KERNEL },
		{ "/dev/kvmfr0", PLACE_KERNEL },
		{ "/dev/seven", PLACE_KERNEL },
		{ "/dev/several/kvm", PLACE_KERNEL },
		{ "/sys/module/kernel/kvm", PLACE_KERNEL },
		{ "/usr/share/kvm/bios", PLACE_KERNEL },
		{ "", PLACE_KERNEL },
		{ "/", PLACE_KERNEL },
	};
	static struct path_place p;

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum place got = place_of(AT_FDCWD, rows[i].path, &p);

		if (got != rows[i].want)
			print_error("%s\n", rows[i].path);
		assert_int_equal(got, rows[i].want);
	}
	place_of(AT_FDCWD, "/sys//module/kvm/parameters/tdp_mmu", &p);
	assert_string_equal(p.module, "kvm");
	assert_string_equal(p.param, "tdp_mmu");
	assert_string_equal(p.text, "/sys/module/kvm/parameters/tdp_mmu");
	place_of(AT_FDCWD, "/dev/fd/7", &p);
	assert_int_equal(p.fd, 7);
}

static void relative_names(void **unused)
{
	static struct path_place p;
	char link[] = "/tmp/softcvm-test-XXXXXX", text[80];
	int dev = open("/dev", O_RDONLY | O_DIRECTORY);
	int cwd = open(".", O_RDONLY | O_DIRECTORY);

	(void)unused;
	assert_true(dev >= 0 && cwd >= 0);
	assert_int_equal(place_of(dev, "kvm", &p), PLACE_KVM);
	assert_int_equal(place_of(dev, "../dev/kvm", &p), PLACE_KVM);
	assert_int_equal(place_of(dev, "null", &p), PLACE_KERNEL);
	assert_int_equal(place_of(AT_FDCWD, "kvm", &p), PLACE_KERNEL);
	assert_int_equal(place_of(999, "kvm", &p), PLACE_KERNEL);
	snprintf(text, sizeof(text), "/proc/self/fd/%d/kvm", dev);
	assert_int_equal(place_of(AT_FDCWD, text, &p), PLACE_KVM);
	assert_int_equal(chdir("/dev"), 0);
	assert_int_equal(place_of(AT_FDCWD, "./kvm", &p), PLACE_KVM);
	assert_int_equal(place_of(AT_FDCWD, "/proc/self/cwd/kvm", &p), PLACE_KVM);
	assert_int_equal(fchdir(cwd), 0);
	/* A folder by another name. */
	assert_non_null(mkdtemp(link));
	snprintf(text, sizeof(text), "%s/d", link);
	assert_int_equal(symlink("/dev", text), 0);
	snprintf(text, sizeof(text), "%s/d/kvm", link);
	assert_int_equal(place_of(AT_FDCWD, text, &p), PLACE_KVM);
	snprintf(text, sizeof(text), "%s/d", link);
	unlink(text);
	rmdir(link);
	close(dev);
	close(cwd);
}

static void bad_pointers(void **unused)
{
	char *longest = malloc(8192);

	(void)unused;
	assert_int_equal(os_uaccess_install(), 0);
	assert_false(path_is_suspect(NULL));
	assert_false(path_is_suspect((const char *)8));
	memset(longest, 'k', 8191);
	longest[8191] = '\0';
	memcpy(longest, "/dev/kvm/", 9);
	assert_false(path_is_suspect(longest));	/* ENAMETOOLONG is the kernel's to say */
	free(longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normalised),
		cmocka_unit_test(absolute_names),
		cmocka_unit_test(relative_names),
		cmocka_unit_test(bad_pointers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
