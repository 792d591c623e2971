/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * listing.c - reading folders: those of ours, and the kernel's that have
 * entries of ours in them or entries that nobody is to see.
 *
 * A stream of such a folder is a struct listing in a list; every other stream
 * is libc's own, and costs one look at whether the list is empty.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/dir.h"
#include "preload/front.h"
#include "preload/real.h"
#include "preload/virtual.h"
#include "sync/lock.h"

/* telldir(3): places among our own entries are told by this bit. */
#define AMONG_OURS	(1l << 62)

struct listing {
	struct listing	  *next;	/* under lock */
	DIR		  *stream;	/* the kernel's folder, or NULL: all entries are ours */
	int		   fd;		/* of a folder of ours */
	const char	  *path;	/* of the kernel's */
	struct dir_entries ours;
	size_t		   at;		/* in them; first all of these, then the stream's */
};

static struct spinlock lock = SPIN_INIT("listings", RANK_LEAF);
static struct listing *listings;
static atomic32_t nr_listings;

/* No handler of the program runs with the lock held. */
static void enter(struct front_frame *f) ACQUIRE(lock)
{
	front_enter(f);
	spin_lock(&lock);
}

static void leave(struct front_frame *f) RELEASE(lock)
{
	int saved = errno;

	spin_unlock(&lock);
	front_leave(f);
	errno = saved;
}

/* Who held it in the parent is not here. */
void dir_in_child(void)
{
	spin_init(&lock, "listings", RANK_LEAF);
}

static struct listing *find(DIR *dir)
{
	struct front_frame frame;
	struct listing *l;

	if (likely(!atomic32_load(&nr_listings)))
		return NULL;
	enter(&frame);
	for (l = listings; l && l != (struct listing *)dir; l = l->next)
		;
	leave(&frame);
	return l;
}

static DIR *add(struct listing *l)
{
	struct front_frame frame;

	enter(&frame);
	l->next = listings;
	listings = l;
	leave(&frame);
	atomic32_add(&nr_listings, 1);
	return (DIR *)l;
}

static void forget(struct listing *l)
{
	struct front_frame frame;
	struct listing **p;

	enter(&frame);
	for (p = &listings; *p != l; p = &(*p)->next)
		;
	*p = l->next;
	leave(&frame);
	atomic32_sub(&nr_listings, 1);
	dir_entries_free(&l->ours);
	free(l);
}

/* The folder of the kernel's in which something is ours, if @st is one. */
static const char *shared_folder(const struct stat *st)
{
	static const char *const paths[] = { "/sys/module", "/dev" };
	struct stat one;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (!real()->stat(paths[i], &one) && one.st_dev == st->st_dev &&
		    one.st_ino == st->st_ino)
			return paths[i];
	}
	return NULL;
}

/* @fd is a folder of ours; it belongs to the stream afterwards. */
static DIR *open_ours(int fd)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct stat st;

	if (!l || real()->fstat(fd, &st))
		goto fail;
	l->fd = fd;
	l->ours.size = (size_t)st.st_size;
	l->ours.bytes = malloc(l->ours.size + 1);
	if (!l->ours.bytes ||
	    real()->pread(fd, l->ours.bytes, l->ours.size, 0) != (ssize_t)l->ours.size)
		goto fail;
	return add(l);
fail:
	if (l)
		free(l->ours.bytes);
	free(l);
	errno = ENOMEM;
	return NULL;
}

/* @stream is the kernel's folder @path; it is left as it is when memory is out. */
static DIR *open_shared(DIR *stream, const char *path)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct front_frame frame;
	int r;

	if (!l)
		return stream;
	front_enter(&frame);
	r = virtual_list_in(path, &l->ours);
	front_leave(&frame);
	if (r) {
		dir_entries_free(&l->ours);
		free(l);
		return stream;
	}
	l->stream = stream;
	l->path = path;
	return add(l);
}

static DIR *opened(DIR *stream)
{
	int saved = errno;
	const char *path;
	struct stat st;

	if (stream && !real()->fstat(real()->dirfd(stream), &st)) {
		path = shared_folder(&st);
		if (unlikely(path))
			stream = open_shared(stream, path);
	}
	errno = saved;
	return stream;
}

