/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * maps.h - what files the process has mapped, and where, from the kernel
 * (/proc/self/maps).  Any thread; a snapshot, taken piece by piece.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

struct os_mapping {
	uint64_t	start, end;	/* addresses, page aligned */
	uint64_t	offset;		/* of start, in the file: bytes */
	dev_t		dev;		/* as stat(2) has them */
	ino_t		ino;
	bool		is_shared;	/* not a copy of its own */
	uint8_t		rights;		/* PROT_READ, PROT_WRITE, PROT_EXEC */
	bool		is_writable;
	const char	*path;		/* while os_for_each_mapping()'s @fn runs; else NULL */
};

/* @fn of each mapping of a file, in order of address, until it answers false.  -errno. */
MUST_CHECK int os_for_each_mapping(bool (*fn)(const struct os_mapping *m, void *arg), void *arg);
/* The mapping that @p lies in, of a file (else ino is 0) or not.  -ENOENT: none. */
MUST_CHECK int os_mapping_of(const void *p, struct os_mapping *out);
