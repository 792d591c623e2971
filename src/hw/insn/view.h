/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * view.h - encrypted memory, for who runs the program: what its own touches
 * find (docs/design/encryption.md).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct hw;

/*
 * Somebody touched @host (@write: or tried to store there) and faulted, SIGBUS
 * or SIGSEGV: true when it was an absent view, and is present now: run the
 * instruction again.  Async-signal-safe.  False in a forked child.
 */
MUST_CHECK bool view_trap(struct hw *hw, void *host, bool write);

/*
 * [@host, @host + @size), whole pages, is memory that the program stores to by its own pointers, and
 * that the host may give to guests: from now on such a store to a page that the RMP says is a
 * guest's traps, and view_trap() refuses it; loads go through, as on silicon.  Until
 * the memory is retired.  False: no memory, or it cannot be protected (hugetlb).
 */
MUST_CHECK bool view_guard(struct hw *hw, void *host, size_t size);

/*
 * A touch that view_trap() has refused: why, for who tells the program (SIGBUS).
 * False: it is no business of ours.  @is_bus: it was a SIGBUS.  Async-signal-safe.
 */
struct view_denial {
	uint64_t gfn;
	uint64_t change;		/* which one of the file's closed it; 0: not known */
	uint64_t ms_ago;
	bool	 is_first;		/* of this page since then */
	char	 text[320];		/* "gfn 0x.., private to .. since .." */
};
MUST_CHECK bool view_denies(struct hw *hw, void *host, bool write, bool is_bus,
			    struct view_denial *out);

/* Is the raw page at @host away in some key's view?  Then it counts as present and writable. */
MUST_CHECK bool view_is_hidden(struct hw *hw, const void *host);
/* A new mapping of the process, once it is there: it may show a file with hidden pages. */
void view_mapped(struct hw *hw, void *host, size_t size);

/* May some page of [@host, @host + @size) be hidden?  Cheap: for the system call wrappers. */
MUST_CHECK bool view_may_hide(struct hw *hw, const void *host, size_t size);
