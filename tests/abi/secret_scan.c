/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* secret_scan.c - looks for a pattern without holding it; see secret_scan.h. */
#include "secret_scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kvm_user.h"

#define CHUNK		(256 * PAGE)
#define NEEDLE_SIZE	(NEEDLE_WORDS * 8)

/* Looks at every byte of the process, on one thread. */
#define NOT_INSTRUMENTED	__attribute__((no_sanitize("thread")))

struct needle needle_make(void)
{
	struct needle n;

	need(getrandom(&n, sizeof(n), 0) == (ssize_t)sizeof(n), "getrandom");
	return n;
}

/*
 * What was read is masked in place before it is compared, so that the chunk
 * buffer itself holds no copy once this returns.
 */
static NOT_INSTRUMENTED long count_in(const struct needle *n, uint8_t *bytes, size_t size)
{
	long found = 0;

	for (size_t at = 0; at + NEEDLE_SIZE <= size; at++) {
		uint64_t word;
		int i;

		for (i = 0; i < NEEDLE_WORDS; i++) {
			memcpy(&word, bytes + at + 8 * i, 8);
			if ((word ^ n->key) != n->masked[i])
				break;
		}
		found += i == NEEDLE_WORDS;
	}
	memset(bytes, 0, size);
	return found;
}

/* The chunk, outside any page that is scanned: its own mapping, left out by address. */
static uint8_t *chunk(void)
{
	static uint8_t *buffer;

	if (!buffer)
		buffer = pages(CHUNK + PAGE);
	return buffer;
}

long scan_memory(const struct needle *n, const void *p, size_t size)
{
	uint8_t *buffer = chunk();
	const uint8_t *from = p;
	long found = 0;

	/* Chunks overlap by a needle less a byte, so that none is cut in two. */
	for (size_t at = 0; at < size; at += CHUNK - NEEDLE_SIZE) {
		size_t len = size - at < CHUNK ? size - at : CHUNK;
		struct iovec local = { buffer, len }, remote = { (void *)(from + at), len };
		ssize_t got = syscall(SYS_process_vm_readv, getpid(), &local, 1, &remote, 1, 0);

		if (got > 0)
			found += count_in(n, buffer, (size_t)got);
		if (len < CHUNK)
			break;
	}
	return found;
}

/* A mapping of a file has what the file has in memory, mapped here or not: what mincore says. */
static long scan_resident(const struct needle *n, uintptr_t start, uintptr_t end)
{
	static unsigned char resident[4096];
	long found = 0;

	for (uintptr_t at = start; at < end; at += sizeof(resident) * PAGE) {
		size_t nr = (end - at) / PAGE;
		size_t from = 0;

		nr = nr < sizeof(resident) ? nr : sizeof(resident);
		if (syscall(SYS_mincore, at, nr * PAGE, resident))
			memset(resident, 1, nr);
		for (size_t i = 0; i <= nr; i++) {
			if (i < nr && (resident[i] & 1))
				continue;
			if (i > from)
				found += scan_memory(n, (void *)(at + from * PAGE), (i - from) * PAGE);
			from = i + 1;
		}
	}
	return found;
}

/* Linux 6.7, <linux/fs.h>: the runs of pages that are there, passing over what is not by the table. */
struct scan_run {
	uint64_t start, end, kind;
};

struct scan_ask {
	uint64_t size, flags, start, end, walk_end, runs, nr_runs, max_pages;
	uint64_t inverted, all_of, any_of, told;
};

#define SCAN_PAGES	_IOWR('f', 16, struct scan_ask)
#define SCAN_PRESENT	(1u << 3)
#define SCAN_SWAPPED	(1u << 4)

/*
 * Memory without a file has only what this process's page table says, present
 * or swapped out.  A sanitizer's shadow is terabytes of it and nearly all
 * empty: asking page by page would take minutes.  -1: the kernel cannot say.
 */
