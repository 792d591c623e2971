/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * view_priv.h - between view.c (keys, and who asks), view_crypt.c (in place) and
 * move.c (one frame).
 *
 * VIEW-3: the word of a frame says whose view is present, and is changed with
 *         its lock bit held and signals blocked (veil_enter).  Who holds it
 *         waits for nobody who may want it.
 * VIEW-4: a frame is moved only while it exists, looked at with its lock held;
 *         so behind view_retire() nobody puts an old owner's bytes anywhere.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "hw/mem/frames.h"
#include "hw/mem/key.h"
#include "hw/mem/view.h"
#include "os/veil.h"
#include "sync/atomic.h"
#include "sync/lock.h"
#include "sync/rcu.h"
#include "trace/counters.h"

#define REGION_FRAMES	(REGION_SIZE / PAGE_SIZE)
#define KEY_SLOTS	65536u		/* keyslot_t */
#define KEY_OBJECTS	65536u		/* indexes in a frame's word */
#define SCRATCHES	16u

/*
 * The word of a frame.
 *
 *   31  30:19    18     17      16        15:0
 *  [L |  -   | GUARD | OPEN | PROTECT | key object that has it present, 0: raw]
 *
 * How its raw view is hidden, found out once: PROTECT by mprotect, OPEN not at
 * all (huge pages of hugetlbfs), else by a userfault.  GUARD: whether stores go through
 * to its raw view is for the RMP to say (guard.c).
 */
#define OWNER_KEY	0xffffu
#define OWNER_PROTECT	(1u << 16)
#define OWNER_OPEN	(1u << 17)
#define OWNER_GUARD	(1u << 18)
#define OWNER_LOCK	(1u << 31)

struct view_region {
	atomic32_t	owner[REGION_FRAMES];
	atomic64_t	left[REGION_FRAMES];	/* see view_left() */
};

/*
 * Raw bytes that a look has made of a key's are the key's as long as nobody stores there, and
 * nobody tells of that: so they are remembered.
 *
 *   63:48                     47:0
 *  [key object, 0: none   sum of the page]
 */
#define LEFT_KEY_SHIFT	48
static inline uint64_t view_left(const struct mem_key *k, const uint8_t bytes[PAGE_SIZE])
{
	uint64_t sum = 0xcbf29ce484222325, word;

	for (unsigned i = 0; i < PAGE_SIZE; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		sum = (sum ^ word) * 0x100000001b3;
		sum ^= sum >> 29;
	}
	return (uint64_t)k->index << LEFT_KEY_SHIFT | sum >> (64 - LEFT_KEY_SHIFT);
}

/* The plaintext of one key in one region: a gigabyte of address space. */
struct key_view {
	struct mem_key	*key;		/* who has it, or had it last */
	struct key_view	*next;		/* of the key, or free */
	uint64_t	 region;	/* its number */
	uint64_t	 host;		/* address of the first byte, aligned to its size */
	uint64_t	 raw;		/* [a] of the raw gigabyte, when a frame last moved */
	enum veil_way	 way;
};

struct CACHE_ALIGNED scratch {
	atomic32_t	 busy;
	uint8_t		 raw[PAGE_SIZE], bytes[PAGE_SIZE];
};

/*
 * Made when the first key is installed.
 * Keys: [a] atomic, [l] views.lock
 */
struct views {
	struct frames	*frames;
	struct counters	*counters;
	struct veil	*veil;
	struct spinlock	 lock;		/* leaf: making and ending keys and their views */
	struct mem_key	**slots;	/* [a] [l] KEY_SLOTS */
	struct mem_key	**keys;		/* [a] [l] KEY_OBJECTS, by index */
	uint32_t	 nr_keys;	/* [l] made so far, index 0 unused */
	struct mem_key	*free_keys;	/* [l] */
	struct key_view	*free_views;	/* [l] without an address */
	struct mem_key	*dead;		/* [a] keys without a reference */
	struct key_view	***by_host;	/* [a] [l] as frames.by_host, by their addresses */
	struct gate	*gates;		/* [l] */
	atomic64_t	 moves_begun, moves_ended;	/* gate_leave(), gate_arrive() */
	struct scratch	 scratch[SCRATCHES];
};

/* What is to become of a part of the page while it moves. */
struct patch {
	enum { PATCH_NONE, PATCH_ENCRYPT, PATCH_DECRYPT } what;
	struct mem_key	*key;
	unsigned	 from, to;	/* bytes */
};

