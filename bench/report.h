/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * report.h - what every benchmark prints: the machine, medians with their
 * spread, and whether the goals are met.
 *
 * A benchmark is never a test: it fails (exit status 1) only when it could not
 * measure, or measured something that did wrong.  With --json one object is
 * all that goes to standard output.  Not for two threads at a time.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct report_row;

struct report {
	const char *name;
	bool json;
	int runs;			/* --runs N: how often each thing is measured */
	struct report_row *rows;
	size_t nr_rows;
	size_t nr_missed;		/* goals */
};

/* Values of one thing, one a run. */
struct series {
	double *v;
	size_t n;
};

/*
 * Reads --json, --runs N and --help; what is left is @argv again.  Prints the
 * name and the machine.
 */
void report_begin(struct report *r, const char *name, const char *about, int default_runs,
		  int *argc, char **argv);
int report_end(struct report *r);

/* A heading, or a remark, in the text only. */
void report_say(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* @key: words and dots, for machines; @label for people. */
void report_series(struct report *r, const char *key, const char *label, const char *unit,
		   const struct series *s);
void report_value(struct report *r, const char *key, const char *label, const char *unit, double v);

enum goal { AT_MOST, AT_LEAST };
void report_goal(struct report *r, const char *key, const char *label, double value, enum goal goal,
		 double limit, const char *unit);

void series_add(struct series *s, double value);
double series_median(const struct series *s);
void series_free(struct series *s);

double now_ns(void);		/* the clock on the wall */
double cpu_ns(void);		/* what this thread has used: not the time of others */
/* This thread from now on runs on the @n-th of the processors that we may use. */
void pin_to(unsigned n);
unsigned nr_processors(void);
/* Exits with the reason. */
_Noreturn void cannot(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
