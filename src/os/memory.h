/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * memory.h - address space from the operating system.
 *
 * Sizes are bytes and multiples of the page size.  Functions that can fail
 * answer 0 or a negative errno.  Any thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/*
 * Anonymous zeroed memory, reserved but not committed (MAP_NORESERVE), gone in
 * a forked child (MADV_DONTFORK) and left out of core dumps: guest bytes and
 * page tables live here.  @align is a power of two of at least a page.
 * NULL when there is none.  Owned by the caller until os_unmap.
 */
MUST_CHECK void *os_map_private(size_t size, size_t align);
void os_unmap(void *p, size_t size);

/*
 * Plain anonymous memory of ours that a forked child inherits; with
 * os_map_wiped_on_fork it finds zeros there (however it was forked).  NULL
 * when there is none.
 */
MUST_CHECK void *os_map_inherited(size_t size);
MUST_CHECK void *os_map_wiped_on_fork(size_t size);

/*
 * [@p, @p + @size) of a mapping holds pointers to what malloc gave, all of them
 * zero or valid: a leak checker is to look there (without one, nothing).  The
 * second takes the same range back, before os_unmap.
 */
void os_holds_pointers(void *p, size_t size);
void os_holds_none(void *p, size_t size);

/* A shared mapping of @fd from byte @offset (whole pages) on; NULL when there is none. */
MUST_CHECK void *os_map_shared(int fd, uint64_t offset, size_t size);

/* The same from byte 0 on, gone in a forked child and left out of core dumps; of 2 MiB and more, aligned so. */
MUST_CHECK void *os_map_shared_private(int fd, size_t size);

/* Shared anonymous memory, inherited by a forked child.  NULL: none. */
MUST_CHECK void *os_map_shared_anonymous(size_t size);
/*
 * Maps the @size bytes of shared memory at @from a second time, at @to (what
 * was there goes), with protection @prot (PROT_*).  0 or -errno.
 */
MUST_CHECK int os_map_again(void *from, size_t size, void *to, int prot);
/* The same without rights, at no moment with any. */
MUST_CHECK int os_map_again_closed(void *from, size_t size, void *to);
/* mprotect(2) of memory that may be the program's.  0 or -errno. */
MUST_CHECK int os_protect(void *p, size_t size, int prot);

/* Gives the pages back; they read as zero afterwards. */
void os_discard(void *p, size_t size);

/* The same for a shared file: all who map these bytes read zero. */
void os_punch(void *p, size_t size);

/* Transparent huge pages are welcome here: memory that will be used whole. */
void os_prefer_huge(void *p, size_t size);

/* Commits pages: touches nothing that is already there.  -ENOMEM. */
MUST_CHECK int os_populate(void *p, size_t size);

/*
 * A descriptor that stands for one of our objects: a sealed, empty memfd, so
 * that dup, close, poll and fstat behave.  @cloexec as KVM does it.  The
 * number (lowest free) or a negative errno.
 */
MUST_CHECK int os_object_fd(const char *name, bool cloexec);

/*
 * A shared memfd of @size bytes, for pages that the VMM maps (kvm_run): sealed,
 * so that nobody can take them away from under us.
 */
MUST_CHECK int os_shared_memfd(const char *name, size_t size, bool cloexec);
