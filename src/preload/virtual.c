/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "abi/abi.h"
#include "preload/virtual.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "abi/params.h"
#include "preload/front.h"
#include "preload/real.h"

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
	case PLACE_SEV:
		if (!abi_has_sev(*abi))
			return -ENOENT;
		return p->as_directory ? -ENOTDIR : 0;
	case PLACE_MODULE:
	case PLACE_PARAMETERS:
		return abi_module_is_loaded(*abi, p->module) ? 0 : -ENOENT;
	case PLACE_PARAMETER:
	case PLACE_SMT:
		*text = p->place == PLACE_SMT ? abi_smt_text(p->param)
					      : abi_param_text(*abi, p->module, p->param);
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

/* A number for each name. */
static ino_t ino_of(const char *folder, const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (const char *at = folder; *at; at++)
		h = (h ^ (uint8_t)*at) * 0x100000001b3ull;
	for (const char *at = name; *at; at++)
		h = (h ^ (uint8_t)*at) * 0x100000001b3ull;
	return (ino_t)(h | 1);
}

static ino_t ino_of_place(const struct path_place *p)
{
	return ino_of(p->place == PLACE_KVM   ? "/dev/kvm"
		      : p->place == PLACE_SEV ? "/dev/sev" : p->text, "");
}

struct listing {
	struct abi		*abi;
	const struct path_place	*p;
	struct dir_entries	*e;
	bool			 failed;
};

static void list_param(const char *module, const char *name, bool settable, void *arg)
{
	struct listing *l = arg;
	char path[256];

	(void)settable;
	if (strcmp(module, l->p->module) || !abi_param_text(l->abi, module, name))
		return;
	snprintf(path, sizeof(path), "/%s", name);
	l->failed |= !dir_add(l->e, name, ino_of(l->p->text, path), DT_REG);
}

int virtual_list(const struct path_place *p, struct dir_entries *e)
{
	struct listing l = { .p = p, .e = e };
	const char *text;
	int r = look(p, &l.abi, &text);

	if (r)
		return r;
	l.failed = !dir_add(e, ".", ino_of_place(p), DT_DIR) || !dir_add(e, "..", 1, DT_DIR);
	if (p->place == PLACE_PARAMETERS)
		abi_param_each(list_param, &l);
	else
		l.failed |= !dir_add(e, "parameters", ino_of(p->text, "/parameters"), DT_DIR);
	return l.failed ? -ENOMEM : 0;
}

int virtual_list_in(const char *path, struct dir_entries *e)
{
	static const char *const modules[] = { "kvm", "kvm_amd", "kvm_intel" };
	struct abi *abi;

	if (!strcmp(path, "/dev") && !dir_add(e, "kvm", ino_of("/dev/kvm", ""), DT_CHR))
		return -ENOMEM;
	if (front_machine_make(&abi))
		return 0;	/* its reason has been printed */
	if (!strcmp(path, "/dev"))
		return !abi_has_sev(abi) || dir_add(e, "sev", ino_of("/dev/sev", ""), DT_CHR)
			       ? 0 : -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++) {
		if (abi_module_is_loaded(abi, modules[i]) &&
		    !dir_add(e, modules[i], ino_of("/sys/module/", modules[i]), DT_DIR))
			return -ENOMEM;
	}
	return 0;
}

bool virtual_hides(const char *path, const char *name)
{
	if (!strcmp(path, "/dev"))
		return !strcmp(name, "kvm") || !strcmp(name, "sev") || !strcmp(name, "sev-guest");
	return !strncmp(name, "kvm", 3);
}

static int open_folder(const struct path_place *p, int flags)
{
	struct dir_entries e = { .bytes = NULL };
	int r = virtual_list(p, &e);

	if (!r)
		r = dir_open(p, &e, flags);
	dir_entries_free(&e);
	return r;
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
	case PLACE_SEV:
		return flags & O_DIRECTORY ? -ENOTDIR : abi_sev_open(abi, flags);
	case PLACE_PARAMETER:
	case PLACE_SMT:
		if (flags & O_DIRECTORY)
			return -ENOTDIR;
		return (flags & O_ACCMODE) == O_RDONLY ? text_fd(text, flags) : -EACCES;
	default:
		return (flags & O_ACCMODE) == O_RDONLY ? open_folder(p, flags) : -EISDIR;
	}
}

int virtual_stat(const struct path_place *p, struct stat *st)
{
	const char *text = NULL;
	struct abi *abi;
	int r = look(p, &abi, &text);

	if (r)
		return r;
	*st = (struct stat){ .st_nlink = 1, .st_blksize = FILE_BLOCK, .st_ino = ino_of_place(p) };
	switch (p->place) {
	case PLACE_KVM:
		st->st_mode = S_IFCHR | 0666;
		st->st_rdev = ABI_KVM_DEV;
		break;
	case PLACE_SEV:
		st->st_mode = S_IFCHR | 0666;
		st->st_rdev = ABI_SEV_DEV;
		break;
	case PLACE_PARAMETER:
	case PLACE_SMT:
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
