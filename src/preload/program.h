/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * program.h - what execvp(3) would start, and whether the dynamic loader would
 * take our library into it.
 */
#pragma once
#include <stddef.h>

#include "base/macros.h"

/*
 * Finds @name as execvp does.  0 and its path in @path (at least PATH_MAX), or
 * -ENOENT, -EACCES, -ENAMETOOLONG.
 */
MUST_CHECK int program_find(const char *name, char *path, size_t size);

/*
 * 0 when the file at (@dirfd, @path) runs with LD_PRELOAD, else the reason in
 * @why and -ENOENT, -EACCES, -ENOEXEC, or -EMFILE and -ENFILE when it cannot be
 * looked at.  Follows #! lines.  Allocates nothing: a vfork child may ask.
 */
MUST_CHECK int program_check(int dirfd, const char *path, char *why, size_t size);
