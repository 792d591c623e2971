/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * real.h - the C library's own functions behind the names that we define.
 *
 * Usable at any time: before our constructor, inside malloc, on any thread.
 */
#pragma once
#include <dirent.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <utime.h>
#include <wordexp.h>

#include "base/macros.h"

struct file_handle;

struct real {
#define REAL(ret, name, args) ret (*name) args;
#include "preload/real.def"
#undef REAL
};

extern struct real real_table;
extern bool real_is_ready;
void real_resolve(void);

/* The C library's functions. */
static inline const struct real *real(void)
{
	if (unlikely(!__atomic_load_n(&real_is_ready, __ATOMIC_ACQUIRE)))
		real_resolve();
	return &real_table;
}
