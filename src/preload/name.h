/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * name.h - calls about a name that can do nothing with one of ours.
 */
#pragma once
#include <stdbool.h>

/*
 * False: (@dirfd, @path) is not ours.  True: it is; errno is @if_there (an errno
 * number), or why it is not there.  ENOENT for @if_missing 0, else @if_missing.
 */
bool name_fails(int dirfd, const char *path, int if_there, int if_missing);
