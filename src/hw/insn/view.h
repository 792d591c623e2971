/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * view.h - encrypted memory, for who runs the program: what its own touches
 * find (docs/design/encryption.md).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct hw;

/*
 * Somebody touched @host (@write: or tried to store there) and faulted, SIGBUS
 * or SIGSEGV: true when it was an absent view, and is present now: run the
 * instruction again.  Async-signal-safe.  False in a forked child.
 */
MUST_CHECK bool view_trap(struct hw *hw, void *host, bool write);

/* Is the raw page at @host away in some key's view?  Then it counts as present and writable. */
MUST_CHECK bool view_is_hidden(struct hw *hw, const void *host);
/* A new mapping of the process, once it is there: it may show a file with hidden pages. */
void view_mapped(struct hw *hw, void *host, size_t size);

/* May some page of [@host, @host + @size) be hidden?  Cheap: for the system call wrappers. */
MUST_CHECK bool view_may_hide(struct hw *hw, const void *host, size_t size);
