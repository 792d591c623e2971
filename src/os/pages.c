/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "os/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/file.h"

/* linux/fs.h of Linux 6.11; the headers that we are built with may be older. */
struct scan {
	uint64_t	size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t	inverted, mask, anyof, wanted;
};

struct scan_region {
	uint64_t	start, end, categories;
};

struct vma {
	uint64_t	size, query, at, start, end, flags, page_size, offset, inode;
	uint32_t	major, minor, name_size, build_id_size;
	uint64_t	name, build_id;
};

#define SCAN		_IOWR('f', 16, struct scan)
#define QUERY_VMA	_IOWR('f', 17, struct vma)

#define PAGE_IS_WRITTEN		(1u << 1)	/* not write-protected by userfaultfd */
#define PAGE_IS_FILE		(1u << 2)
#define PAGE_IS_PRESENT		(1u << 3)
#define PAGE_IS_ZERO		(1u << 5)
#define PAGE_IS_HUGE		(1u << 6)
#define PAGE_IS_ANY		(PAGE_IS_WRITTEN | PAGE_IS_FILE | PAGE_IS_PRESENT | PAGE_IS_ZERO | \
				 PAGE_IS_HUGE)

#define VMA_WRITABLE		(1u << 1)
#define VMA_SHARED		(1u << 3)

#define NR_REGIONS	32
#define CHUNK		PG_LEVEL_SIZE(OS_PAGES_LEVEL)

/* Not by libc's names: they are the front end's, too. */
static long ask(const char *path, unsigned long what, void *arg)
{
	long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = syscall(SYS_ioctl, fd, what, arg);
	r = r < 0 ? -errno : r;
	os_close((int)fd);
	return r;
}

static bool is_ready(const struct vma *v, uint64_t categories)
{
	const uint64_t must = PAGE_IS_PRESENT | PAGE_IS_WRITTEN;

	if (!(v->flags & VMA_WRITABLE) || (categories & must) != must)
		return false;
	/* A private mapping's page of a file, and the page of zeros, are copied first. */
	return (v->flags & VMA_SHARED) || !(categories & (PAGE_IS_FILE | PAGE_IS_ZERO));
}

static void mark(struct os_pages *out, uint64_t first, uint64_t end)
{
	for (; first < end; first++)
		out->writable[first / 64] |= 1ull << (first % 64);
}

static uint8_t level_of(const struct vma *v, uint64_t categories)
{
	if (!(categories & PAGE_IS_HUGE) || !(categories & PAGE_IS_PRESENT))
		return PG_LEVEL_4K;
	/* What the first write would break up is as good as broken up. */
	if ((v->flags & VMA_WRITABLE) && !is_ready(v, categories))
		return PG_LEVEL_4K;
	return v->page_size >= PG_LEVEL_SIZE(PG_LEVEL_1G) ? PG_LEVEL_1G : PG_LEVEL_2M;
}

static void digest(const struct vma *v, uint64_t chunk, const struct scan_region *r, long n,
		   struct os_pages *out)
{
	for (long i = 0; i < n; i++)
		if (is_ready(v, r[i].categories))
			mark(out, (r[i].start - chunk) >> PAGE_SHIFT, (r[i].end - chunk) >> PAGE_SHIFT);
	if (n != 1 || r->start != chunk || r->end != chunk + CHUNK || v->start > chunk ||
	    v->end < chunk + CHUNK)
		return;
	out->level = level_of(v, r->categories);
	out->is_zero = (r->categories & PAGE_IS_HUGE) && (r->categories & PAGE_IS_ZERO);
}

void os_pages_ask(const void *at, struct os_pages *out)
{
	uint64_t chunk = (uintptr_t)at & ~(CHUNK - 1);
	struct vma v = { .size = sizeof(v), .at = (uintptr_t)at };
	struct scan_region regions[NR_REGIONS];
	struct scan s = { .size = sizeof(s), .end = chunk + CHUNK, .vec = (uintptr_t)regions,
			  .vec_len = NR_REGIONS, .anyof = PAGE_IS_PRESENT, .wanted = PAGE_IS_ANY };
	long n;

	memset(out, 0, sizeof(*out));
	out->level = PG_LEVEL_4K;
	if (ask("/proc/self/maps", QUERY_VMA, &v))
		return;
	out->is_fixed = v.page_size > PAGE_SIZE;
	/* Pages of a neighbouring mapping are another question. */
	s.start = v.start > chunk ? v.start : chunk;
	s.end = v.end < s.end ? v.end : s.end;
	do {
		n = ask("/proc/self/pagemap", SCAN, &s);
		if (n < 0)
			return;
		digest(&v, chunk, regions, n, out);
		s.start = s.walk_end;
	} while (n == NR_REGIONS && s.start < s.end);
}
