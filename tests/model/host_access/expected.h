/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * expected.h - docs/facts/host-access.tsv and host-access-states.tsv: which cases there are,
 * and what may come of each.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "model/rmp/facts.h"

enum result {
	RESULT_OK, RESULT_EFAULT, RESULT_EINVAL, RESULT_VOID, RESULT_TRUE, RESULT_FALSE,
	RESULT_DIFFERS, RESULT_PLAIN_WRITE, RESULT_ANY,
	RESULT_OTHER,		/* in no table */
};
const char *result_name(enum result r);

enum answer { NO, YES, ANY };
enum data { DATA_NONE, DATA_SHARED, DATA_OWN, DATA_ZERO, DATA_CIPHER, DATA_STORED };
enum keeps { KEEPS_ALL, KEEPS_SPLIT, KEEPS_FILLS, KEEPS_ANY };

/* One way in which a case may end. */
struct outcome {
	enum result	result;
	struct {
		bool		moved;
		enum data	data;
		enum answer	dirty;
		enum keeps	keeps;
	} page[2];		/* the first page, the second */
	unsigned	findings_min, findings_max;
};
#define OUTCOMES	4u

struct rules {
	struct facts	 facts;
	unsigned	 column[5], result, bytes, data, dirty, finding, keeps, confidence;
	unsigned	*nr_decided;	/* by each row */
};

/* @second NULL: "-". */
struct rule_case {
	const char	*accessor, *page, *second;
	bool		 strict;
	const char	*abi;		/* 6.12, 6.18 */
};

struct rules rules_read(const char *file);
void rules_free(struct rules *r);
/*
 * The row that decides, and what it allows; counted.  The program ends where no row decides,
 * or its words are none.
 */
char *const *rules_find(struct rules *r, const struct rule_case *c, struct outcome *out,
			unsigned *nr);
const char *rules_confidence(const struct rules *r, char *const *row);

/* Does @type, of @abi, have the state in @row of the states? */
bool state_exists(const struct facts *states, char *const *row, const char *type,
		  const char *abi);
