/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * open.c - open(2) and its kin: names of ours never reach the kernel.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "abi/abi.h"
#include "os/uaccess.h"
#include "preload/front.h"
#include "preload/name.h"
#include "preload/real.h"
#include "preload/virtual.h"

/*
 * True when (@dirfd, @path) is ours; *@r is then what open(2) says.  A name of
 * one of our descriptors opens nothing: KVM's files have no open method.
 */
static NOINLINE bool open_suspect(int dirfd, const char *path, int flags, int *r)
{
	struct path_place p;
	struct front_frame frame;
	struct abi_file *file;
	bool ours = true;

	front_enter(&frame);
	path_find(dirfd, path, &p);
	if (p.place == PLACE_DESCRIPTOR) {
		file = front_file(p.fd);
		ours = file;
		*r = -ENXIO;
		abi_file_put(file);
	} else if (p.place == PLACE_KERNEL) {
		ours = false;
	} else {
		*r = virtual_open(&p, flags);
	}
	front_leave(&frame);
	if (ours)
		*r = (int)front_answer(*r);
	return ours;
}

static inline bool is_ours(int dirfd, const char *path, int flags, int *r)
{
	return unlikely(dir_is_suspect(dirfd, path)) && open_suspect(dirfd, path, flags, r);
}

static bool is_real_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == ABI_KVM_DEV;
}

/* A link of any name may lead to a machine's own device: it is never handed out. */
static int opened(int fd, int flags)
{
	struct front_frame frame;
	struct stat st;
	struct abi *abi;
	int r;

	if (fd < 0 || (flags & O_PATH) || real()->fstat(fd, &st) ||
	    likely(!is_real_device(&st)))
		return fd;
	real()->close(fd);
	front_enter(&frame);
	r = front_machine_make(&abi);
	if (!r)
		r = abi_open(abi, flags);
	front_leave(&frame);
	return (int)front_answer(r);
}

#define TAKE_MODE(last)							\
	mode_t mode = 0;						\
	if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {		\
		va_list ap;						\
		va_start(ap, last);					\
		mode = va_arg(ap, mode_t);				\
		va_end(ap);						\
	}

#define DEFINE_OPEN(name)						\
int name(const char *path, int flags, ...);				\
EXPORT int name(const char *path, int flags, ...)			\
{									\
	int r;								\
	TAKE_MODE(flags)						\
	if (is_ours(AT_FDCWD, path, flags, &r))				\
		return r;						\
	return opened(real()->name(path, flags, mode), flags);		\
}

#define DEFINE_OPENAT(name)						\
EXPORT int name(int dirfd, const char *path, int flags, ...)		\
{									\
	int r;								\
	TAKE_MODE(flags)						\
	if (is_ours(dirfd, path, flags, &r))				\
		return r;						\
	return opened(real()->name(dirfd, path, flags, mode), flags);	\
}

/* The fortified forms: without O_CREAT, or the real one ends the program. */
#define DEFINE_OPEN_2(name)						\
EXPORT int name(const char *path, int flags);				\
EXPORT int name(const char *path, int flags)				\
{									\
	int r;								\
	if (is_ours(AT_FDCWD, path, flags, &r))				\
		return r;						\
	return opened(real()->name(path, flags), flags);		\
}

#define DEFINE_OPENAT_2(name)						\
EXPORT int name(int dirfd, const char *path, int flags);		\
EXPORT int name(int dirfd, const char *path, int flags)			\
{									\
	int r;								\
	if (is_ours(dirfd, path, flags, &r))				\
		return r;						\
	return opened(real()->name(dirfd, path, flags), flags);		\
}

#define DEFINE_CREAT(name)						\
EXPORT int name(const char *path, mode_t mode)				\
{									\
	int flags = O_CREAT | O_WRONLY | O_TRUNC, r;			\
	if (is_ours(AT_FDCWD, path, flags, &r))				\
		return r;						\
	return opened(real()->name(path, mode), flags);			\
}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPEN(__open)
DEFINE_OPEN(__open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)
DEFINE_OPEN_2(__open_2)
DEFINE_OPEN_2(__open64_2)
DEFINE_OPENAT_2(__openat_2)
DEFINE_OPENAT_2(__openat64_2)
DEFINE_CREAT(creat)
DEFINE_CREAT(creat64)

