/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * file.c - reading, writing and asking about a descriptor that may be ours.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload/bracket.h"
#include "preload/dir.h"
#include "preload/hidden.h"
#include "preload/real.h"
#include "preload/virtual.h"

enum question { READ, WRITE, SEEK, TRUNCATE };

/* What is asked of a descriptor. */
struct asked {
	enum question		what;
	const struct iovec	*v;
	int			nr;		/* of v; SEEK: whence */
	const off_t		*at;		/* NULL: the file's own position */
};

/* True when @fd is ours; *r is then the answer, with errno. */
static NOINLINE bool ask(int fd, const struct asked *q, long *r)
{
	struct front_frame frame;
	struct abi_file *file;

	front_enter(&frame);
	file = front_file(fd);
	if (file) {
		switch (q->what) {
		case READ:
			*r = abi_read(file, q->v, q->nr, q->at);
			break;
		case WRITE:
			*r = abi_write(file, q->at);
			break;
		case SEEK:
			*r = abi_lseek(file, q->nr);
			break;
		case TRUNCATE:
			*r = abi_ftruncate(file);
			break;
		}
		abi_file_put(file);
	}
	front_leave(&frame);
	if (!file)
		return false;
	*r = front_answer(*r);
	return true;
}

/* A function of libc's with descriptor @fd that ends in @call when it is not ours. */
#define OURS_OR(fd, question, call)					\
	do {								\
		long r;							\
		if (unlikely(front_machine()) && ask(fd, &(struct asked)question, &r)) \
			return r;					\
		return call;						\
	} while (0)

/* Initialisers of struct asked. */
#define Q(...)			{ __VA_ARGS__ }
#define READ_ONE(p, n, at)	Q(READ, &(struct iovec){ p, n }, 1, at)
#define WRITE_ONE(at)		Q(WRITE, NULL, 0, at)

EXPORT ssize_t read(int fd, void *p, size_t n)
{
	OURS_OR(fd, READ_ONE(p, n, NULL), SHOWN_ONE(p, n, true, real()->read(fd, p, n)));
}

EXPORT ssize_t write(int fd, const void *p, size_t n)
{
	OURS_OR(fd, WRITE_ONE(NULL), SHOWN_ONE(p, n, false, real()->write(fd, p, n)));
}

EXPORT ssize_t readv(int fd, const struct iovec *v, int n)
{
	OURS_OR(fd, Q(READ, v, n, NULL), SHOWN(v, (size_t)n, true, real()->readv(fd, v, n)));
}

EXPORT ssize_t writev(int fd, const struct iovec *v, int n)
{
	OURS_OR(fd, WRITE_ONE(NULL), SHOWN(v, (size_t)n, false, real()->writev(fd, v, n)));
}

EXPORT ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	OURS_OR(fd, READ_ONE(p, n, &at), SHOWN_ONE(p, n, true, real()->pread(fd, p, n, at)));
}

EXPORT ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{
	OURS_OR(fd, READ_ONE(p, n, &at), SHOWN_ONE(p, n, true, real()->pread64(fd, p, n, at)));
}

EXPORT ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	OURS_OR(fd, WRITE_ONE(&at), SHOWN_ONE(p, n, false, real()->pwrite(fd, p, n, at)));
}

EXPORT ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	OURS_OR(fd, WRITE_ONE(&at), SHOWN_ONE(p, n, false, real()->pwrite64(fd, p, n, at)));
}

EXPORT ssize_t preadv(int fd, const struct iovec *v, int n, off_t at)
{
	OURS_OR(fd, Q(READ, v, n, &at), SHOWN(v, (size_t)n, true, real()->preadv(fd, v, n, at)));
}

EXPORT ssize_t preadv64(int fd, const struct iovec *v, int n, off64_t at)
{
	OURS_OR(fd, Q(READ, v, n, &at), SHOWN(v, (size_t)n, true, real()->preadv64(fd, v, n, at)));
}

EXPORT ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	OURS_OR(fd, WRITE_ONE(&at), SHOWN(v, (size_t)n, false, real()->pwritev(fd, v, n, at)));
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at)
{
	OURS_OR(fd, WRITE_ONE(&at), SHOWN(v, (size_t)n, false, real()->pwritev64(fd, v, n, at)));
}

EXPORT ssize_t __read_chk(int fd, void *p, size_t n, size_t room);
EXPORT ssize_t __read_chk(int fd, void *p, size_t n, size_t room)
{
	if (n > room)	/* libc ends the program */
		return real()->__read_chk(fd, p, n, room);
	OURS_OR(fd, READ_ONE(p, n, NULL), SHOWN_ONE(p, n, true, real()->__read_chk(fd, p, n, room)));
}

