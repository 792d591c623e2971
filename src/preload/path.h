/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * path.h - which names are ours, however they are written.
 */
#pragma once
#include <stdbool.h>

#include "base/macros.h"

enum place {
	PLACE_KERNEL,		/* not ours */
	PLACE_KVM,		/* the device */
	PLACE_SEV,		/* the secure processor's, if the machine has one */
	PLACE_ABSENT,		/* would be a real device or module: never there */
	PLACE_MODULE,		/* /sys/module/NAME, if it is loaded */
	PLACE_PARAMETERS,	/* its parameters/ */
	PLACE_PARAMETER,	/* one of them, if it exists */
	PLACE_SMT,		/* /sys/devices/system/cpu/smt/NAME, a file */
	PLACE_DESCRIPTOR,	/* /proc/self/fd/N: the program's own descriptor */
};

struct path_place {
	enum place	 place;
	bool		 as_directory;		/* a slash at the end */
	char		*text;			/* the name in full, absolute; in the buffer */
	const char	*module, *param;	/* inside text's copy; of PLACE_SMT: @param is NAME */
	int		 fd;			/* of PLACE_DESCRIPTOR */
	char		 buffer[2][4096];
};

/* The descriptor of a folder of ours is a memfd of this name, then the folder's. */
#define PATH_FOLDER_PREFIX	"softcvm:"

/*
 * False for nearly every path, quickly: it cannot be ours.  @path may be any
 * pointer (a bad one is the kernel's to refuse).  Async-signal-safe.
 */
MUST_CHECK bool path_is_suspect(const char *path);

/*
 * Where (@dirfd, @path) leads.  @path passed path_is_suspect().  Looks at the
 * file system only for the folder that holds the first suspicious part, never
 * at a path of ours.  @p->place alone is valid when it is PLACE_KERNEL.
 */
void path_find(int dirfd, const char *path, struct path_place *p);

/* Removes //, /. and /.. from an absolute path, in place.  Textually. */
void path_normalise(char *path);
