/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

struct report_row {
	char *key;
	const char *unit;
	double median, min, max;
	size_t n;
	bool is_goal, met;
	enum goal goal;
	double limit;
};

void cannot(const char *format, ...)
{
	va_list args;

	fputs("bench: cannot measure: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (errno: %s)\n", strerror(errno));
	exit(1);
}

static double read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

double cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* The processors of the process, before any thread was pinned. */
static cpu_set_t *allowed(void)
{
	static cpu_set_t set;
	static bool known;

	if (!known && sched_getaffinity(0, sizeof(set), &set))
		cannot("sched_getaffinity");
	known = true;
	return &set;
}

unsigned nr_processors(void)
{
	return (unsigned)CPU_COUNT(allowed());
}

void pin_to(unsigned n)
{
	cpu_set_t one;

	n %= nr_processors();
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, allowed()) || n--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			cannot("sched_setaffinity");
		return;
	}
}

/* ---- series ------------------------------------------------------------- */

void series_add(struct series *s, double value)
{
	s->v = realloc(s->v, (s->n + 1) * sizeof(*s->v));
	if (!s->v)
		cannot("no memory");
	s->v[s->n++] = value;
}

void series_free(struct series *s)
{
	free(s->v);
	*s = (struct series){ 0 };
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double series_median(const struct series *s)
{
	double *sorted = malloc(s->n * sizeof(*sorted)), m;

	if (!s->n || !sorted)
		cannot("no values");
	memcpy(sorted, s->v, s->n * sizeof(*sorted));
	qsort(sorted, s->n, sizeof(*sorted), by_value);
	m = s->n % 2 ? sorted[s->n / 2] : (sorted[s->n / 2 - 1] + sorted[s->n / 2]) / 2;
	free(sorted);
	return m;
}

/* ---- the machine -------------------------------------------------------- */

static void processor_name(char *name, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(name, size, "an unnamed processor");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strstr(line, ": ");

		if (strncmp(line, "model name", 10) || !colon)
			continue;
		snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
		break;
	}
	if (f)
		fclose(f);
}

static void print_machine(const struct report *r)
{
	char name[128];
	struct utsname u;
	double load = 0;

	processor_name(name, sizeof(name));
	uname(&u);
	if (getloadavg(&load, 1) != 1)
		load = -1;
	printf(r->json ? "{\"benchmark\": \"%s\", \"machine\": {\"cpu\": \"%s\", \"processors\": %u, "
			 "\"kernel\": \"%s\", \"load\": %.2f}, \"runs\": %d,\n \"results\": ["
		       : "%s\nmachine: %s, %u processors, Linux %s, load %.2f; %d runs, "
			 "median (min .. max)\n",
	       r->name, name, nr_processors(), u.release, load, r->runs);
	fflush(stdout);
}

/* ---- the report --------------------------------------------------------- */

/* Before all others on this machine; the threads made later inherit it. */
static void go_first(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &first))
		cannot("--realtime wants root");
}

static _Noreturn void usage(const char *name, const char *about, int runs)
{
	printf("usage: %s [--json] [--runs N] [--realtime]\n\n%s\n\n"
	       "  --json      one JSON object\n"
	       "  --runs N    measure everything N times (default %d)\n"
	       "  --realtime  before everything else on this machine; wants root\n", name, about, runs);
	exit(0);
}

void report_begin(struct report *r, const char *name, const char *about, int default_runs,
		  int *argc, char **argv)
{
	int kept = 1;

	*r = (struct report){ .name = name, .runs = default_runs };
	for (int i = 1; i < *argc; i++) {
		if (!strcmp(argv[i], "--json"))
			r->json = true;
		else if (!strcmp(argv[i], "--realtime"))
			go_first();
		else if (!strcmp(argv[i], "--help"))
			usage(name, about, default_runs);
		else if (!strcmp(argv[i], "--runs") && i + 1 < *argc)
			r->runs = atoi(argv[++i]);
		else
			argv[kept++] = argv[i];
	}
	*argc = kept;
	if (r->runs < 1) {
		fprintf(stderr, "%s: --runs wants a number from 1\n", name);
		exit(2);
	}
	print_machine(r);
}

