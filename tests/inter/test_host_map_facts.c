/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_host_map_facts.c - every row of docs/facts/host-map.tsv, in the order of its events.
 *
 * usage: test_inter_host_map_facts docs/facts/host-map.tsv
 */
#include "map_rows.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/rmp/facts.h"

/* What the program says where a row has "yes" in the column assert. */
static const char *const said[] = {
	"vcpu->nr_short_maps",
	"srcu_synchronize inside a section",
};

static struct facts facts;

static bool cell_is(unsigned i, const char *column, const char *value)
{
	return !strcmp(fact_cell(&facts, facts.row[i], column), value);
}

static struct row row_of(unsigned i)
{
	struct row row = {
		.sequence = fact_cell(&facts, facts.row[i], "sequence"),
		.change = fact_cell(&facts, facts.row[i], "change"),
		.visible = fact_cell(&facts, facts.row[i], "visible"),
		.pointer = fact_cell(&facts, facts.row[i], "pointer"),
		.short_term = cell_is(i, "mode", "short-term"),
	};

	assert_true(row.short_term || cell_is(i, "mode", "upstream"));
	return row;
}

static void run_ghcb(struct row *row)
{
	for (int es = 0; es < 2; es++) {
		struct row *r = row;

		/* A guest of SEV-ES alone has no attributes. */
		r->is_es = es;
		if (es && row_has(r, "private"))
			continue;
		row_parse(r);
		row_run_ghcb(r);
	}
}

static void run(struct row *row)
{
	row_parse(row);
	if (strstr(row->sequence, "(GHCB)"))
		run_ghcb(row);
	else
		row_run_plain(row);
}

/* Stopped by one of the rules, on the way out of the schedule. */
static void run_to_its_end(struct row *row)
{
	char text[500] = "";
	int fd[2], status;
	pid_t child;
	bool known = false;

	assert_int_equal(pipe(fd), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		dup2(fd[1], STDERR_FILENO);
		run(row);
		_exit(0);
	}
	close(fd[1]);
	for (size_t n = 0; n < sizeof(text) - 1;) {
		ssize_t got = read(fd[0], text + n, sizeof(text) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	for (size_t i = 0; i < ARRAY_SIZE(said); i++)
		known |= strstr(text, said[i]) != NULL;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !known)
		fail_msg("%s: is to be stopped: %s", row->sequence, text);
}

static void every_row(void **unused)
{
	unsigned nr[2] = { 0, 0 };

	(void)unused;
	for (unsigned i = 0; i < facts.nr_rows; i++) {
		struct row row = row_of(i);

		nr[row.short_term]++;
		if (cell_is(i, "assert", "yes"))
			run_to_its_end(&row);
		else
			run(&row);
	}
	print_message("%u rows upstream, %u short-term\n", nr[0], nr[1]);
	assert_true(nr[0] && nr[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row) };
	int r;

	if (argc != 2)
		return 2;
	facts = facts_read(argv[1]);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	facts_free(&facts);
	return r;
}
