/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES	1024

/* Set once by the front end before any thread exists. */
static enum log_level log_limit = LOG_WARN;

void log_set_level(enum log_level level)
{
	log_limit = level;
}

bool log_is_on(enum log_level level)
{
	return level <= log_limit;
}

static void write_line(const char *prefix, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int n = snprintf(line, sizeof(line), "softcvm: %s", prefix);
	int m = vsnprintf(line + n, sizeof(line) - n, fmt, ap);

	n = MIN(n + MAX(m, 0), (int)sizeof(line) - 2);	/* room for the end of line */
	if (line[n - 1] != '\n')
		line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;		/* nobody to tell */
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = { "error: ", "warning: ", "", "debug: " };
	va_list ap;

	if (!log_is_on(level))
		return;
	va_start(ap, fmt);
	write_line(prefix[level], fmt, ap);
	va_end(ap);
}

_Noreturn void panic_at(const char *file, int line, const char *fmt, ...)
{
	char prefix[256];
	va_list ap;

	snprintf(prefix, sizeof(prefix), "bug at %s:%d: ", file, line);
	va_start(ap, fmt);
	write_line(prefix, fmt, ap);
	va_end(ap);
	abort();
}
