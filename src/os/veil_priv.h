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

/* One mapping that shows bytes of a gate's file. */
struct gated {
	uintptr_t	 start, end;
	uint64_t	 offset;	/* of start, in the file */
	void		*owner;
};

/* All of them, replaced as a whole. */
struct gates {
	size_t		 nr;
	struct gated	 of[];
};

struct veil {
	int			 uffd;		/* -1: by mprotect alone */
	int			 mem;		/* /proc/self/mem, or -1 */
	int			 pid;
	struct aliases		*aliases;	/* [a] written by one at a time */
	int			 writer;	/* [a] */
	int			 readers;	/* [a] of aliases */
	struct gates		*gates;		/* [a] written by one at a time; NULL: none */
	int			 gate_writer;	/* [a] he waits for readers, they may wait for writer */
	unsigned		 gate_phase;	/* [a] of who begins to read now */
	int			 gate_readers[2];	/* [a] by phase */
};

/* @fn of each range that shows bytes of [@p, @p + @size), itself first.  What @p's answers. */
int veil_for_each_alias(struct veil *v, void *p, size_t size,
			int (*fn)(struct veil *v, void *p, size_t size, int arg), int arg);
/* Is the file of @m one that is watched? */
bool veil_knows_file(struct veil *v, const struct os_mapping *m);
/* A new snapshot, with @file's mappings; the writer's.  0 or a negative errno. */
MUST_CHECK int veil_renew_aliases(struct veil *v, const struct os_mapping *file);
void veil_free_aliases(struct veil *v);
void veil_free_gates(struct veil *v);

/* UFFDIO_REGISTER; @mode gets MINOR where a gate is. */
int veil_register(struct veil *v, void *p, size_t size, int mode);
/* By system call: the libc names are the front end's, too.  0 or -errno. */
int veil_uffd(const struct veil *v, unsigned long what, void *arg);
/* Is some of it a gate's? */
MUST_CHECK bool veil_is_gated(struct veil *v, const void *p, size_t size);

#define VEIL_WATCH	(UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP)
