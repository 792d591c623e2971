/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * name.c - asking about a name: stat, access, readlink and their kin.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "preload/front.h"
#include "preload/name.h"
#include "preload/real.h"
#include "preload/virtual.h"

/* Where a name of ours leads, or false. */
static bool is_ours(int dirfd, const char *path, struct path_place *p)
{
	path_find(dirfd, path, p);
	return p->place != PLACE_KERNEL && p->place != PLACE_DESCRIPTOR;
}

static NOINLINE bool stat_suspect(int dirfd, const char *path, struct stat *st, int *r)
{
	struct path_place p;
	struct front_frame frame;
	struct stat found;

	if (!is_ours(dirfd, path, &p))
		return false;
	front_enter(&frame);
	*r = virtual_stat(&p, &found);
	front_leave(&frame);
	if (!*r)
		*st = found;
	*r = (int)front_answer(*r);
	return true;
}

static inline bool stat_ours(int dirfd, const char *path, void *st, int *r)
{
	_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "one layout");
	return unlikely(dir_is_suspect(dirfd, path)) && stat_suspect(dirfd, path, st, r);
}

#define DEFINE_STAT(name, type)						\
EXPORT int name(const char *path, struct type *st)			\
{									\
	int r;								\
	return stat_ours(AT_FDCWD, path, st, &r) ? r : real()->name(path, st); \
}

#define DEFINE_STATAT(name, type)					\
EXPORT int name(int dirfd, const char *path, struct type *st, int flags) \
{									\
	int r;								\
	if (path && !path[0] && (flags & AT_EMPTY_PATH) && dirfd >= 0)	\
		return fstat(dirfd, (struct stat *)st);			\
	return stat_ours(dirfd, path, st, &r) ? r : real()->name(dirfd, path, st, flags); \
}

#define DEFINE_XSTAT(name, type)					\
EXPORT int name(int version, const char *path, struct type *st);	\
EXPORT int name(int version, const char *path, struct type *st)		\
{									\
	int r;								\
	return stat_ours(AT_FDCWD, path, st, &r) ? r : real()->name(version, path, st); \
}

#define DEFINE_XSTATAT(name, type)					\
EXPORT int name(int version, int dirfd, const char *path, struct type *st, int flags); \
EXPORT int name(int version, int dirfd, const char *path, struct type *st, int flags) \
{									\
	int r;								\
	return stat_ours(dirfd, path, st, &r) ? r			\
		: real()->name(version, dirfd, path, st, flags);	\
}

DEFINE_STAT(stat, stat)
DEFINE_STAT(stat64, stat64)
DEFINE_STAT(lstat, stat)
DEFINE_STAT(lstat64, stat64)
DEFINE_STATAT(fstatat, stat)
DEFINE_STATAT(fstatat64, stat64)
DEFINE_XSTAT(__xstat, stat)
DEFINE_XSTAT(__xstat64, stat64)
DEFINE_XSTAT(__lxstat, stat)
DEFINE_XSTAT(__lxstat64, stat64)
DEFINE_XSTATAT(__fxstatat, stat)
DEFINE_XSTATAT(__fxstatat64, stat64)

static void fill_statx(const struct stat *st, struct statx *x)
{
	*x = (struct statx){
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (uint32_t)st->st_blksize,
		.stx_nlink = (uint32_t)st->st_nlink,
		.stx_uid = st->st_uid,
		.stx_gid = st->st_gid,
		.stx_mode = (uint16_t)st->st_mode,
		.stx_ino = st->st_ino,
		.stx_size = (uint64_t)st->st_size,
		.stx_blocks = (uint64_t)st->st_blocks,
		.stx_rdev_major = major(st->st_rdev),
		.stx_rdev_minor = minor(st->st_rdev),
		.stx_dev_major = major(st->st_dev),
		.stx_dev_minor = minor(st->st_dev),
	};
}

EXPORT int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *out)
{
	struct front_frame frame;
	struct abi_file *file;
	struct stat st;
	int r;

	if (stat_ours(dirfd, path, &st, &r)) {
		if (!r)
			fill_statx(&st, out);
		return r;
	}
	r = real()->statx(dirfd, path, flags, mask, out);
	if (r || dirfd < 0 || !(flags & AT_EMPTY_PATH) || path[0])
		return r;
	front_enter(&frame);
	file = front_file(dirfd);
	abi_file_put(file);
	front_leave(&frame);
	if (!fstat(dirfd, &st) && (file || S_ISDIR(st.st_mode)))
		fill_statx(&st, out);
	return 0;
}

