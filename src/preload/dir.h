/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * dir.h - folders of ours, and the kernel's folders that have entries of ours.
 *
 * The descriptor of a folder of ours is a memfd: its bytes are what
 * getdents64(2) answers, its name is the folder's.  So it may be duplicated,
 * inherited and sent, and names relative to it are found.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/macros.h"
#include "preload/path.h"

/* Entries as getdents64(2) lays them out; grows with malloc.  Begins as all zero. */
struct dir_entries {
	char	*bytes;			/* owned */
	size_t	 size, room;
};

/* One more; @type is DT_DIR and the like.  False: out of memory. */
MUST_CHECK bool dir_add(struct dir_entries *e, const char *name, ino_t ino, unsigned char type);
void dir_entries_free(struct dir_entries *e);

/* A descriptor of the folder at @p with these entries, or a negative errno. */
MUST_CHECK int dir_open(const struct path_place *p, const struct dir_entries *e, int flags);

/* True when @fd, about which fstat(2) said @st, is such a descriptor.  Quick for all others. */
bool dir_is_ours(int fd, const struct stat *st);

/*
 * path_is_suspect(), or @path is relative to a descriptor of a folder of ours.
 * As cheap as that one until the program has opened such a folder.
 */
bool dir_is_suspect(int dirfd, const char *path);

/* In a forked child. */
void dir_in_child(void);