static struct report_row *add_row(struct report *r, const char *key, const char *unit)
{
	struct report_row *row;

	r->rows = realloc(r->rows, (r->nr_rows + 1) * sizeof(*r->rows));
	if (!r->rows)
		cannot("no memory");
	row = &r->rows[r->nr_rows++];
	*row = (struct report_row){ .key = strdup(key), .unit = unit };
	return row;
}

void report_say(struct report *r, const char *format, ...)
{
	va_list args;

	if (r->json)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* 12345678 as "12 345 678", 1.234 as "1.23". */
static const char *number(char *buf, size_t size, double v)
{
	char digits[64], *to = buf;
	size_t n;

	if (fabs(v) < 100)
		snprintf(buf, size, fabs(v - round(v)) < 0.005 ? "%.0f" : "%.2f", v);
	if (fabs(v) < 100)
		return buf;
	n = (size_t)snprintf(digits, sizeof(digits), "%.0f", v);
	for (size_t i = 0; i < n && (size_t)(to - buf) + 2 < size; i++) {
		if (i && (n - i) % 3 == 0)
			*to++ = ' ';
		*to++ = digits[i];
	}
	*to = '\0';
	return buf;
}

void report_series(struct report *r, const char *key, const char *label, const char *unit,
		   const struct series *s)
{
	struct report_row *row = add_row(r, key, unit);
	char a[64], b[64], c[64];

	row->n = s->n;
	row->median = series_median(s);
	row->min = row->max = s->v[0];
	for (size_t i = 1; i < s->n; i++) {
		row->min = fmin(row->min, s->v[i]);
		row->max = fmax(row->max, s->v[i]);
	}
	report_say(r, "  %-46s %14s %-10s (%s .. %s)", label, number(a, sizeof(a), row->median), unit,
		   number(b, sizeof(b), row->min), number(c, sizeof(c), row->max));
}

void report_value(struct report *r, const char *key, const char *label, const char *unit, double v)
{
	struct report_row *row = add_row(r, key, unit);
	char a[64];

	row->n = 1;
	row->median = row->min = row->max = v;
	report_say(r, "  %-46s %14s %s", label, number(a, sizeof(a), v), unit);
}

void report_goal(struct report *r, const char *key, const char *label, double value, enum goal goal,
		 double limit, const char *unit)
{
	struct report_row *row = add_row(r, key, unit);
	char a[64], b[64];

	row->n = 1;
	row->median = row->min = row->max = value;
	row->is_goal = true;
	row->goal = goal;
	row->limit = limit;
	row->met = goal == AT_MOST ? value <= limit : value >= limit;
	r->nr_missed += !row->met;
	report_say(r, "  %-6s %-39s %14s %-10s (at %s %s)", row->met ? "goal" : "MISSED", label,
		   number(a, sizeof(a), value), unit, goal == AT_MOST ? "most" : "least",
		   number(b, sizeof(b), limit));
}

static void print_json_row(const struct report_row *row, bool first)
{
	printf("%s\n  {\"key\": \"%s\", \"unit\": \"%s\", \"median\": %.9g, \"min\": %.9g, "
	       "\"max\": %.9g, \"n\": %zu", first ? "" : ",", row->key, row->unit, row->median,
	       row->min, row->max, row->n);
	if (row->is_goal)
		printf(", \"%s\": %.9g, \"met\": %s", row->goal == AT_MOST ? "at_most" : "at_least",
		       row->limit, row->met ? "true" : "false");
	putchar('}');
}

int report_end(struct report *r)
{
	size_t goals = 0;

	for (size_t i = 0; i < r->nr_rows; i++) {
		goals += r->rows[i].is_goal;
		if (r->json)
			print_json_row(&r->rows[i], i == 0);
	}
	if (r->json)
		printf("],\n \"goals\": %zu, \"missed\": %zu}\n", goals, r->nr_missed);
	else if (goals)
		printf("%s: %zu of %zu goals met\n", r->name, goals - r->nr_missed, goals);
	for (size_t i = 0; i < r->nr_rows; i++)
		free(r->rows[i].key);
	free(r->rows);
	return 0;
}
