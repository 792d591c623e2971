/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/page.h"
#include "os/memory.h"

#define ROOM	(NR_COUNTERS * 80 + 16)

struct stats_slot {
	struct stats	published;		/* under the lock of FILE: in it already */
	char		counters[] CACHE_ALIGNED;
};

/*
 * The live file is slots of this size, without end.  A process that dies while
 * it claims one leaves zeros: nothing counted.
 */
#define SLOT_SIZE	((size_t)(8 * PAGE_SIZE))

void stats_scan(const char *text, struct stats *s)
{
	char key[80];

	for (int i = 0; i < NR_COUNTERS; i++) {
		const char *at;

		snprintf(key, sizeof(key), "\"%s\": ", counter_name(i));
		at = strstr(text, key);
		if (at)
			s->value[i] = strtoull(at + strlen(key), NULL, 10);
	}
}

size_t stats_print(const struct stats *s, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "{");

	for (int i = 0; i < NR_COUNTERS; i++)
		n += (size_t)snprintf(n < size ? text + n : NULL, n < size ? size - n : 0,
				      "%s\n  \"%s\": %" PRIu64, i ? "," : "", counter_name(i),
				      s->value[i]);
	return n + (size_t)snprintf(n < size ? text + n : NULL, n < size ? size - n : 0, "\n}\n");
}

/* One write, and no emptying before it: whoever is killed here leaves a whole text. */
static int write_all(int fd, const struct stats *s)
{
	char text[ROOM];
	size_t n = stats_print(s, text, sizeof(text));

	if (pwrite(fd, text, n, 0) != (ssize_t)n || ftruncate(fd, (off_t)n))
		return errno ? -errno : -EIO;
	return 0;
}

static bool live_name(const char *path, char *out, size_t size)
{
	return (size_t)snprintf(out, size, "%s.live", path) < size;
}

static void live_create(const char *path)
{
	char live[PATH_MAX];
	struct stat st;
	int fd;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || !live_name(path, live, sizeof(live)))
		return;
	unlink(live);
	fd = open(live, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd >= 0)
		close(fd);
}

int stats_create(const char *path)
{
	const struct stats none = { .value = { 0 } };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, &none);
	close(fd);
	if (!r)
		live_create(path);
	return r;
}

/* The lock goes with the last descriptor of the file: a dead process holds none. */
static int open_locked(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) && errno == EINTR)
		;
	return fd;
}

/* The live file: a descriptor, and how many slots it has, begun ones too. */
static int open_live(const char *path, uint64_t *nr)
{
	char live[PATH_MAX];
	struct stat st;
	int fd;

	if (!live_name(path, live, sizeof(live)))
		return -ENAMETOOLONG;
	fd = open(live, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		close(fd);
		return -EIO;
	}
	*nr = ((uint64_t)st.st_size + SLOT_SIZE - 1) / SLOT_SIZE;
	return fd;
}

/* A new slot at the end, its blocks there: a full disk must be met now, not while counting. */
static struct stats_slot *claim_live(const char *path)
{
	struct stats_slot *slot = NULL;
	int lock = open_locked(path), fd;
	uint64_t nr;

	if (lock < 0)
		return NULL;
	fd = open_live(path, &nr);
	if (fd >= 0) {
		if (!posix_fallocate(fd, (off_t)(nr * SLOT_SIZE), SLOT_SIZE))
			slot = os_map_shared(fd, nr * SLOT_SIZE, SLOT_SIZE);
		close(fd);
	}
	close(lock);
	return slot;
}

struct stats_slot *stats_slot_claim(const char *path)
{
	struct stats_slot *slot = claim_live(path);

	if (!slot)
		slot = os_map_shared_anonymous(SLOT_SIZE);
	if (slot && !counters_place(slot->counters, SLOT_SIZE - sizeof(*slot), NR_COUNTERS))
		panic("a slot of %zu bytes is too small", SLOT_SIZE);
	return slot;
}

int stats_slot_renew(const char *path, struct stats_slot *slot)
{
	struct stats_slot *own = stats_slot_claim(path);
	int r;

	if (!own)
		return -ENOMEM;
	r = os_map_again(own, SLOT_SIZE, slot, PROT_READ | PROT_WRITE);
	os_unmap(own, SLOT_SIZE);
	return r;
}

struct counters *stats_slot_counters(struct stats_slot *slot)
{
	return slot ? (struct counters *)(void *)slot->counters : NULL;
}

/* @fd is FILE, locked. */
static int publish(int fd, struct stats_slot *slot)
{
	struct stats sum = { .value = { 0 } }, now;
	char text[ROOM];
	ssize_t n;
	int r;

	for (int i = 0; i < NR_COUNTERS; i++)
		now.value[i] = counter_read(stats_slot_counters(slot), i);
	if (!memcmp(&now, &slot->published, sizeof(now)))
		return 0;
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	stats_scan(text, &sum);
	for (int i = 0; i < NR_COUNTERS; i++)
		sum.value[i] += now.value[i] - slot->published.value[i];
	r = write_all(fd, &sum);
	if (!r)
		slot->published = now;
	return r;
}

int stats_publish(const char *path, struct stats_slot *slot)
{
	int fd = open_locked(path), r;

	if (fd < 0)
		return fd;
	r = publish(fd, slot);
	close(fd);
	return r;
}

static int publish_live(int fd, int live, uint64_t nr)
{
	int r = 0;

	/* What a claimer left half made is made whole, to be looked at. */
	if (ftruncate(live, (off_t)(nr * SLOT_SIZE)))
		return -errno;
	for (uint64_t i = 0; i < nr && !r; i++) {
		struct stats_slot *slot = os_map_shared(live, i * SLOT_SIZE, SLOT_SIZE);

		if (!slot)
			return -ENOMEM;
		r = publish(fd, slot);
		os_unmap(slot, SLOT_SIZE);
	}
	return r;
}

int stats_collect(const char *path)
{
	int fd = open_locked(path), live, r = 0;
	char name[PATH_MAX];
	uint64_t nr;

	if (fd < 0)
		return fd;
	live = open_live(path, &nr);
	if (live >= 0) {
		r = publish_live(fd, live, nr);
		close(live);
		if (live_name(path, name, sizeof(name)))
			unlink(name);
	}
	close(fd);
	return r;
}