static long scan_anonymous(const struct needle *n, int pagemap, uintptr_t start, uintptr_t end)
{
	static struct scan_run runs[512];
	long found = 0;

	while (start < end) {
		struct scan_ask ask = {
			.size = sizeof(ask), .start = start, .end = end,
			.runs = (uintptr_t)runs, .nr_runs = sizeof(runs) / sizeof(runs[0]),
			.any_of = SCAN_PRESENT | SCAN_SWAPPED, .told = SCAN_PRESENT,
		};
		long nr = syscall(SYS_ioctl, pagemap, SCAN_PAGES, &ask);

		if (nr < 0)
			return -1;
		for (long i = 0; i < nr; i++)
			found += scan_memory(n, (void *)(uintptr_t)runs[i].start,
					     runs[i].end - runs[i].start);
		start = ask.walk_end;
	}
	return found;
}

/* The pages of [start, end) that something backs. */
static long scan_backed(const struct needle *n, int pagemap, uintptr_t start, uintptr_t end,
			bool is_file)
{
	long found = is_file ? -1 : scan_anonymous(n, pagemap, start, end);

	return found < 0 ? scan_resident(n, start, end) : found;
}

long scan_process(const struct needle *n)
{
	uintptr_t own = (uintptr_t)chunk(), start, end;
	int pagemap = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long inode;
	char line[512], readable;
	long found = 0;

	need(maps != NULL, "/proc/self/maps");
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %c%*s %*x %*s %lu", &start, &end, &readable, &inode) != 4 ||
		    readable != 'r')
			continue;
		if (strstr(line, "[vvar") || strstr(line, "[vsyscall]"))
			continue;
		/* The mapping of our buffer may have grown together with others. */
		if (start <= own && own < end) {
			found += scan_backed(n, pagemap, start, own, inode);
			start = own + CHUNK + PAGE;
		}
		if (start < end)
			found += scan_backed(n, pagemap, start, end, inode);
	}
	fclose(maps);
	close(pagemap);
	return found;
}

static long scan_by_read(const struct needle *n, int fd, off_t size)
{
	uint8_t *buffer = chunk();
	long found = 0;

	for (off_t at = 0; at < size; at += CHUNK - NEEDLE_SIZE) {
		ssize_t got = syscall(SYS_pread64, fd, buffer, CHUNK, at);

		if (got <= 0)
			break;
		found += count_in(n, buffer, (size_t)got);
	}
	return found;
}

static long scan_by_map(const struct needle *n, int fd, size_t size)
{
	long r = syscall(SYS_mmap, NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	long found;

	if (r == -1)
		return 0;
	found = scan_memory(n, (void *)r, size);
	munmap((void *)r, size);
	return found;
}

/* One descriptor, through libc's calls and through the kernel's. */
static long scan_descriptor(const struct needle *n, int fd)
{
	uint8_t *buffer = chunk();
	char name[64];
	struct stat st;
	off_t size;
	long found = 0;
	ssize_t got;
	void *p;
	int again;

	if (fstat(fd, &st) || S_ISDIR(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		return 0;
	size = st.st_size > 0 && st.st_size < (64 << 20) ? st.st_size : 4 << 20;
	got = pread(fd, buffer, CHUNK, 0);
	if (got > 0)
		found += count_in(n, buffer, (size_t)got);
	p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		found += scan_memory(n, p, (size_t)size);
		munmap(p, (size_t)size);
	}
	found += scan_by_read(n, fd, size) + scan_by_map(n, fd, (size_t)size);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	again = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (again >= 0) {
		found += scan_by_read(n, again, size) + scan_by_map(n, again, (size_t)size);
		close(again);
	}
	return found;
}

long scan_descriptors(const struct needle *n)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	long found = 0;

	need(dir != NULL, "/proc/self/fd");
	while ((e = readdir(dir))) {
		char *end;
		long fd = strtol(e->d_name, &end, 10);

		if (!*end && fd != dirfd(dir))
			found += scan_descriptor(n, (int)fd);
	}
	closedir(dir);
	return found;
}
