/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "cli/summary.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "preload/stats.h"
#include "trace/counters.h"

/* The counter that @at names, up to a comma; -1: none. */
static int counter_at(const char *at, size_t *len)
{
	*len = strcspn(at, ",");
	for (int i = 0; i < NR_COUNTERS; i++) {
		if (strlen(counter_name(i)) == *len && !strncmp(counter_name(i), at, *len))
			return i;
	}
	return -1;
}

static const char *next(const char *at, size_t len)
{
	return at + len + (at[len] == ',');
}

const char *summary_unknown(const char *list, size_t *len)
{
	for (; *list; list = next(list, *len)) {
		if (counter_at(list, len) < 0)
			return list;
	}
	return NULL;
}

int summary_print(const char *list, const char *stats)
{
	char text[NR_COUNTERS * 80 + 16];
	int fd = open(stats, O_RDONLY | O_CLOEXEC);
	struct stats s = { .value = { 0 } };
	const char *between = "";
	ssize_t n;
	size_t len;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	stats_scan(text, &s);
	fputs("softcvm: ", stderr);
	for (; *list; list = next(list, len)) {
		int c = counter_at(list, &len);

		fprintf(stderr, "%s%.*s %" PRIu64, between, (int)len, list, c < 0 ? 0 : s.value[c]);
		between = ", ";
	}
	fputc('\n', stderr);
	return 0;
}
