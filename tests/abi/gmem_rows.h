/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem_rows.h - what docs/facts/gmem-mmap.tsv asks, each question by its name.
 *
 * A question gives its answer as the table has it.  NULL: this /dev/kvm cannot
 * be asked (a VM type or a guest that it has not), which ours never says.
 */
#ifndef TESTS_ABI_GMEM_ROWS_H
#define TESTS_ABI_GMEM_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kvm_user.h"

#define GMEM_SIZE	(4 * PAGE)
#define GMEM_MMAP	GUEST_MEMFD_FLAG_MMAP
#define GMEM_BOTH	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define GMEM_PUNCH	3	/* FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE */
#define GMEM_GPA	0x10000000UL

struct gmem_place {
	int	kvm, vm;	/* a VM of type 0 */
	bool	guests;		/* this KVM is known to run them */
};

struct gmem_row {
	const char *name;
	const char *(*ask)(struct gmem_place *p);
};

/* Lists that end with a name that is NULL. */
extern const struct gmem_row gmem_rows_map[], gmem_rows_slot[];

/* A VM of @type, or -1 where this KVM has no such type. */
int gmem_vm(struct gmem_place *p, unsigned type);
/* A file of @size; exits when there is none. */
int gmem_file(int vm, uint64_t size, uint64_t flags);
/* @size bytes of it, for reading and writing; exits when it cannot be mapped. */
char *gmem_map(int fd, size_t size, off_t offset);
/* The signal of a touch, or 0. */
int gmem_touch(volatile char *p, bool write);
/* SIGBUS, SIGSEGV, "0" or what it is called. */
const char *gmem_signal(int signo);
/* "0", or the name of the errno of a libc call that has returned @r. */
const char *gmem_libc(long r);
/* Good for the next 7 calls.  A number above 0 as itself, others as "0" or the errno's name: of kvm_ioctl(). */
const char *gmem_number(long r);
/* @ok: the answer that is hoped for. */
const char *gmem_is(bool ok, const char *answer);

#endif
