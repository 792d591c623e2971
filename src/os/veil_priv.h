/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * veil_priv.h - between veil.c and veil_alias.c.
 */
#pragma once
#include "os/maps.h"
#include "os/veil.h"

/*
 * The shared mappings of all files that are watched, as one snapshot of
 * /proc/self/maps; replaced as a whole.  Readers, in signal handlers too, are
 * counted, and the old ones freed when there is none.
 */
struct aliases {
	struct aliases		*older;
	size_t			 nr;
	struct os_mapping	 of[];
};

struct veil {
	int			 uffd;		/* -1: by mprotect alone */
	int			 mem;		/* /proc/self/mem, or -1 */
	int			 pid;
	struct aliases		*aliases;	/* [a] written by one at a time */
	int			 writer;	/* [a] */
	int			 readers;	/* [a] of aliases */
};

/* @fn of each range that shows bytes of [@p, @p + @size), itself first.  What @p's answers. */
int veil_for_each_alias(struct veil *v, void *p, size_t size,
			int (*fn)(struct veil *v, void *p, size_t size, int arg), int arg);
/* Is the file of @m one that is watched? */
bool veil_knows_file(struct veil *v, const struct os_mapping *m);
/* A new snapshot, with @file's mappings; the writer's.  0 or a negative errno. */
MUST_CHECK int veil_renew_aliases(struct veil *v, const struct os_mapping *file);
void veil_free_aliases(struct veil *v);