int front_openat2(int dirfd, const char *path, const struct open_how *how, size_t size)
{
	struct open_how known = { .flags = 0 };
	int r;

	/* A name from the root is one from @dirfd when that is to be the root. */
	if (size >= sizeof(known) && !os_copy_from(&known, how, sizeof(known))) {
		const char *name = path;

		while ((known.resolve & RESOLVE_IN_ROOT) && os_load8(name, &(uint8_t){ 0 }) && *name == '/')
			name++;
		if (is_ours(dirfd, name, (int)known.flags, &r))
			return r;
	}
	r = (int)syscall(SYS_openat2, dirfd, path, how, size);
	return r < 0 ? r : opened(r, (int)known.flags);
}

/* What fopen(3)'s mode asks of open(2). */
static int flags_of(const char *mode)
{
	int flags = mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | (mode[0] == 'w' ? O_TRUNC : O_APPEND);

	if (strchr(mode, '+'))
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	return flags | (strchr(mode, 'e') ? O_CLOEXEC : 0) | (strchr(mode, 'x') ? O_EXCL : 0);
}

/* A stream of a descriptor of ours, which is closed when there can be none. */
static FILE *stream_of(int fd, const char *mode)
{
	FILE *f = fd < 0 ? NULL : fdopen(fd, mode);

	if (!f && fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return f;
}

/* A link of any name may have led to a machine's own device. */
static FILE *opened_stream(FILE *f, const char *mode)
{
	struct stat st;

	if (!f || real()->fstat(fileno(f), &st) || likely(!is_real_device(&st)))
		return f;
	fclose(f);
	return stream_of(open("/dev/kvm", flags_of(mode)), mode);
}

#define DEFINE_FOPEN(name)						\
FILE *name(const char *path, const char *mode);				\
EXPORT FILE *name(const char *path, const char *mode)			\
{									\
	int fd;								\
	if (is_ours(AT_FDCWD, path, flags_of(mode), &fd))		\
		return stream_of(fd, mode);				\
	return opened_stream(real()->name(path, mode), mode);		\
}

DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)
DEFINE_FOPEN(_IO_fopen)

/* Where the machine's own device is now, nothing is. */
static FILE *reopened(FILE *f)
{
	struct stat st;

	if (!f || real()->fstat(fileno(f), &st) || likely(!is_real_device(&st)))
		return f;
	fclose(f);
	errno = EACCES;
	return NULL;
}

/*
 * The stream takes over a second descriptor of the same file.  One of
 * /dev/kvm, from which a stream can read nothing, is refused.
 */
#define DEFINE_FREOPEN(name)						\
EXPORT FILE *name(const char *path, const char *mode, FILE *f)		\
{									\
	char again[40];							\
	FILE *r;							\
	int fd;								\
	if (!path || !is_ours(AT_FDCWD, path, flags_of(mode), &fd))	\
		return reopened(real()->name(path, mode, f));		\
	if (fd < 0) {							\
		int saved = errno;					\
		fclose(f);						\
		errno = saved;						\
		return NULL;						\
	}								\
	snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);		\
	r = real()->name(again, mode, f);				\
	close(fd);							\
	return r;							\
}

DEFINE_FREOPEN(freopen)
DEFINE_FREOPEN(freopen64)

/* -- By handle -- */

EXPORT int open_by_handle_at(int mount, struct file_handle *handle, int flags)
{
	return opened(real()->open_by_handle_at(mount, handle, flags), flags);
}

EXPORT int open_tree(int dirfd, const char *path, unsigned int flags)
{
	return name_fails(dirfd, path, EPERM, 0) ? -1 : real()->open_tree(dirfd, path, flags);
}

EXPORT int name_to_handle_at(int dirfd, const char *path, struct file_handle *handle, int *mount,
			     int flags)
{
	return name_fails(dirfd, path, EOPNOTSUPP, 0) ? -1
		: real()->name_to_handle_at(dirfd, path, handle, mount, flags);
}