static NOINLINE bool access_suspect(int dirfd, const char *path, int mode, bool effective, int *r)
{
	struct path_place p;
	struct front_frame frame;

	if (!is_ours(dirfd, path, &p))
		return false;
	front_enter(&frame);
	*r = virtual_access(&p, mode, effective);
	front_leave(&frame);
	*r = (int)front_answer(*r);
	return true;
}

static inline bool access_ours(int dirfd, const char *path, int mode, bool effective, int *r)
{
	return unlikely(dir_is_suspect(dirfd, path)) && access_suspect(dirfd, path, mode, effective, r);
}

EXPORT int access(const char *path, int mode)
{
	int r;

	return access_ours(AT_FDCWD, path, mode, false, &r) ? r : real()->access(path, mode);
}

EXPORT int euidaccess(const char *path, int mode)
{
	int r;

	return access_ours(AT_FDCWD, path, mode, true, &r) ? r : real()->euidaccess(path, mode);
}

EXPORT int eaccess(const char *path, int mode)
{
	int r;

	return access_ours(AT_FDCWD, path, mode, true, &r) ? r : real()->eaccess(path, mode);
}

EXPORT int faccessat(int dirfd, const char *path, int mode, int flags)
{
	int r;

	return access_ours(dirfd, path, mode, flags & AT_EACCESS, &r) ? r
		: real()->faccessat(dirfd, path, mode, flags);
}

static NOINLINE bool fails_suspect(int dirfd, const char *path, int if_there, int if_missing)
{
	struct path_place p;
	struct front_frame frame;
	int r;

	if (!is_ours(dirfd, path, &p))
		return false;
	front_enter(&frame);
	r = virtual_exists(&p);
	front_leave(&frame);
	errno = !r ? if_there : r == -ENOENT && if_missing ? if_missing : -r;
	return true;
}

bool name_fails(int dirfd, const char *path, int if_there, int if_missing)
{
	return unlikely(dir_is_suspect(dirfd, path)) &&
	       fails_suspect(dirfd, path, if_there, if_missing);
}

EXPORT ssize_t readlink(const char *path, char *out, size_t size)
{
	return name_fails(AT_FDCWD, path, EINVAL, 0) ? -1 : real()->readlink(path, out, size);
}

EXPORT ssize_t readlinkat(int dirfd, const char *path, char *out, size_t size)
{
	return name_fails(dirfd, path, EINVAL, 0) ? -1 : real()->readlinkat(dirfd, path, out, size);
}

EXPORT ssize_t __readlink_chk(const char *path, char *out, size_t size, size_t room);
EXPORT ssize_t __readlink_chk(const char *path, char *out, size_t size, size_t room)
{
	return name_fails(AT_FDCWD, path, EINVAL, 0) ? -1 : real()->__readlink_chk(path, out, size, room);
}

EXPORT ssize_t __readlinkat_chk(int dirfd, const char *path, char *out, size_t size, size_t room);
EXPORT ssize_t __readlinkat_chk(int dirfd, const char *path, char *out, size_t size, size_t room)
{
	return name_fails(dirfd, path, EINVAL, 0) ? -1
		: real()->__readlinkat_chk(dirfd, path, out, size, room);
}

EXPORT int chdir(const char *path)
{
	return name_fails(AT_FDCWD, path, EACCES, 0) ? -1 : real()->chdir(path);
}

/* The C library looks at every part of the name by itself. */
static NOINLINE bool realpath_suspect(const char *path, char *out, char **r)
{
	struct path_place p;
	struct front_frame frame;
	int err;

	if (!is_ours(AT_FDCWD, path, &p))
		return false;
	front_enter(&frame);
	err = virtual_exists(&p);
	front_leave(&frame);
	*r = NULL;
	if (err)
		front_answer(err);
	else
		*r = out ? strcpy(out, p.text) : strdup(p.text);
	return true;
}

static inline bool realpath_ours(const char *path, char *out, char **r)
{
	return path && unlikely(path_is_suspect(path)) && realpath_suspect(path, out, r);
}

EXPORT char *realpath(const char *path, char *out)
{
	char *r;

	return realpath_ours(path, out, &r) ? r : real()->realpath(path, out);
}

EXPORT char *__realpath_chk(const char *path, char *out, size_t room);
EXPORT char *__realpath_chk(const char *path, char *out, size_t room)
{
	char *r;

	return room >= PATH_MAX && realpath_ours(path, out, &r) ? r
		: real()->__realpath_chk(path, out, room);
}

EXPORT char *canonicalize_file_name(const char *path)
{
	char *r;

	return realpath_ours(path, NULL, &r) ? r : real()->canonicalize_file_name(path);
}
