/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run.h - the cases of one VM type and kernel ABI on their way, and the one at hand.
 */
#pragma once
#include "model/host_access/accessors.h"
#include "model/host_access/kept.h"
#include "model/host_access/states.h"

struct run {
	struct rules	 rules;
	struct facts	 states;
	struct world	*w;
	const char	*type, *abi;
	bool		 strict;
	bool		*told;		/* a mismatch of that row has been printed */
	uint64_t	 nr_compared, nr_memory, nr_design, nr_missing, nr_wrong;

	/* The case at hand. */
	const char	*page, *second;	/* states' names; second may be NULL */
	bool		 either[2];
	unsigned	 form;
	struct held	 held;
	struct access	 a;
	unsigned	 variant, nr_calls;
};

/*
 * Why what came of @x is not @o; NULL: it is.  @was, @is: before and after.
 */
const char *run_differs(struct run *t, const struct accessor *x, const struct outcome *o,
			enum result got, uint64_t findings, const struct kept *was,
			const struct kept *is);
