/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "os/file.h"

/* A line has a path behind all that we want, of up to a page; the kernel gives whole lines. */
#define LINES	16384

/* A number in @base at *p, which moves behind it and the character after it. */
static uint64_t number(const char **p, unsigned base)
{
	uint64_t v = 0;

	for (;; (*p)++) {
		char c = **p;
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
			       : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : base;

		if (digit >= base)
			break;
		v = v * base + digit;
	}
	if (**p)
		(*p)++;
	return v;
}

/* start-end rwxp offset major:minor inode [path] */
static struct os_mapping parse(const char *line)
{
	struct os_mapping m;
	unsigned major, minor;

	m.start = number(&line, 16);
	m.end = number(&line, 16);
	m.is_writable = line[1] == 'w';
	m.rights = (line[0] == 'r' ? PROT_READ : 0) | (line[1] == 'w' ? PROT_WRITE : 0) |
		   (line[2] == 'x' ? PROT_EXEC : 0);
	m.is_shared = strcspn(line, "s") == 3;
	line += strcspn(line, " ");
	line += strspn(line, " ");
	m.offset = number(&line, 16);
	major = (unsigned)number(&line, 16);
	minor = (unsigned)number(&line, 16);
	m.dev = makedev(major, minor);
	m.ino = number(&line, 10);
	m.path = line + strspn(line, " ");
	return m;
}

static int each(bool (*fn)(const struct os_mapping *m, void *arg), void *arg)
{
	long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	char buf[LINES + 1];
	int r = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		long n = syscall(SYS_read, fd, buf + have, LINES - have);
		char *line = buf, *end;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n ? -errno : 0;
			break;
		}
		have += (size_t)n;
		buf[have] = 0;
		for (; (end = memchr(line, '\n', (size_t)(buf + have - line))); line = end + 1) {
			struct os_mapping m;

			*end = 0;
			m = parse(line);
			if (!fn(&m, arg))
				goto out;
		}
		have = (size_t)(buf + have - line);
		memmove(buf, line, have);
	}
out:
	os_close((int)fd);
	return r;
}

struct of_files {
	bool	(*fn)(const struct os_mapping *m, void *arg);
	void	*arg;
};

static bool if_file(const struct os_mapping *m, void *arg)
{
	const struct of_files *f = arg;

	return !m->ino || f->fn(m, f->arg);
}

int os_for_each_mapping(bool (*fn)(const struct os_mapping *m, void *arg), void *arg)
{
	return each(if_file, &(struct of_files){ fn, arg });
}

struct around {
	uintptr_t		at;
	struct os_mapping	*out;
	bool			found;
};

static bool if_around(const struct os_mapping *m, void *arg)
{
	struct around *a = arg;

	if (m->end <= a->at)
		return true;
	a->found = m->start <= a->at;
	if (a->found) {
		*a->out = *m;
		a->out->path = NULL;
	}
	return false;
}

/* One mapping by PROCMAP_QUERY, since Linux 6.11; struct procmap_query of the kernel's documentation. */
struct query {
	uint64_t	size, flags, addr;			/* in */
	uint64_t	start, end, rights, page_size;		/* out */
	uint64_t	offset, ino;
	uint32_t	dev_major, dev_minor;
	uint32_t	name_size, build_id_size;
	uint64_t	name, build_id;
};

#define QUERY		_IOWR('f', 17, struct query)
#define QUERY_RIGHTS	7u		/* read, write, run: as PROT_READ and its kin */
#define QUERY_WRITE	(1u << 1)
#define QUERY_SHARED	(1u << 3)

/* However many mappings there are, it takes the same time.  -ENOTTY: the kernel is older. */
static int ask(const void *p, struct os_mapping *out)
{
	struct query q = { .size = sizeof(q), .addr = (uintptr_t)p };
	long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	int saved = errno, r;

	if (fd < 0)
		return -errno;
	r = syscall(SYS_ioctl, fd, QUERY, &q) < 0 ? -errno : 0;
	errno = saved;
	os_close((int)fd);
	if (r)
		return r;
	*out = (struct os_mapping){
		.start = q.start, .end = q.end, .offset = q.offset, .ino = q.ino,
		.dev = makedev(q.dev_major, q.dev_minor), .is_shared = q.rights & QUERY_SHARED,
		.rights = (uint8_t)(q.rights & QUERY_RIGHTS), .is_writable = q.rights & QUERY_WRITE,
	};
	return 0;
}

static int search(const void *p, struct os_mapping *out)
{
	struct around a = { .at = (uintptr_t)p, .out = out };
	int r = each(if_around, &a);

	return r ? r : a.found ? 0 : -ENOENT;
}

int os_mapping_of(const void *p, struct os_mapping *out)
{
	int r = ask(p, out);

	return r && r != -ENOENT ? search(p, out) : r;
}
