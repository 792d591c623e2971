/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * verb.h - what the program can be told to do: one file each.
 */
#pragma once

#include "base/macros.h"

enum {
	EXIT_USAGE		= 2,
	EXIT_NOT_EXECUTABLE	= 126,
	EXIT_NOT_FOUND		= 127,
};

struct verb {
	const char	*name, *arguments, *about;
	int		(*run)(int argc, char **argv);	/* argv[0]: the verb; the exit status */
};

extern const struct verb verbs[];		/* ends with a row without name */

int verb_exec(int argc, char **argv);
int verb_run(int argc, char **argv);
int verb_capabilities(int argc, char **argv);

/* Words that exec's option takes, value included: 1 or 2; 0: exec has no such option. */
int exec_option_words(const char *word);

/* One line on standard error and a hint; EXIT_USAGE. */
int usage_error(const char *fmt, ...) PRINTF(1, 2);
