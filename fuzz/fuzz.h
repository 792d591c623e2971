/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fuzz.h - what a fuzz target needs: its input as a stream, and a way to say
 * that something must not be.
 *
 * A target defines LLVMFuzzerTestOneInput().  Linked with libFuzzer (option
 * fuzz) it is guided by coverage; linked with drive.c it runs on inputs from a
 * seeded generator, which `make check` does for a moment.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t	*at, *end;
};

/* The next byte; zeros when there is no more. */
static inline uint8_t take8(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static inline uint64_t take(struct input *in, size_t len)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++)
		v |= (uint64_t)take8(in) << 8 * i;
	return v;
}

#define MUST(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: must be: %s\n", __FILE__, __LINE__, #cond); \
			abort();					\
		}							\
	} while (0)
