/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * child.h - programs that this process becomes or starts: each gets our
 * library and the machine's options, or is refused.
 */
#pragma once
#include <stddef.h>

#include "base/macros.h"

/* From the constructor: where our library is.  The environment may change afterwards. */
void child_remember(void);

/*
 * 0, or the negative errno with which a program that would run without our
 * library is refused (-EACCES, or -EMFILE and -ENFILE when it could not be looked
 * at); one line on standard error has then said why.  A file
 * that the kernel refuses by itself is none of ours: 0.  Allocates nothing,
 * needs about 40 KiB of stack: a vfork child may ask.
 */
MUST_CHECK int child_refusal(int dirfd, const char *path);

/*
 * The environment in which it is started: @envp itself when our names are in
 * it, else a copy in @room, which has child_environment_size(@envp) bytes.
 */
size_t child_environment_size(char *const *envp);
char **child_environment(char *const *envp, void *room);

/* The same for what libc starts with the process' own environment.  0 or -ENOMEM. */
MUST_CHECK int child_own_environment(void);
