/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "abi/abi.h"
#include "preload/front.h"
#include "preload/real.h"

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

enum kvm_descriptor descriptor_kind(int fd)
{
	char link[40], name[64];
	struct stat st;
	ssize_t n;

	if (real()->fstat(fd, &st))
		return DESCRIPTOR_OTHER;
	if (S_ISCHR(st.st_mode))
		return st.st_rdev == ABI_KVM_DEV ? DESCRIPTOR_SYSTEM : DESCRIPTOR_OTHER;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = real()->readlink(link, name, sizeof(name) - 1);
	name[MAX(n, 0)] = '\0';
	if (begins(name, "/memfd:kvm "))	/* "(deleted)" follows */
		return DESCRIPTOR_SYSTEM;
	return begins(name, "/memfd:kvm-") || begins(name, "anon_inode:kvm-") ? DESCRIPTOR_VM
									   : DESCRIPTOR_OTHER;
}

int descriptor_adopt(struct abi *abi, int fd)
{
	int flags = real()->fcntl(fd, F_GETFL), cloexec = real()->fcntl(fd, F_GETFD) & FD_CLOEXEC;
	struct front_frame frame;
	struct abi_file *file;
	int r, again;

	front_enter(&frame);
	again = abi_open(abi, (flags & O_ACCMODE) | O_CLOEXEC);
	r = again;
	if (again >= 0) {
		file = abi_file_get(abi, again, true);
		r = real()->dup3(again, fd, cloexec ? O_CLOEXEC : 0) < 0 ? -errno : 0;
		if (!r)
			r = abi_file_alias(abi, file, fd);
		abi_file_put(file);
		abi_file_put(abi_file_detach(abi, again));
		real()->close(again);
	}
	front_leave(&frame);
	return r;
}