#define VIEWS_BY_HOST_BITS	13
#define VIEWS_BY_HOST_SIZE	(sizeof(void *) << VIEWS_BY_HOST_BITS)

static inline struct views *views_of(const struct frames *f)
{
	return rcu_dereference(f->views);
}

static inline uint64_t page_in_region(uint64_t a)
{
	return (a & (REGION_SIZE - 1)) >> PAGE_SHIFT;
}

/* Where the view at @host is named; NULL: none is near. */
static inline struct key_view **views_slot(const struct views *v, uint64_t host)
{
	uint64_t gb = host >> REGION_SHIFT;
	struct key_view **leaf;

	if (unlikely(gb >> (2 * VIEWS_BY_HOST_BITS)))
		return NULL;
	leaf = rcu_dereference(v->by_host[gb >> VIEWS_BY_HOST_BITS]);
	return leaf ? &leaf[gb & ((1u << VIEWS_BY_HOST_BITS) - 1)] : NULL;
}

static inline struct key_view *view_of_host(const struct views *v, uint64_t host)
{
	struct key_view **slot = views_slot(v, host);

	return slot ? rcu_dereference(*slot) : NULL;
}

static inline atomic32_t *owner_word(struct region *r, uint64_t page)
{
	struct view_region *w = rcu_dereference(r->view);

	return &w->owner[page];
}

/* VIEW-3.  The word as it was. */
uint32_t frame_lock(atomic32_t *word);
static inline void frame_unlock(atomic32_t *word, uint32_t now)
{
	atomic32_store_release(word, now & ~OWNER_LOCK);
}

/*
 * Makes @to's view (NULL: the raw one) of a locked frame present; @w is its
 * word, and follows.  @may_watch: not from a signal handler.  False: no memory,
 * or the host's page is gone; nothing has changed then.  @to has a view of @r.
 */
MUST_CHECK bool frame_move(struct views *v, struct region *r, uint64_t page, uint32_t *w,
			   struct mem_key *to, struct patch patch, bool may_watch);

/*
 * [@page, @page + @n) within 2 MiB, locked, raw and whole: their bytes as they are
 * become @to's plaintext.  How many of them, from the first on; @w is their word.
 */
MUST_CHECK unsigned frames_encrypt(struct views *v, struct region *r, uint64_t page, unsigned n,
			       uint32_t *w, struct mem_key *to);

/* Bytes of the present view of a locked frame. */
MUST_CHECK bool frame_read(struct views *v, struct region *r, uint64_t page, uint32_t w,
			   unsigned offset, void *to, size_t size);
MUST_CHECK bool frame_write(struct views *v, struct region *r, uint64_t page, uint32_t w,
			    unsigned offset, const void *from, size_t size);

/* A touch of the present view of a locked frame has faulted: true when it will not again. */
MUST_CHECK bool frame_mend(struct views *v, struct region *r, uint64_t page, uint32_t w, bool write);

/*
 * Does the RMP keep the host from storing to frame @page of @r, guarded by its word @w?
 * Asked with the frame's lock held, so that who gives the page to a guest comes after it.
 */
MUST_CHECK bool frame_is_denied(const struct frames *f, const struct region *r, uint64_t page,
				uint32_t w);
/* Stores to the raw view of a locked guarded frame end, or go through again. */
MUST_CHECK bool frame_close(struct views *v, struct region *r, uint64_t page, uint32_t *w);
void frame_reopen(struct views *v, struct region *r, uint64_t page, uint32_t w);

/* Whose view is present; NULL: raw. */
static inline struct mem_key *frame_key(const struct views *v, uint32_t w)
{
	return w & OWNER_KEY ? rcu_dereference(v->keys[w & OWNER_KEY]) : NULL;
}

static inline struct patch no_patch(void)
{
	return (struct patch){ PATCH_NONE };
}

/* The key in @slot, with a reference; NULL: none there. */
struct mem_key *key_get(struct views *v, keyslot_t slot);

/* @r has words, and @k (or nobody) a gigabyte for it.  False: no memory. */
MUST_CHECK bool view_prepare(struct views *v, struct region *r, struct mem_key *k);

/* The machine's, made by the first who asks; NULL: no memory. */
struct views *views_make(struct hw *hw);
void views_destroy(struct views *v);
void key_put(struct views *v, struct mem_key *k, uint32_t n);
