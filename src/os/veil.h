/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * veil.h - pages that are absent until we fill them: whoever touches one gets
 * SIGBUS or SIGSEGV, and our handler may put the bytes there.
 *
 * A page is open (loads and stores go through), frozen (loads only) or hidden
 * (neither).  By userfaultfd where the kernel lets us, without a privilege and
 * without a mapping (VMA) a page; else by mprotect, and /proc/self/mem to fill
 * what nobody may see.  All mappings of a shared file change together, as far
 * as veil_watch() and veil_mapped() know them.
 *
 * Addresses and sizes are multiples of the page size.  Any thread; the
 * functions on pages (freeze to veil_next_alias) are async-signal-safe and
 * leave errno alone.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct veil;

/* How a range is veiled; what veil_watch() found out is to be given back with each call. */
enum veil_way { VEIL_FAULT, VEIL_PROTECT };

enum veil_status {
	VEIL_OK,
	VEIL_CANNOT,		/* memory that cannot be veiled: hugetlb pages */
	VEIL_EXISTS,		/* there is a page already */
	VEIL_UNREADABLE,	/* the bytes that were to be copied */
	VEIL_GONE,		/* nobody watches it, or not any more */
	VEIL_FAILED,		/* no memory, or nothing is mapped there */
};

/* @may_fault false: never by userfaultfd (for tests).  NULL: no memory. */
MUST_CHECK struct veil *veil_create(bool may_fault);
/* What is still hidden by userfaultfd reads as zeros afterwards. */
void veil_destroy(struct veil *v);
/* False in a forked child, where nothing of it works; async-signal-safe. */
bool veil_is_here(const struct veil *v);
/* Is there a userfaultfd?  Without one a mapping that is made later does not trap. */
bool veil_has_faults(const struct veil *v);

/*
 * Before pages of the range are frozen: it and the rest of its 2 MiB are made present.  *@way is how pages of [@p, @p + *@size)
 * will go; *@size gets less where the mapping ends.  VEIL_CANNOT, VEIL_FAILED.
 * Not async-signal-safe.  Again for memory that was mapped anew.
 */
MUST_CHECK enum veil_status veil_watch(struct veil *v, void *p, size_t *size, enum veil_way *way);

/* Pages of ours, none of them hidden, are memory like any other again. */
void veil_unwatch(struct veil *v, void *p, size_t size);

/* @size bytes of ours for the plaintext of one key: hidden at once.  NULL: none. */
MUST_CHECK void *veil_reserve(struct veil *v, size_t size, size_t align, enum veil_way *way);

/* A shared mapping came to be: if it is of a file that is watched, it is from now on. */
void veil_mapped(struct veil *v, void *p, size_t size);

/* Stores trap from now on.  False: nobody watches it, or not any more. */
MUST_CHECK bool veil_freeze(struct veil *v, void *p, size_t size, enum veil_way way);
/* Frozen pages become hidden, and their bytes go. */
void veil_hide(struct veil *v, void *p, size_t size, enum veil_way way);
/*
 * Hidden pages become frozen, with the bytes of @from, which nobody
 * stores to for the moment.  VEIL_EXISTS, VEIL_UNREADABLE, VEIL_GONE, VEIL_FAILED: the first *@done bytes are there then.
 */
MUST_CHECK enum veil_status veil_fill(struct veil *v, void *p, const void *from, size_t size,
				      enum veil_way way, size_t *done);
/* Frozen pages become open. */
void veil_thaw(struct veil *v, void *p, size_t size, enum veil_way way);

/* Are open pages of private memory watched (VEIL_FAULT) to the last one? */
MUST_CHECK bool veil_is_watched(struct veil *v, void *p, size_t size);
/*
 * Open pages of private memory at @from, watched, become the hidden ones at
 * @to, open there; @from is hidden instead.  No byte is copied, and none is at
 * both places.  How many bytes, from the first on, went: 0 where the kernel
 * cannot (before Linux 6.8) or a page is not there or not only ours.
 */
size_t veil_move(struct veil *v, void *to, void *from, size_t size);

/* A page that was given back, and not hidden, becomes zeros.  True when it was one. */
bool veil_zero(struct veil *v, void *p);
/* Would a load (or store) go through?  Brings in what the kernel is to bring in. */
bool veil_is_open(struct veil *v, void *p, bool write);

/* Copies from (to) memory that may be absent, without a signal. */
MUST_CHECK bool veil_read(struct veil *v, void *to, const void *from, size_t size);
MUST_CHECK bool veil_write(struct veil *v, void *to, const void *from, size_t size);

/*
 * The other addresses of the byte at @p in mappings of its file: the next one, *@iter is 0 at
 * first; NULL: no more.
 */
void *veil_next_alias(struct veil *v, const void *p, size_t *iter);

/* Is some of it in such a mapping? */
bool veil_has_aliases(struct veil *v, const void *p, size_t size);

/*
 * Gates: mappings of a shared file of which only some pages may be touched,
 * whatever other mappings show.  What has not been shown by veil_gate_show()
 * since it was taken is absent, and a touch is SIGBUS (in a system call
 * EFAULT).  By userfaultfd alone: no mapping (VMA) a page.  @owner names the
 * file to the caller, offsets are bytes of it.
 */
/* Can there be some? */
bool veil_can_gate(const struct veil *v);
/*
 * The mapping at @p, of which nobody touches anything yet, shows @owner's bytes
 * from @offset on: nothing of it is there after it.  -errno: it is no gate.
 */
MUST_CHECK int veil_gate_add(struct veil *v, void *p, size_t size, void *owner, uint64_t offset);
/* [@p, @p + @size) is not @owner's any more; nobody takes from it after the return.  -ENOMEM: it still is. */
MUST_CHECK int veil_gate_remove(struct veil *v, void *p, size_t size);
/*
 * Who owns the byte at @p, and which it is there; NULL: nobody.  Unless NULL, it stays so, and
 * veil_gate_remove() waits, until veil_gate_leave().  Async-signal-safe.
 */
void *veil_gate_enter(struct veil *v, const void *p, uint64_t *offset, unsigned *section);
void veil_gate_leave(struct veil *v, unsigned section);
/* The first that is not wholly below @p: true, and where it is. */
struct veil_gate {
	void	*start;
	size_t	 size;
	void	*owner;
	uint64_t offset;
};
bool veil_gate_next(struct veil *v, const void *p, struct veil_gate *out);
/* Does @owner have a mapping? */
bool veil_gate_has(struct veil *v, const void *owner);
/* The page at @p, of a gate, is there.  False: it cannot be.  Async-signal-safe. */
bool veil_gate_show(struct veil *v, void *p);
/* Pages of all of @owner's mappings are absent after it; the bytes stay. */
void veil_gate_take(struct veil *v, const void *owner, uint64_t offset, uint64_t size);

/* What was hidden by protection, and is still mapped so, is open; with its old bytes.  Not in a handler. */
void veil_restore(struct veil *v, void *p, size_t size);

/* No signal handler runs on this thread between the two, but of faults. */
void veil_enter(uint64_t *mask);
void veil_leave(const uint64_t *mask);
