/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * library.h - where the library is that `softcvm exec` puts into programs.
 */
#pragma once

/*
 * A name for LD_PRELOAD, owned by the caller, or NULL; the reason has then been
 * printed.  Where the library's own name has a character that parts names
 * there, it is that of a link to it, in a folder of this user's that is made
 * once and stays.
 */
char *library_name(void);
