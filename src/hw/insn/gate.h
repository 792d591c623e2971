/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gate.h - memory that guests and the VMM have in common, page by page: which
 * pages of it the VMM's own mappings show (docs/design/host-access.md, "The VMM's
 * own pointer").
 *
 * The bytes are a shared mapping of the machine's, in no descriptor.  A page is
 * open, or closed: a touch of it through a mapping of the VMM is SIGBUS.
 * What the machine itself does goes by its own mapping and is not concerned.
 *
 * GATE-1: when gate_close() returns, no mapping of the VMM shows the page, and
 *         none will before gate_open(): not one made later, nor one moved.
 *
 * Any thread, unless something else is said; pages count from the file's first.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct gate;
struct hw;

/*
 * Of @nr_pages pages, which the machine has mapped at @base: all open.  @name, for messages, is
 * copied: whose they are while closed.  NULL: no memory, or no gates.
 */
MUST_CHECK struct gate *gate_create(struct hw *hw, void *base, uint64_t nr_pages, const char *name);
/* False: this kernel refuses userfaultfd, and page by page there is no other way. */
bool gate_is_possible(struct hw *hw);
/* The machine's mapping goes now; the gate itself with the last mapping of the VMM. */
void gate_drop(struct gate *g);

/* Pages [@first, @first + @n) are the guest's, from frame @gfn on; counted as one change. */
void gate_close(struct gate *g, uint64_t first, uint64_t n, uint64_t gfn);
void gate_open(struct gate *g, uint64_t first, uint64_t n);
bool gate_is_closed(const struct gate *g, uint64_t page);

/* The machine's page @first and those behind it are shown at @at, [@at, @at + @size), with @prot.  -errno. */
MUST_CHECK int gate_map(struct gate *g, void *at, size_t size, int prot, uint64_t first);

/*
 * Around a call that takes mappings away, or moves them: gate_leave() ends what gates
 * have of [@at, @at + @size) and nobody can touch it meanwhile: who does waits
 * (gate_have_moved()), and signals of this thread do; gate_arrive() makes it
 * anew where it lies then, each part with the protection that it had.  *@out NULL: no gate is there.  False: no memory.
 */
struct gate_move;
MUST_CHECK bool gate_leave(struct hw *hw, void *at, size_t size, struct gate_move **out);
/*
 * @to: where the first byte is now, of @size bytes; NULL: they are gone.  @stays:
 * (also) where it was.  Ends @m.
 */
void gate_arrive(struct gate_move *m, void *to, size_t size, bool stays);
/*
 * For the handler of a fault, which may be of a mapping that is being moved.  gate_moves(): before it
 * looks; gate_have_moved(): it has found nothing, but moves have begun since, or were under way,
 * and have ended now: the instruction is to be run again.  Not on the thread of a move.
 */
uint64_t gate_moves(struct hw *hw);
bool gate_have_moved(struct hw *hw, uint64_t moves);
/* A gate is there, and the program's own protection forbids @need (PROT_READ or such). */
bool gate_is_protected(struct hw *hw, void *at, int need);
/* Is some of it a gate's?  Cheap. */
bool gate_is_there(struct hw *hw, const void *at, size_t size);
/* Where the machine itself has the byte that the VMM has at @host: @host, where no gate is. */
void *gate_bytes(struct hw *hw, void *host);
