/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/host_access/expected.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const results[] = {
	[RESULT_OK] = "0", [RESULT_EFAULT] = "-EFAULT", [RESULT_EINVAL] = "-EINVAL",
	[RESULT_VOID] = "void", [RESULT_TRUE] = "true", [RESULT_FALSE] = "false",
	[RESULT_DIFFERS] = "differs", [RESULT_PLAIN_WRITE] = "plain-write", [RESULT_ANY] = "*",
	[RESULT_OTHER] = "something else",
};
static const char *const answers[] = { [NO] = "no", [YES] = "yes", [ANY] = "*" };
static const char *const dirts[] = { [NO] = "none", [YES] = "page", [ANY] = "*" };
static const char *const moves[] = { [NO] = "none", [YES] = "all" };
static const char *const datas[] = {
	[DATA_NONE] = "-", [DATA_SHARED] = "shared", [DATA_OWN] = "own", [DATA_ZERO] = "zero",
	[DATA_CIPHER] = "cipher", [DATA_STORED] = "stored",
};
static const char *const keeps[] = {
	[KEEPS_ALL] = "all", [KEEPS_SPLIT] = "split", [KEEPS_FILLS] = "fills", [KEEPS_ANY] = "*",
};

const char *result_name(enum result r)
{
	return results[r];
}

/* Is @value one of the words of @cell, or @cell anything? */
static bool allows(const char *cell, const char *value)
{
	size_t n = strlen(value);

	if (cell[0] == '*' && !cell[1])
		return true;
	for (const char *at = cell; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (!strncmp(at, value, n) && (!at[n] || at[n] == '|'))
			return true;
	}
	return false;
}

/* Word @i of @cell; its only one for all. */
static unsigned word(const char *cell, unsigned i, const char *const *names, unsigned nr)
{
	const char *at = cell;
	size_t n;

	for (; i && strchr(at, '|'); i--)
		at = strchr(at, '|') + 1;
	n = strcspn(at, "|");
	for (unsigned k = 0; k < nr; k++)
		if (strlen(names[k]) == n && !strncmp(names[k], at, n))
			return k;
	fprintf(stderr, "host-access: no word for a column: %s\n", cell);
	exit(2);
}
#define WORD(cell, i, names)	word(cell, i, names, sizeof(names) / sizeof(names[0]))

static unsigned column(const struct facts *f, const char *name)
{
	for (unsigned i = 0; i < f->nr_columns; i++)
		if (!strcmp(f->column[i], name))
			return i;
	fprintf(stderr, "%s: no column %s\n", f->file, name);
	exit(2);
}

struct rules rules_read(const char *file)
{
	static const char *const names[] = { "accessor", "page", "second", "mode", "abi" };
	struct rules r = { .facts = facts_read(file) };

	for (unsigned i = 0; i < 5; i++)
		r.column[i] = column(&r.facts, names[i]);
	r.result = column(&r.facts, "result");
	r.bytes = column(&r.facts, "bytes");
	r.data = column(&r.facts, "data");
	r.dirty = column(&r.facts, "dirty");
	r.finding = column(&r.facts, "finding");
	r.keeps = column(&r.facts, "keeps");
	r.confidence = column(&r.facts, "confidence");
	r.nr_decided = calloc(r.facts.nr_rows, sizeof(*r.nr_decided));
	if (!r.nr_decided)
		exit(2);
	return r;
}

void rules_free(struct rules *r)
{
	free(r->nr_decided);
	facts_free(&r->facts);
}

static char *const *look_up(const struct rules *r, const struct rule_case *c, unsigned *nr_row)
{
	const char *value[5] = { c->accessor, c->page, c->second ? c->second : "-",
				 c->strict ? "strict" : "default", c->abi };

	for (unsigned n = 0; n < r->facts.nr_rows; n++) {
		unsigned i = 0;

		while (i < 5 && allows(r->facts.row[n][r->column[i]], value[i]))
			i++;
		if (i == 5) {
			*nr_row = n;
			return r->facts.row[n];
		}
	}
	fprintf(stderr, "%s: no row for %s, %s, %s\n", r->facts.file, value[0], value[1], value[2]);
	exit(2);
}

static unsigned nr_words(const char *cell)
{
	unsigned n = 1;

	for (; (cell = strchr(cell, '|')); cell++)
		n++;
	return n;
}

/* Alternative @i of @row, with @page (0, 1) as the page that it speaks of. */
static void read_outcome(const struct rules *r, char *const *row, unsigned i, unsigned page,
			 struct outcome *o)
{
	enum answer finding = WORD(row[r->finding], i, answers);

	*o = (struct outcome){ .result = WORD(row[r->result], i, results) };
	o->page[page].moved = WORD(row[r->bytes], i, moves);
	o->page[page].data = WORD(row[r->data], i, datas);
	o->page[page].dirty = WORD(row[r->dirty], i, dirts);
	o->page[page].keeps = WORD(row[r->keeps], i, keeps);
	o->findings_min = finding == YES;
	o->findings_max = finding != NO;
}

static bool is_each(const struct rules *r, char *const *row)
{
	return !strcmp(row[r->result], "each");
}

static void add(struct outcome *out, unsigned *nr, const struct outcome *o)
{
	if (*nr == OUTCOMES)
		exit((fprintf(stderr, "host-access: too many alternatives\n"), 2));
	out[(*nr)++] = *o;
}

/* "each": what the plain accessor of this direction does with the one page, then with the other. */
static void each(const struct rules *r, const struct rule_case *c, struct outcome *out,
		 unsigned *nr)
{
	const char *plain = strstr(c->accessor, "read") ? "read" :
			    strstr(c->accessor, "write") ? "write" : c->accessor;
	struct rule_case one = { plain, c->page, NULL, c->strict, c->abi };
	struct rule_case two = { plain, c->second, NULL, c->strict, c->abi };
	unsigned unused;
	char *const *first = look_up(r, &one, &unused), *const *second = look_up(r, &two, &unused);

	for (unsigned i = 0; i < nr_words(first[r->result]); i++) {
		struct outcome a, b;

		read_outcome(r, first, i, 0, &a);
		if (a.result != RESULT_OK)
			add(out, nr, &a);
		for (unsigned k = 0; a.result == RESULT_OK && k < nr_words(second[r->result]); k++) {
			read_outcome(r, second, k, 1, &b);
			b.page[0] = a.page[0];
			b.findings_min += a.findings_min;
			b.findings_max += a.findings_max;
			add(out, nr, &b);
		}
	}
}

char *const *rules_find(struct rules *r, const struct rule_case *c, struct outcome *out,
			unsigned *nr)
{
	unsigned n;
	char *const *row = look_up(r, c, &n);

	r->nr_decided[n]++;
	*nr = 0;
	if (is_each(r, row)) {
		each(r, c, out, nr);
		return row;
	}
	for (unsigned i = 0; i < nr_words(row[r->result]); i++) {
		struct outcome o;

		read_outcome(r, row, i, 0, &o);
		add(out, nr, &o);
	}
	return row;
}

const char *rules_confidence(const struct rules *r, char *const *row)
{
	return row[r->confidence];
}

bool state_exists(const struct facts *states, char *const *row, const char *type, const char *abi)
{
	return allows(fact_cell(states, row, "types"), type) &&
	       allows(fact_cell(states, row, "abi"), abi);
}
