/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * child.h - a program that runs as our child, when there is something to do
 * after its end: as if it were ourselves.
 */
#pragma once
#include "base/macros.h"

/*
 * Forks.  In the child 0 at once: it is to become the program, and is killed
 * when we are.  In the parent 1 when the child has ended, *@status as waitpid()
 * has it; signals that came for us in the meantime went to the child.  -errno
 * when there is no child.
 */
MUST_CHECK int child_run(int *status);

/* The exit status for main(); does not come back when a signal ended the child. */
int child_die_as(int status);
