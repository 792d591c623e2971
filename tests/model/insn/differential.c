/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * differential.c - every form of the implemented list, with random operands
 * and states, on this machine's own processor and on the model: registers,
 * segment registers, defined flags, x87 and vector state and memory must
 * agree, and for what faults vector, error code, CR2 and RIP.
 *
 * usage: insn-differential [--mode 16|32|64] [--rounds N | --time SECONDS] [--seed N]
 *                     [--form TEXT] [--go-on] [--verbose]
 *
 * The seed is printed; the same one repeats a run.  Exit status 1: they differ.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/macros.h"
#include "model/insn/compare.h"
#include "model/insn/generate.h"
#include "model/insn/not_compared.h"

static struct {
	int		only_mode;		/* 0: all */
	unsigned long	rounds, seconds;
	const char	*form;
	bool		go_on, verbose;
} options;

struct tally {
	unsigned long	forms, compared, skipped, runs, faulted, differences, never_done;
};

static time_t begun;

static bool time_is_up(void)
{
	return options.seconds && (unsigned long)(time(NULL) - begun) >= options.seconds;
}

static void show_bytes(const struct insn *i)
{
	unsigned k;

	for (k = 0; k < i->len; k++)
		fprintf(stderr, " %02x", i->bytes[k]);
	fputc('\n', stderr);
}

/* True: the two agree. */
static bool run_once(const struct form *f, struct tally *t, bool *done)
{
	uint64_t seed = random_seed;
	struct world before, real, model;
	struct insn i;
	char name[FORM_NAME_MAX];

	memset(&before, 0, sizeof(before));
	default_fx(before.fx);
	before.in_use = 7;
	do
		*done = generate_insn(f, &i);
	while (!*done && !(random_u64() % 64 == 0));
	if (!*done || !is_worth_it(&i)) {
		*done = false;
		return true;
	}
	generate_world(&i, &before);
	if (!is_worth_running(&i, &before)) {
		*done = false;
		return true;
	}
	real = model = before;
	native_run(&real);
	model_run(&model);
	t->runs++;
	t->faulted += real.vector != X86_BP && real.vector != X86_DB;
	if (compare_worlds(&i, &before, &real, &model))
		return true;
	form_name(f->key, name, sizeof(name));
	fprintf(stderr, "%s in %u-bit mode, seed %#" PRIx64 ":", name, 16u << f->mode, seed);
	show_bytes(&i);
	compare_report(&i, &before, &real, &model);
	repair_worlds();
	t->differences++;
	return false;
}

static void run_form(const struct form *f, struct tally *t)
{
	unsigned long done = 0, tries, faults = t->faulted, differences = t->differences;
	bool one;

	for (tries = 0; done < options.rounds && tries < 20 * options.rounds + 1000; tries++) {
		if (!run_once(f, t, &one) && (!options.go_on || t->differences > differences + 2))
			return;
		done += one;
	}
	if (done < options.rounds) {
		char name[FORM_NAME_MAX];

		form_name(f->key, name, sizeof(name));
		fprintf(stderr, "%s: only %lu of %lu instructions came out\n", name, done,
			options.rounds);
		t->differences++;
	}
	t->compared++;
	t->never_done += t->faulted - faults == done;
	if (options.verbose) {
		setlinebuf(stdout);
		char name[FORM_NAME_MAX];

		form_name(f->key, name, sizeof(name));
		printf("%-40s %lu runs, %lu faults\n", name, done, t->faulted - faults);
	}
}

static bool is_chosen(uint64_t key)
{
	char name[FORM_NAME_MAX];

	form_name(key, name, sizeof(name));
	return !options.form || strstr(name, options.form);
}

static void run_mode(enum x86_mode mode, struct tally *total)
{
	struct form_list l = form_list_of(mode);
	struct tally t = { 0 };
	size_t k;

	for (k = 0; k < l.nr && !time_is_up() && (options.go_on || !t.differences); k++) {
		if (!is_chosen(l.form[k].key))
			continue;
		t.forms++;
		if (not_compared_why(l.form[k].key))
			t.skipped++;
		else
			run_form(&l.form[k], &t);
	}
	printf("%u-bit: %lu forms, %lu compared in %lu runs (%lu faulted; %lu forms always), "
	       "%lu not compared, %lu differences\n", 16u << mode, t.forms, t.compared, t.runs,
	       t.faulted, t.never_done, t.skipped, t.differences);
	fflush(stdout);
	total->differences += t.differences;
	form_list_free(&l);
}

static int usage(void)
{
	fprintf(stderr, "usage: insn-differential [--mode 16|32|64] [--rounds N | --time SECONDS] "
		"[--seed N] [--form TEXT] [--go-on] [--verbose]\n");
	return 2;
}

static bool parse(int argc, char **argv)
{
	int k;

	for (k = 1; k < argc; k++) {
		const char *v = k + 1 < argc ? argv[k + 1] : "";

		if (!strcmp(argv[k], "--go-on"))
			options.go_on = true;
		else if (!strcmp(argv[k], "--verbose"))
			options.verbose = true;
		else if (!strcmp(argv[k], "--mode"))
			options.only_mode = atoi(v), k++;
		else if (!strcmp(argv[k], "--rounds"))
			options.rounds = strtoul(v, NULL, 0), k++;
		else if (!strcmp(argv[k], "--time"))
			options.seconds = strtoul(v, NULL, 0), k++;
		else if (!strcmp(argv[k], "--seed"))
			random_seed = strtoull(v, NULL, 0), k++;
		else if (!strcmp(argv[k], "--form"))
			options.form = v, k++;
		else
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct tally total = { 0 };
	uint64_t seed;
	unsigned m;

	if (getrandom(&random_seed, sizeof(random_seed), 0) < 0 || !parse(argc, argv))
		return usage();
	random_seed |= !random_seed;
	if (!options.rounds)		/* by time: all forms again and again */
		options.rounds = options.seconds ? 50 : 500;
	printf("seed %#" PRIx64 "\n", random_seed);
	fflush(stdout);
	if (!native_init()) {
		fprintf(stderr, "this machine does not let a program set segments or FS\n");
		return 1;
	}
	model_init();
	seed = random_seed;
	compare_init();
	random_seed = seed;		/* that of a difference repeats it at once */
	begun = time(NULL);
	do {
		for (m = X86_MODE_16; m <= X86_MODE_64; m++)
			if (!options.only_mode || options.only_mode == 16 << m)
				run_mode((enum x86_mode)m, &total);
	} while (options.seconds && !time_is_up() && !total.differences);
	not_compared_report(options.only_mode);
	model_fini();
	return total.differences != 0;
}
