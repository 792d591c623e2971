/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * secret_scan.h - looks for a pattern in memory and behind descriptors without
 * ever holding it: the needle is kept xored with a key, and so is what is read.
 *
 * Reads are made by process_vm_readv on ourselves and by system calls made
 * directly, so that neither a fault nor an interposed libc stands in between.
 * Single-threaded.
 */
#ifndef TESTS_ABI_SECRET_SCAN_H
#define TESTS_ABI_SECRET_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define NEEDLE_WORDS	8	/* 64 bytes */

struct needle {
	uint64_t key;
	uint64_t masked[NEEDLE_WORDS];	/* the pattern's words, each xored with key */
};

/* A random pattern that nobody has seen. */
struct needle needle_make(void);

/* How often the pattern stands in [@p, @p + @size), at any byte; holes are passed over. */
long scan_memory(const struct needle *n, const void *p, size_t size);
/* In every readable page of this process that is backed by anything. */
long scan_process(const struct needle *n);
/* Behind every open descriptor: read at offsets, mapped, and opened again by its name. */
long scan_descriptors(const struct needle *n);

#endif
