/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * store.h - the pages of one guest_memfd: where their bytes are and which of
 * them exist.  For kvm/gmem alone.
 *
 * The file is cut into chunks of at most 1 GiB, each a mapping of its own
 * (anonymous, not inherited, in no descriptor), made when its first page is
 * wanted; or it is a shared file, one mapping.  Page numbers count from the start of the file.  Allocating and
 * looking: any thread; discarding: one thread, no allocation of the same
 * pages at the same time that anybody relies on (spec kvm.md 6.4, end).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "sync/atomic.h"

struct gmem_chunk;
struct hw;

struct gmem_store {
	atomicptr_t	*chunks;	/* struct gmem_chunk, by page / chunk_pages */
	atomicptr_t	 made;		/* those that exist, chained */
	uint64_t	 nr_chunks;
	uint64_t	 nr_pages;	/* of the file */
	uint64_t	 chunk_pages;	/* power of two */
	bool		 huge;		/* [c] pages come by 2 MiB where a whole one is free */
	atomic64_t	 nr_allocated;	/* pages */
	atomic64_t	 nr_leaked;	/* pages that must never be used again */
	struct hw	*hw;
	char		*shared;	/* [c] the file in one piece, where others map it too */
	bool		 large;		/* [c] of that: the host is taken to map it by 2 MiB */
};

/* @size: bytes, > 0, whole pages.  -ENOMEM. */
MUST_CHECK int gmem_store_init(struct gmem_store *s, struct hw *hw, uint64_t size, bool huge);
/* The same for bytes that are in @fd, at least @size, by 4K; pages of it are never leaked. */
MUST_CHECK int gmem_store_init_shared(struct gmem_store *s, struct hw *hw, uint64_t size, int fd);
/* Nobody has a translation to any of it; its frames are retired, but for leaked ones. */
void gmem_store_fini(struct gmem_store *s);

struct gmem_page {
	void	*bytes;
	bool	 prepared;	/* gmem_store_set_prepared() since it was allocated */
	uint8_t	 level;		/* PG_LEVEL_2M: the 512 came as one, and have frames */
};

/*
 * Page @index, allocated.  -ENOMEM; -EHWPOISON: it is leaked.  Where pages are
 * huge, nobody discards at the same time.
 */
MUST_CHECK int gmem_store_page(struct gmem_store *s, uint64_t index, struct gmem_page *out);
void gmem_store_set_prepared(struct gmem_store *s, uint64_t index);

/* Pages [@index, @index + @n) are going to be used whole: where 2 MiB are, huge pages of the host. */
void gmem_store_expect(struct gmem_store *s, uint64_t index, uint64_t n);

/* Allocates [start, end), at most one chunk's worth, but for leaked pages.  -ENOMEM. */
MUST_CHECK int gmem_store_allocate(struct gmem_store *s, uint64_t start, uint64_t end);

/*
 * Told that @n pages, @bytes, which were allocated, go.  How many of them, from
 * the first on, may be used again: where not all, the next one is leaked, and the
 * rest is told anew.
 */
typedef uint64_t gmem_freed_fn(void *arg, void *bytes, uint64_t n);

/*
 * [start, end) read as zero afterwards and are not allocated.  @freed is told
 * about each allocated run, before it goes.
 */
void gmem_store_discard(struct gmem_store *s, uint64_t start, uint64_t end, gmem_freed_fn *freed,
			void *arg);

/* Nothing, but for shared bytes: they leave all who map them, allocated or not. */
void gmem_store_punch_shared(struct gmem_store *s, uint64_t start, uint64_t end);

/* The bytes of page @index if it is allocated, else NULL; @level as in struct gmem_page. */
const void *gmem_store_peek(const struct gmem_store *s, uint64_t index, uint8_t *level);

/*
 * The pages of [@start, @end) that are prepared are not any more; they keep their bytes.  @freed is told
 * about each run, as by gmem_store_discard().  Nobody prepares or discards at the same time.
 */
void gmem_store_release(struct gmem_store *s, uint64_t start, uint64_t end, gmem_freed_fn *freed,
			void *arg);
bool gmem_store_is_leaked(const struct gmem_store *s, uint64_t index);
