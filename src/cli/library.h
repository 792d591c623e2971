/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * library.h - what lies beside this program: the library that `softcvm exec` puts
 * into programs, and the VMM of `softcvm run`.
 */
#pragma once

/*
 * A name for LD_PRELOAD, owned by the caller, or NULL; the reason has then been
 * printed.  Where the library's own name has a character that parts names
 * there, it is that of a link to it, in a folder of this user's that is made
 * once and stays.
 */
char *library_name(void);

/* The path of softcvm-run, owned by the caller, or NULL; the reason has then been printed. */
char *runner_name(void);
