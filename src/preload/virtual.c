/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/virtual.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "preload/front.h"
#include "preload/real.h"

#define KVM_MAJOR	10
#define KVM_MINOR	232
#define FILE_BLOCK	4096

/* 0 and @text (of a parameter) when @p is there. */
static int look(const struct path_place *p, struct abi **abi, const char **text)
{
	int r = front_machine_make(abi);

	if (r)
		return r;
	switch (p->place) {
	case PLACE_KVM:
		return p->as_directory ? -ENOTDIR : 0;
	case PLACE_MODULE:
	case PLACE_PARAMETERS:
		return abi_module_is_loaded(*abi, p->module) ? 0 : -ENOENT;
	case PLACE_PARAMETER:
		*text = abi_param_text(*abi, p->module, p->param);
		if (!*text)
			return -ENOENT;
		return p->as_directory ? -ENOTDIR : 0;
	default:
		return -ENOENT;
	}
}

int virtual_exists(const struct path_place *p)
{
	struct abi *abi;
	const char *text;

	return look(p, &abi, &text);
}

/* A descriptor of @text that can only be read, as a file in sysfs. */
static int text_fd(const char *text, int flags)
{
	int cloexec = flags & O_CLOEXEC, rw, ro;
	size_t n = strlen(text);
	char path[40];

	rw = memfd_create("softcvm-sysfs", MFD_ALLOW_SEALING | (cloexec ? MFD_CLOEXEC : 0));
	if (rw < 0)
		return -errno;
	if (real()->write(rw, text, n) != (ssize_t)n) {
		real()->close(rw);
		return -EIO;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", rw);
	ro = real()->open(path, O_RDONLY | cloexec);
	if (ro < 0) {		/* no /proc: sealed is nearly as good */
		fcntl(rw, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
		lseek(rw, 0, SEEK_SET);
		return rw;
	}
	/* The lowest free number, as open(2) promises. */
	if (real()->dup3(ro, rw, cloexec) < 0) {
		real()->close(rw);
		return ro;
	}
	real()->close(ro);
	return rw;
}

int virtual_open(const struct path_place *p, int flags)
{
	const char *text = NULL;
	struct abi *abi;
	int r = look(p, &abi, &text);

	if (r == -ENOENT && p->place == PLACE_PARAMETER && (flags & O_CREAT))
		return -EACCES;
	if (r)
		return r;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	switch (p->place) {
	case PLACE_KVM:
		return flags & O_DIRECTORY ? -ENOTDIR : abi_open(abi, flags);
	case PLACE_PARAMETER:
		if (flags & O_DIRECTORY)
			return -ENOTDIR;
		return (flags & O_ACCMODE) == O_RDONLY ? text_fd(text, flags) : -EACCES;
	default:	/* a folder has no descriptor here */
		return (flags & O_ACCMODE) == O_RDONLY ? -EACCES : -EISDIR;
	}
}

int virtual_stat(const struct path_place *p, struct stat *st)
{
	const char *text = NULL;
	struct abi *abi;
	int r = look(p, &abi, &text);

	if (r)
		return r;
	*st = (struct stat){ .st_nlink = 1, .st_blksize = FILE_BLOCK, .st_ino = p->place };
	switch (p->place) {
	case PLACE_KVM:
		st->st_mode = S_IFCHR | 0666;
		st->st_rdev = makedev(KVM_MAJOR, KVM_MINOR);
		break;
	case PLACE_PARAMETER:
		st->st_mode = S_IFREG | 0444;
		st->st_size = FILE_BLOCK;
		break;
	default:
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
		break;
	}
	return 0;
}

int virtual_access(const struct path_place *p, int mode, bool effective)
{
	bool is_root = !(effective ? geteuid() : getuid());
	struct stat st;
	int r = virtual_stat(p, &st);

	if (r)
		return r;
	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	if ((mode & X_OK) && !S_ISDIR(st.st_mode))
		return -EACCES;
	if ((mode & W_OK) && !S_ISCHR(st.st_mode) && !is_root)
		return -EACCES;
	return 0;
}