EXPORT DIR *opendir(const char *path)
{
	struct stat st;
	DIR *dir;
	int fd;

	if (likely(!path_is_suspect(path)))
		return opened(real()->opendir(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	if (!real()->fstat(fd, &st) && dir_is_ours(fd, &st))
		dir = open_ours(fd);
	else
		dir = opened(real()->fdopendir(fd));
	if (!dir) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return dir;
}

EXPORT DIR *fdopendir(int fd)
{
	struct stat st;

	if (!real()->fstat(fd, &st) && dir_is_ours(fd, &st))
		return open_ours(fd);
	return opened(real()->fdopendir(fd));
}

/* The next entry of the stream that may be seen. */
static struct dirent64 *next_of_stream(struct listing *l)
{
	struct dirent64 *d;

	do {
		d = real()->readdir64(l->stream);
	} while (d && virtual_hides(l->path, d->d_name));
	return d;
}

static struct dirent64 *next(struct listing *l)
{
	struct dirent64 *d;

	if (l->at == l->ours.size)
		return l->stream ? next_of_stream(l) : NULL;
	d = (struct dirent64 *)(l->ours.bytes + l->at);
	l->at += d->d_reclen;
	return d;
}

_Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "one layout");

EXPORT struct dirent *readdir(DIR *dir)
{
	struct listing *l = find(dir);

	return unlikely(l) ? (struct dirent *)next(l) : real()->readdir(dir);
}

EXPORT struct dirent64 *readdir64(DIR *dir)
{
	struct listing *l = find(dir);

	return unlikely(l) ? next(l) : real()->readdir64(dir);
}

static int read_into(struct listing *l, void *entry, void **out)
{
	struct dirent64 *d;
	int saved = errno;

	errno = 0;
	d = next(l);
	*out = NULL;
	if (!d && errno)
		return errno;
	if (d) {
		memcpy(entry, d, d->d_reclen);
		*out = entry;
	}
	errno = saved;
	return 0;
}

EXPORT int readdir_r(DIR *dir, struct dirent *entry, struct dirent **out)
{
	struct listing *l = find(dir);

	return unlikely(l) ? read_into(l, entry, (void **)out) : real()->readdir_r(dir, entry, out);
}

EXPORT int readdir64_r(DIR *dir, struct dirent64 *entry, struct dirent64 **out)
{
	struct listing *l = find(dir);

	return unlikely(l) ? read_into(l, entry, (void **)out) : real()->readdir64_r(dir, entry, out);
}

EXPORT void rewinddir(DIR *dir)
{
	struct listing *l = find(dir);

	if (likely(!l)) {
		real()->rewinddir(dir);
		return;
	}
	l->at = 0;
	if (l->stream)
		real()->rewinddir(l->stream);
}

EXPORT long telldir(DIR *dir)
{
	struct listing *l = find(dir);

	if (likely(!l))
		return real()->telldir(dir);
	return l->at == l->ours.size && l->stream ? real()->telldir(l->stream) : (long)l->at | AMONG_OURS;
}

EXPORT void seekdir(DIR *dir, long to)
{
	struct listing *l = find(dir);

	if (likely(!l)) {
		real()->seekdir(dir, to);
	} else if (to & AMONG_OURS) {
		l->at = MIN((size_t)(to & ~AMONG_OURS), l->ours.size);
		if (l->stream)
			real()->rewinddir(l->stream);
	} else if (l->stream) {
		l->at = l->ours.size;
		real()->seekdir(l->stream, to);
	}
}

EXPORT int dirfd(DIR *dir)
{
	struct listing *l = find(dir);

	if (likely(!l))
		return real()->dirfd(dir);
	return l->stream ? real()->dirfd(l->stream) : l->fd;
}

EXPORT int closedir(DIR *dir)
{
	struct listing *l = find(dir);
	DIR *stream;
	int fd;

	if (likely(!l))
		return real()->closedir(dir);
	stream = l->stream;
	fd = l->fd;
	forget(l);
	return stream ? real()->closedir(stream) : close(fd);
}

/* -- libc's functions that read a folder by themselves -- */

/* Would libc see something else there than a program is to see? */
static bool is_special(int dirfd, const char *path)
{
	const char *shared;
	struct stat st;
	int saved = errno;
	bool special;

	if (dir_is_suspect(dirfd, path))
		return true;
	shared = real()->fstatat(dirfd, path, &st, 0) ? NULL : shared_folder(&st);
	special = shared;
	errno = saved;
	return special;
}

struct scan {
	struct dirent64	**list;
	size_t		  nr, room;
};

static bool scan_add(struct scan *s, const struct dirent64 *d)
{
	struct dirent64 *copy = malloc(d->d_reclen);

	if (copy && s->nr == s->room) {
		size_t room = 2 * s->room + 16;
		struct dirent64 **more = realloc(s->list, room * sizeof(*more));

		if (!more) {
			free(copy);
			return false;
		}
		s->list = more;
		s->room = room;
	}
	if (!copy)
		return false;
	s->list[s->nr++] = memcpy(copy, d, d->d_reclen);
	return true;
}

typedef int (*scan_filter)(const struct dirent64 *);
typedef int (*scan_order)(const struct dirent64 **, const struct dirent64 **);

static int scan(int at, const char *path, struct dirent64 ***out, scan_filter filter,
		scan_order order)
{
	struct scan s = { .nr = 0 };
	struct dirent64 *d;
	bool ok = true;
	DIR *dir;
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -1;
	while (ok && (d = readdir64(dir))) {
		if (!filter || filter(d))
			ok = scan_add(&s, d);
	}
	closedir(dir);
	if (!ok) {
		while (s.nr)
			free(s.list[--s.nr]);
		free(s.list);
		errno = ENOMEM;
		return -1;
	}
	if (order && s.nr)
		qsort(s.list, s.nr, sizeof(*s.list), (int (*)(const void *, const void *))order);
	*out = s.list;
	return (int)s.nr;
}

#define DEFINE_SCANDIR(name, type)					\
EXPORT int name(const char *path, struct type ***out, int (*filter)(const struct type *), \
		int (*order)(const struct type **, const struct type **)) \
{									\
	if (!is_special(AT_FDCWD, path))				\
		return real()->name(path, out, filter, order);		\
	return scan(AT_FDCWD, path, (struct dirent64 ***)out, (scan_filter)filter, (scan_order)order); \
}

#define DEFINE_SCANDIRAT(name, type)					\
EXPORT int name(int dirfd, const char *path, struct type ***out, int (*filter)(const struct type *), \
		int (*order)(const struct type **, const struct type **)) \
{									\
	if (!is_special(dirfd, path))					\
		return real()->name(dirfd, path, out, filter, order);	\
	return scan(dirfd, path, (struct dirent64 ***)out, (scan_filter)filter, (scan_order)order); \
}

DEFINE_SCANDIR(scandir, dirent)
DEFINE_SCANDIR(scandir64, dirent64)
DEFINE_SCANDIRAT(scandirat, dirent)
DEFINE_SCANDIRAT(scandirat64, dirent64)

static void close_dir(void *dir)
{
	closedir(dir);
}

/* glob(3) can be told how to read folders. */
#define DEFINE_GLOB(name, type, dirent_type, stat_type)			\
EXPORT int name(const char *pattern, int flags, int (*fail)(const char *, int), type *g) \
{									\
	type own;							\
	int r;								\
									\
	if ((flags & GLOB_ALTDIRFUNC) || (!strstr(pattern, "/sys") && !strstr(pattern, "/dev") && \
					  !path_is_suspect(pattern)))	\
		return real()->name(pattern, flags, fail, g);		\
	own = *g;							\
	own.gl_opendir = (void *(*)(const char *))opendir;		\
	own.gl_readdir = (struct dirent_type *(*)(void *))readdir64;	\
	own.gl_closedir = close_dir;					\
	own.gl_stat = (int (*)(const char *, struct stat_type *))stat64; \
	own.gl_lstat = (int (*)(const char *, struct stat_type *))lstat64; \
	r = real()->name(pattern, flags | GLOB_ALTDIRFUNC, fail, &own);	\
	g->gl_pathc = own.gl_pathc;					\
	g->gl_pathv = own.gl_pathv;					\
	g->gl_offs = own.gl_offs;					\
	g->gl_flags = own.gl_flags & ~GLOB_ALTDIRFUNC;			\
	return r;							\
}

DEFINE_GLOB(glob, glob_t, dirent, stat)
DEFINE_GLOB(glob64, glob64_t, dirent64, stat64)

/* -- getdents64(2) -- */

/* Takes what nobody is to see out of @n bytes of entries. */
static ssize_t without_hidden(char *bytes, ssize_t n, const char *path)
{
	ssize_t kept = 0;

	for (ssize_t at = 0, size; at < n; at += size) {
		struct dirent64 *d = (struct dirent64 *)(bytes + at);

		size = d->d_reclen;
		if (virtual_hides(path, d->d_name))
			continue;
		memmove(bytes + kept, d, (size_t)size);
		kept += size;
	}
	return kept;
}

/* Of a folder of ours: its bytes are the entries; those that do not fit are for the next call. */
static ssize_t read_ours(int fd, char *out, size_t size)
{
	ssize_t n = real()->read(fd, out, size), whole = 0;

	while (n - whole > (ssize_t)offsetof(struct dirent64, d_name)) {
		const struct dirent64 *d = (const struct dirent64 *)(out + whole);

		if (d->d_reclen > n - whole)
			break;
		whole += d->d_reclen;
	}
	if (n > 0)
		real()->lseek(fd, whole - n, SEEK_CUR);
	return n > 0 && !whole ? -EINVAL : whole ? whole : n;
}

/* Of the kernel's: ours come first, if there is room for all of them and some more. */
static ssize_t read_shared(int fd, char *out, size_t size, const char *path)
{
	struct dir_entries ours = { .bytes = NULL };
	struct front_frame frame;
	size_t first = 0;
	ssize_t n;

	front_enter(&frame);
	if (!real()->lseek(fd, 0, SEEK_CUR) && !virtual_list_in(path, &ours) &&
	    ours.size + sizeof(struct dirent64) <= size) {
		first = ours.size;
		memcpy(out, ours.bytes, first);
	}
	dir_entries_free(&ours);
	front_leave(&frame);
	/* A whole buffer of hidden entries is not the end. */
	do {
		n = real()->getdents64(fd, out + first, size - first);
		if (n <= 0)
			return n < 0 || !first ? n : (ssize_t)first;
		n = without_hidden(out + first, n, path);
	} while (!n && !first);
	return n + (ssize_t)first;
}

EXPORT ssize_t getdents64(int fd, void *out, size_t size)
{
	const char *path;
	struct stat st;

	if (real()->fstat(fd, &st))
		return real()->getdents64(fd, out, size);
	if (dir_is_ours(fd, &st))
		return front_answer(read_ours(fd, out, size));
	path = S_ISDIR(st.st_mode) ? shared_folder(&st) : NULL;
	return path ? read_shared(fd, out, size, path) : real()->getdents64(fd, out, size);
}
