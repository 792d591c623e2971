/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * modify.c - changing what a name leads to, and asking about what ours have
 * not: refused, so that a real device of the same name is not changed instead.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include "preload/front.h"
#include "preload/name.h"
#include "preload/real.h"

/* @params and @args of a function that changes what (@dirfd, @path) is: EPERM. */
#define CHANGES(name, params, args, dirfd, path)			\
EXPORT int name params							\
{									\
	return name_fails(dirfd, path, EPERM, 0) ? -1 : real()->name args; \
}

/* One that makes (@dirfd, @path): EEXIST, or EACCES in a folder of ours. */
#define MAKES(name, params, args, dirfd, path)				\
EXPORT int name params							\
{									\
	return name_fails(dirfd, path, EEXIST, EACCES) ? -1 : real()->name args; \
}

/* From one name to another. */
#define MOVES(name, params, args, from_fd, from, to_fd, to, if_there)	\
EXPORT int name params							\
{									\
	return name_fails(from_fd, from, EPERM, 0) ||			\
	       name_fails(to_fd, to, if_there, EACCES) ? -1 : real()->name args; \
}

CHANGES(chmod, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
CHANGES(lchmod, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
CHANGES(fchmodat, (int fd, const char *path, mode_t mode, int flags), (fd, path, mode, flags), fd, path)
CHANGES(chown, (const char *path, uid_t u, gid_t g), (path, u, g), AT_FDCWD, path)
CHANGES(lchown, (const char *path, uid_t u, gid_t g), (path, u, g), AT_FDCWD, path)
CHANGES(fchownat, (int fd, const char *path, uid_t u, gid_t g, int flags), (fd, path, u, g, flags), fd, path)
CHANGES(unlink, (const char *path), (path), AT_FDCWD, path)
CHANGES(unlinkat, (int fd, const char *path, int flags), (fd, path, flags), fd, path)
CHANGES(remove, (const char *path), (path), AT_FDCWD, path)
CHANGES(rmdir, (const char *path), (path), AT_FDCWD, path)
CHANGES(utime, (const char *path, const struct utimbuf *t), (path, t), AT_FDCWD, path)
CHANGES(utimes, (const char *path, const struct timeval t[2]), (path, t), AT_FDCWD, path)
CHANGES(lutimes, (const char *path, const struct timeval t[2]), (path, t), AT_FDCWD, path)
CHANGES(futimesat, (int fd, const char *path, const struct timeval t[2]), (fd, path, t), fd, path)
CHANGES(utimensat, (int fd, const char *path, const struct timespec t[2], int flags),
	(fd, path, t, flags), fd, path)
CHANGES(setxattr, (const char *path, const char *name, const void *value, size_t size, int flags),
	(path, name, value, size, flags), AT_FDCWD, path)
CHANGES(lsetxattr, (const char *path, const char *name, const void *value, size_t size, int flags),
	(path, name, value, size, flags), AT_FDCWD, path)
CHANGES(removexattr, (const char *path, const char *name), (path, name), AT_FDCWD, path)
CHANGES(lremovexattr, (const char *path, const char *name), (path, name), AT_FDCWD, path)
CHANGES(chroot, (const char *path), (path), AT_FDCWD, path)
CHANGES(umount, (const char *path), (path), AT_FDCWD, path)
CHANGES(umount2, (const char *path, int flags), (path, flags), AT_FDCWD, path)
CHANGES(inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask), AT_FDCWD, path)

MAKES(mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
MAKES(mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), fd, path)
MAKES(mkfifo, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path)
MAKES(mkfifoat, (int fd, const char *path, mode_t mode), (fd, path, mode), fd, path)
MAKES(mknod, (const char *path, mode_t mode, dev_t dev), (path, mode, dev), AT_FDCWD, path)
MAKES(mknodat, (int fd, const char *path, mode_t mode, dev_t dev), (fd, path, mode, dev), fd, path)
MAKES(symlink, (const char *to, const char *path), (to, path), AT_FDCWD, path)
MAKES(symlinkat, (const char *to, int fd, const char *path), (to, fd, path), fd, path)
int __xmknod(int version, const char *path, mode_t mode, dev_t *dev);
MAKES(__xmknod, (int version, const char *path, mode_t mode, dev_t *dev),
      (version, path, mode, dev), AT_FDCWD, path)
int __xmknodat(int version, int fd, const char *path, mode_t mode, dev_t *dev);
MAKES(__xmknodat, (int version, int fd, const char *path, mode_t mode, dev_t *dev),
      (version, fd, path, mode, dev), fd, path)

MOVES(rename, (const char *from, const char *to), (from, to), AT_FDCWD, from, AT_FDCWD, to, EPERM)
MOVES(renameat, (int f, const char *from, int t, const char *to), (f, from, t, to), f, from, t, to, EPERM)
MOVES(renameat2, (int f, const char *from, int t, const char *to, unsigned int flags),
      (f, from, t, to, flags), f, from, t, to, EPERM)
MOVES(link, (const char *from, const char *to), (from, to), AT_FDCWD, from, AT_FDCWD, to, EEXIST)
MOVES(linkat, (int f, const char *from, int t, const char *to, int flags), (f, from, t, to, flags),
      f, from, t, to, EEXIST)
MOVES(mount, (const char *from, const char *to, const char *type, unsigned long flags, const void *data),
      (from, to, type, flags, data), AT_FDCWD, from, AT_FDCWD, to, EPERM)

/* -- Asking -- */

#define HAS_NONE(name, params, args, path, err)				\
EXPORT ssize_t name params						\
{									\
	return name_fails(AT_FDCWD, path, err, 0) ? -1 : real()->name args; \
}

HAS_NONE(getxattr, (const char *path, const char *name, void *out, size_t size),
	 (path, name, out, size), path, ENODATA)
HAS_NONE(lgetxattr, (const char *path, const char *name, void *out, size_t size),
	 (path, name, out, size), path, ENODATA)
HAS_NONE(listxattr, (const char *path, char *out, size_t size), (path, out, size), path, EOPNOTSUPP)
HAS_NONE(llistxattr, (const char *path, char *out, size_t size), (path, out, size), path, EOPNOTSUPP)

/* Of the file system that has them. */
#define OF_FILE_SYSTEM(name, type)					\
EXPORT int name(const char *path, struct type *out)			\
{									\
	if (!name_fails(AT_FDCWD, path, 0, 0))				\
		return real()->name(path, out);				\
	return errno ? -1 : real()->name("/sys", out);			\
}

OF_FILE_SYSTEM(statfs, statfs)
OF_FILE_SYSTEM(statfs64, statfs64)
OF_FILE_SYSTEM(statvfs, statvfs)
OF_FILE_SYSTEM(statvfs64, statvfs64)