EXPORT ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room);
EXPORT ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room)
{
	if (n > room)
		return real()->__pread_chk(fd, p, n, at, room);
	OURS_OR(fd, READ_ONE(p, n, &at), SHOWN_ONE(p, n, true, real()->__pread_chk(fd, p, n, at, room)));
}

EXPORT ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t at, size_t room);
EXPORT ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t at, size_t room)
{
	if (n > room)
		return real()->__pread64_chk(fd, p, n, at, room);
	OURS_OR(fd, READ_ONE(p, n, &at),
		SHOWN_ONE(p, n, true, real()->__pread64_chk(fd, p, n, at, room)));
}

/* Other names of the same, for other parts of libc. */
EXPORT ssize_t __read(int fd, void *p, size_t n);
EXPORT ssize_t __read(int fd, void *p, size_t n)
{
	OURS_OR(fd, READ_ONE(p, n, NULL), SHOWN_ONE(p, n, true, real()->__read(fd, p, n)));
}

EXPORT ssize_t __write(int fd, const void *p, size_t n);
EXPORT ssize_t __write(int fd, const void *p, size_t n)
{
	OURS_OR(fd, WRITE_ONE(NULL), SHOWN_ONE(p, n, false, real()->__write(fd, p, n)));
}

EXPORT ssize_t __pread64(int fd, void *p, size_t n, off64_t at);
EXPORT ssize_t __pread64(int fd, void *p, size_t n, off64_t at)
{
	OURS_OR(fd, READ_ONE(p, n, &at), SHOWN_ONE(p, n, true, real()->__pread64(fd, p, n, at)));
}

EXPORT ssize_t __pwrite64(int fd, const void *p, size_t n, off64_t at);
EXPORT ssize_t __pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	OURS_OR(fd, WRITE_ONE(&at), SHOWN_ONE(p, n, false, real()->__pwrite64(fd, p, n, at)));
}

EXPORT off_t __lseek(int fd, off_t at, int whence);
EXPORT off_t __lseek(int fd, off_t at, int whence)
{
	OURS_OR(fd, Q(SEEK, .nr = whence), real()->__lseek(fd, at, whence));
}

/* With flags: at -1 is where the descriptor stands. */
#define DEFINE_READV_2(name, type)					\
EXPORT ssize_t name(int fd, const struct iovec *v, int n, type at, int flags) \
{									\
	OURS_OR(fd, Q(READ, v, n, at == -1 ? NULL : &at),		\
		SHOWN(v, (size_t)n, true, real()->name(fd, v, n, at, flags))); \
}

#define DEFINE_WRITEV_2(name, type)					\
EXPORT ssize_t name(int fd, const struct iovec *v, int n, type at, int flags) \
{									\
	OURS_OR(fd, WRITE_ONE(at == -1 ? NULL : &at),			\
		SHOWN(v, (size_t)n, false, real()->name(fd, v, n, at, flags))); \
}

DEFINE_READV_2(preadv2, off_t)
DEFINE_READV_2(preadv64v2, off64_t)
DEFINE_WRITEV_2(pwritev2, off_t)
DEFINE_WRITEV_2(pwritev64v2, off64_t)

/* KVM's files have nothing to be written back or copied: EINVAL, as for write. */
EXPORT int fsync(int fd)
{
	OURS_OR(fd, WRITE_ONE(NULL), real()->fsync(fd));
}

EXPORT int fdatasync(int fd)
{
	OURS_OR(fd, WRITE_ONE(NULL), real()->fdatasync(fd));
}

#define DEFINE_COPY(name, params, args, in, out)			\
EXPORT ssize_t name params						\
{									\
	const struct asked q = WRITE_ONE(NULL);				\
	long r;								\
	if (unlikely(front_machine()) && (ask(in, &q, &r) || ask(out, &q, &r))) \
		return r;						\
	return real()->name args;					\
}

DEFINE_COPY(sendfile, (int out, int in, off_t *at, size_t n), (out, in, at, n), in, out)
DEFINE_COPY(sendfile64, (int out, int in, off64_t *at, size_t n), (out, in, at, n), in, out)
DEFINE_COPY(splice, (int in, off64_t *at, int out, off64_t *to, size_t n, unsigned int flags),
	    (in, at, out, to, n, flags), in, out)
DEFINE_COPY(copy_file_range, (int in, off64_t *at, int out, off64_t *to, size_t n, unsigned int flags),
	    (in, at, out, to, n, flags), in, out)

EXPORT off_t lseek(int fd, off_t at, int whence)
{
	OURS_OR(fd, Q(SEEK, NULL, whence, NULL), real()->lseek(fd, at, whence));
}

EXPORT off64_t lseek64(int fd, off64_t at, int whence)
{
	OURS_OR(fd, Q(SEEK, NULL, whence, NULL), real()->lseek64(fd, at, whence));
}

