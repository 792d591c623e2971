/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/rmp/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRINTED	10u

bool facts_print_memory;

static char *contents(const char *file)
{
	FILE *in = fopen(file, "r");
	char *text = NULL;
	long size;

	if (in && !fseek(in, 0, SEEK_END) && (size = ftell(in)) >= 0) {
		rewind(in);
		text = calloc(1, (size_t)size + 1);
		if (text && fread(text, 1, (size_t)size, in) != (size_t)size)
			text[0] = 0;
	}
	if (!text || !text[0]) {
		fprintf(stderr, "%s: cannot be read\n", file);
		exit(2);
	}
	fclose(in);
	return text;
}

static unsigned split(char *line, char **cell)
{
	unsigned n = 0;

	for (char *at = line; at && n < FACT_COLUMNS; n++) {
		cell[n] = at;
		at = strchr(at, '\t');
		if (at)
			*at++ = 0;
	}
	return n;
}

struct facts facts_read(const char *file)
{
	struct facts f = { .file = file, .text = contents(file) };
	char *rest = f.text, *line;
	size_t nr_lines = 1;

	for (const char *p = f.text; *p; p++)
		nr_lines += *p == '\n';
	f.row = calloc(nr_lines, sizeof(*f.row));
	while (f.row && (line = strsep(&rest, "\n"))) {
		if (!*line || *line == '#')
			continue;
		if (!f.nr_columns)
			f.nr_columns = split(line, f.column);
		else if (split(line, f.row[f.nr_rows]) == f.nr_columns)
			f.nr_rows++;
		else
			exit((fprintf(stderr, "%s: %s: columns\n", file, line), 2));
	}
	return f;
}

void facts_free(struct facts *f)
{
	free(f->row);
	free(f->text);
}

void fact_is(struct fact_case *c, const char *name, const char *value)
{
	c->name[c->n] = name;
	c->value[c->n++] = value;
}

static bool allows(const char *cell, const char *value)
{
	size_t n = strlen(value);

	if (!strcmp(cell, "*"))
		return true;
	for (const char *at = cell; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (!strncmp(at, value, n) && (!at[n] || at[n] == '|'))
			return true;
	}
	return false;
}

const char *fact_cell(const struct facts *f, char *const *row, const char *name)
{
	for (unsigned i = 0; i < f->nr_columns; i++)
		if (!strcmp(f->column[i], name))
			return row[i];
	fprintf(stderr, "%s: no column %s\n", f->file, name);
	exit(2);
}

static bool is_memory(const struct facts *f, char *const *row)
{
	return row && !strcmp(fact_cell(f, row, "confidence"), "memory");
}

char *const *facts_find(struct facts *f, const struct fact_case *c)
{
	unsigned r, i;

	for (r = 0; r < f->nr_rows; r++) {
		for (i = 0; i < c->n; i++)
			if (!allows(fact_cell(f, f->row[r], c->name[i]), c->value[i]))
				break;
		if (i == c->n)
			break;
	}
	if (r == f->nr_rows) {
		facts_wrong(f, c, NULL, "no rule");
		return NULL;
	}
	*(is_memory(f, f->row[r]) ? &f->nr_memory : &f->nr_cases) += 1;
	return f->row[r];
}

void facts_wrong(struct facts *f, const struct fact_case *c, char *const *row, const char *got)
{
	bool memory = is_memory(f, row);
	uint64_t *nr = memory ? &f->nr_memory_wrong : &f->nr_wrong;

	if ((*nr)++ >= PRINTED || (memory && !facts_print_memory))
		return;
	fprintf(stderr, "%s:", f->file);
	for (unsigned i = 0; i < c->n; i++)
		fprintf(stderr, " %s=%s", c->name[i], c->value[i]);
	fprintf(stderr, ": got %s (%s)\n", got, row ? fact_cell(f, row, "source") : "-");
}
