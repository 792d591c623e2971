/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * file.h - descriptors, asked of the kernel itself: no libc name on the way
 * that our own front end interposes.  Any thread, async-signal-safe.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/macros.h"

/* 0 or -errno. */
MUST_CHECK int os_fstat(int fd, struct stat *st);
void os_close(int fd);

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

/*
 * Opens what @fd is again with other @flags of open(2), under the same number.
 * False, and nothing changed, where /proc is not there.
 */
bool os_reopen(int fd, int flags);