/* What lies behind the new end goes; longer files lose nothing. */
#define DEFINE_FTRUNCATE(name, type)					\
EXPORT int name(int fd, type length)					\
{									\
	struct bracket b;						\
	long r;								\
									\
	if (unlikely(front_machine()) && ask(fd, &(struct asked){ TRUNCATE }, &r))					\
		return (int)r;						\
	bracket_begin_file(&b, fd, length, INT64_MAX);			\
	r = real()->name(fd, length);					\
	bracket_end(&b, !r);						\
	return (int)r;							\
}

DEFINE_FTRUNCATE(ftruncate, off_t)
DEFINE_FTRUNCATE(ftruncate64, off64_t)

/* setattr refuses a change of mode or owner as one of length. */
EXPORT int fchmod(int fd, mode_t mode)
{
	OURS_OR(fd, Q(TRUNCATE), real()->fchmod(fd, mode));
}

EXPORT int fchown(int fd, uid_t owner, gid_t group)
{
	OURS_OR(fd, Q(TRUNCATE), real()->fchown(fd, owner, group));
}

/* What its name leads to. */
static NOINLINE void stat_folder(int fd, struct stat *st)
{
	struct front_frame frame;
	struct path_place p;
	struct stat found;

	front_enter(&frame);
	path_find(fd, ".", &p);
	if (p.place != PLACE_KERNEL && !virtual_stat(&p, &found))
		*st = found;
	front_leave(&frame);
}

static NOINLINE void correct_stat(int fd, struct stat *st)
{
	struct front_frame frame;
	struct abi_file *file;

	front_enter(&frame);
	file = front_file(fd);
	if (file)
		abi_fstat(file, st);
	abi_file_put(file);
	front_leave(&frame);
	if (unlikely(dir_is_ours(fd, st)))
		stat_folder(fd, st);
}

static int stated(int r, int fd, void *st)
{
	if (!r && unlikely(front_machine()))
		correct_stat(fd, st);
	return r;
}

EXPORT int fstat(int fd, struct stat *st)
{
	return stated(real()->fstat(fd, st), fd, st);
}

EXPORT int fstat64(int fd, struct stat64 *st)
{
	return stated(real()->fstat64(fd, st), fd, st);
}

EXPORT int __fxstat(int version, int fd, struct stat *st);
EXPORT int __fxstat(int version, int fd, struct stat *st)
{
	return stated(real()->__fxstat(version, fd, st), fd, st);
}

EXPORT int __fxstat64(int version, int fd, struct stat64 *st);
EXPORT int __fxstat64(int version, int fd, struct stat64 *st)
{
	return stated(real()->__fxstat64(version, fd, st), fd, st);
}

/* True when @fd is ours; *r is 0 or a negative errno. */
static NOINLINE bool allocate(int fd, int mode, off_t offset, off_t length, int *r)
{
	struct front_frame frame;
	struct abi_file *file;

	front_enter(&frame);
	file = front_file(fd);
	if (file)
		*r = abi_fallocate(file, fd, mode, offset, length);
	abi_file_put(file);
	front_leave(&frame);
	return file;
}

/* How many bytes of the file, from the offset on, are other ones afterwards. */
static off64_t bytes_replaced(int mode, off64_t length)
{
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
		return INT64_MAX;
	return mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) ? length : 0;
}

#define DEFINE_FALLOCATE(name, type)					\
EXPORT int name(int fd, int mode, type offset, type length)		\
{									\
	off64_t replaced = bytes_replaced(mode, length);		\
	struct bracket b;						\
	int r;								\
									\
	if (unlikely(front_machine()) && allocate(fd, mode, offset, length, &r)) \
		return (int)front_answer(r);				\
	if (replaced <= 0)						\
		return real()->name(fd, mode, offset, length);		\
	/* Once more only where that changes nothing else. */		\
	for (unsigned again = 0;; again++) {				\
		bracket_begin_file(&b, fd, offset, replaced);		\
		bracket_to_call(&b);					\
		r = real()->name(fd, mode, offset, length);		\
		if (!bracket_end_or_again(&b, !r) || replaced != length || again) \
			return r;					\
	}								\
}

/* Answers an errno.  Where fallocate is not supported libc writes zeros, which ours refuse. */
#define DEFINE_POSIX_FALLOCATE(name, type)				\
EXPORT int name(int fd, type offset, type length)			\
{									\
	int r;								\
	if (unlikely(front_machine()) && allocate(fd, 0, offset, length, &r)) \
		return r == -EOPNOTSUPP ? EINVAL : -r;			\
	return real()->name(fd, offset, length);			\
}

DEFINE_FALLOCATE(fallocate, off_t)
DEFINE_FALLOCATE(fallocate64, off64_t)
DEFINE_POSIX_FALLOCATE(posix_fallocate, off_t)
DEFINE_POSIX_FALLOCATE(posix_fallocate64, off64_t)
