/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * key.h - one key of the memory controller: AES-128 in XTS mode on a 4 KiB
 * frame, whose number is the tweak; a counted object.
 *
 * APM vol. 2 15.34: a 16-byte block depends on the key, on its physical
 * address and on its 16 bytes of plaintext, and on nothing else.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/page.h"
#include "hw/mem/view.h"
#include "sync/atomic.h"

#define KEY_SHARDS	8u	/* so many threads at once, before they wait for one another */

struct key_shard;
struct key_view;

/*
 * Memory of a key object is never given back before the machine's end, so that
 * a fault's handler may look at one that has just died.
 *
 * Keys: [a] atomic
 *       [l] views.lock
 *       [f] fixed while refs is not 0
 */
struct mem_key {
	uint32_t	 index;		/* never changes; not 0 */
	atomic32_t	 refs;		/* its slot; each frame that it has present; 0: dead or free */
	struct key_view	**views;	/* [a] [l] by number of the region */
	struct key_view	*list;		/* [l] all of them */
	struct key_shard *shards;	/* [f] KEY_SHARDS */
	struct mem_key	*next_dead;	/* dead or free */
};

/* False: no memory, or no such cipher.  key_free: of one that nobody uses. */
MUST_CHECK bool key_make(struct mem_key *k);
void key_free(struct mem_key *k);
/* False: not a key of XTS, whose halves must differ. */
MUST_CHECK bool key_set(struct mem_key *k, const uint8_t key[MEM_KEY_BYTES]);

/*
 * The page at @from, of frame number @frame, to @to; they may be the same.
 * Any thread, async-signal-safe with signals blocked; takes no memory.
 */
void key_encrypt(struct mem_key *k, uint64_t frame, const uint8_t *from, uint8_t *to);
void key_decrypt(struct mem_key *k, uint64_t frame, const uint8_t *from, uint8_t *to);

/* One more, unless it is dead. */
MUST_CHECK bool key_try_get(struct mem_key *k);
