/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtual.h - what is found at the places that are ours.
 *
 * All answer what the system call would, a value or a negative errno, and are
 * called inside a frame.  The first call makes the machine.
 */
#pragma once
#include <sys/stat.h>

#include "preload/dir.h"
#include "preload/path.h"

/* open(2): a descriptor. */
int virtual_open(const struct path_place *p, int flags);
/* The entries of a folder of ours.  0 or a negative errno. */
MUST_CHECK int virtual_list(const struct path_place *p, struct dir_entries *e);
/* What we put into the kernel's own folder @path, "/dev" or "/sys/module".  0, -ENOMEM. */
MUST_CHECK int virtual_list_in(const char *path, struct dir_entries *e);
/* The entry @name that the kernel's folder @path may have is not to be seen. */
bool virtual_hides(const char *path, const char *name);
/* stat(2) and lstat(2): nothing of ours is a link but /proc/self/fd/N. */
int virtual_stat(const struct path_place *p, struct stat *st);
/* access(2); @effective as AT_EACCESS. */
int virtual_access(const struct path_place *p, int mode, bool effective);
/* 0 when something is there. */
int virtual_exists(const struct path_place *p);
