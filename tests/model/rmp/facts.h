/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * facts.h - a table of docs/facts with rules: tab-separated, the first row that is
 * no comment names the columns, the first rule that matches decides.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FACT_COLUMNS	32u

struct facts {
	const char	*file;
	char		*text;
	unsigned	 nr_columns;
	char		*column[FACT_COLUMNS];
	unsigned	 nr_rows;
	char		*(*row)[FACT_COLUMNS];
	uint64_t	 nr_cases, nr_wrong, nr_memory, nr_memory_wrong;
};

/* The program ends where a file cannot be read. */
struct facts facts_read(const char *file);
void facts_free(struct facts *f);

/* One case: what the columns are in it; names that are not there match anything. */
struct fact_case {
	unsigned	 n;
	const char	*name[FACT_COLUMNS], *value[FACT_COLUMNS];
};
void fact_is(struct fact_case *c, const char *name, const char *value);

/* The row that decides, counted (those from memory apart); NULL: none. */
char *const *facts_find(struct facts *f, const struct fact_case *c);
const char *fact_cell(const struct facts *f, char *const *row, const char *name);
/*
 * The case went otherwise than the row says; the first ones are printed, where the row is
 * from memory only if that is asked for.
 */
void facts_wrong(struct facts *f, const struct fact_case *c, char *const *row, const char *got);
extern bool facts_print_memory;
