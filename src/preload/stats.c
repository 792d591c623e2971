/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "preload/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define ROOM	(NR_COUNTERS * 80 + 16)

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

static int write_all(int fd, const struct stats *s)
{
	char text[ROOM];
	size_t n = stats_print(s, text, sizeof(text));

	if (ftruncate(fd, 0) || pwrite(fd, text, n, 0) != (ssize_t)n)
		return errno ? -errno : -EIO;
	return 0;
}

int stats_create(const char *path)
{
	const struct stats none = { .value = { 0 } };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, &none);
	close(fd);
	return r;
}

int stats_add(const char *path, const struct stats *s)
{
	struct stats sum = { .value = { 0 } };
	char text[ROOM];
	ssize_t n;
	int fd, r;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) && errno == EINTR)
		;
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	stats_scan(text, &sum);
	for (int i = 0; i < NR_COUNTERS; i++)
		sum.value[i] += s->value[i];
	r = write_all(fd, &sum);
	close(fd);
	return r;
}
