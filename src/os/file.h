/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * file.h - descriptors, asked of the kernel itself: no libc name on the way
 * that our own front end interposes.  Any thread, async-signal-safe.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/macros.h"

/* 0 or -errno. */
MUST_CHECK int os_fstat(int fd, struct stat *st);
void os_close(int fd);
/* 0 or -errno. */
MUST_CHECK int os_fallocate(int fd, int mode, int64_t offset, int64_t len);

/*
 * Keeps the eventfd @fd: a descriptor of our own for it, with a high number, and
 * *@id, which no other living eventfd has.  -EBADF, -EINVAL (not an eventfd),
 * -EMFILE.
 */
MUST_CHECK int os_eventfd_hold(int fd, uint64_t *id);
/* Only the *@id of @fd: 0, -EBADF, -EINVAL. */
MUST_CHECK int os_eventfd_id(int fd, uint64_t *id);
/* Adds 1 to it. */
void os_eventfd_signal(int held);
/* Back to 0, or 1 less (EFD_SEMAPHORE); nothing when it is 0. */
void os_eventfd_drain(int held);

/*
 * Waiting for many descriptors at once.  One thread waits; any may add and
 * remove.  @stop_id: what os_poll_wait() answers after os_poll_stop().
 */
struct os_poll;
MUST_CHECK struct os_poll *os_poll_create(uint64_t stop_id);	/* NULL: not possible */
void os_poll_destroy(struct os_poll *p);	/* nobody waits; NULL is fine */
MUST_CHECK int os_poll_add(struct os_poll *p, int fd, uint64_t id);	/* -errno */
void os_poll_remove(struct os_poll *p, int fd);
/* The id of a descriptor that can be read.  It is named again until somebody has. */
uint64_t os_poll_wait(struct os_poll *p);
void os_poll_stop(struct os_poll *p);

/*
 * A descriptor of ours, with a high number, that appends to @path (made when it
 * is not there), or to standard error when that is NULL.  Or -errno.
 */
MUST_CHECK int os_open_for_lines(const char *path);
/* All of it, if need be in pieces: bytes *not* written, 0 on success; @err: why, a positive errno. */
MUST_CHECK size_t os_write_all(int fd, const void *p, size_t n, int *err);

/*
 * Opens what @fd is again with other @flags of open(2), under the same number.
 * False, and nothing changed, where /proc is not there.
 */
bool os_reopen(int fd, int flags);
