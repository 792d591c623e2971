/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * view.h - the bytes of a frame as a key sees them (docs/design/encryption.md);
 * for who runs the program: hw/insn/view.h.
 *
 * VIEW-1: of each frame exactly one view is present; a touch of another traps
 *         and moves the frame there.
 * VIEW-2: what one key wrote, another key and key 0 read as ciphertext of the
 *         writer's key at the frame's physical address, decrypted by their own.
 *
 * APM vol. 2 15.34: AES in XTS mode, 16-byte blocks, tweaked by the system
 * physical address; no integrity: a wrong key or a moved page gives garbage.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/macros.h"

struct frames;
struct hw;
struct region;

#define MEM_KEY_BYTES	32	/* AES-128-XTS: two keys of 16, not equal */

/* Who sees memory in the clear: 0 nobody's, else an ASID or HKID. */
typedef uint16_t keyslot_t;

/*
 * Puts a key into @slot (not 0): what the memory controller does at ACTIVATE.
 * False: no memory, the slot is taken, or the key's halves are equal.  Any
 * thread.
 */
MUST_CHECK bool view_key_install(struct hw *hw, keyslot_t slot, const uint8_t key[MEM_KEY_BYTES]);
/* Takes it out; what it has written stays ciphertext under it. */
void view_key_remove(struct hw *hw, keyslot_t slot);

/*
 * The byte behind @a as @slot sees it, good to the end of the 4 KiB page, for
 * os/uaccess only; NULL when there is no frame.  @slot 0, and a slot without a
 * key: the raw byte.  Makes the view present, which may take some
 * microseconds; later touches bring it back by themselves.  Any thread.
 */
uint8_t *view_host(struct hw *hw, hpa_t a, keyslot_t slot);

/*
 * The secure processor encrypts in place: the raw bytes of [@a, @a + @len)
 * become @slot's plaintext.  Multiples of 16.  False: a frame is missing, or
 * memory; nothing is done then (but that beyond 2 MiB a part may stay where
 * others were quick).  view_decrypt: the other way, its plaintext becomes raw.
 */
MUST_CHECK bool view_encrypt(struct hw *hw, hpa_t a, size_t len, keyslot_t slot);
MUST_CHECK bool view_decrypt(struct hw *hw, hpa_t a, size_t len, keyslot_t slot);
/*
 * view_encrypt(), and @see (if not NULL) is shown the plaintext in order, each byte once: what
 * @slot has from then on, for its frame does not change hands while @see looks
 * at it.  @see calls nothing of this room, and waits for nobody.  False: @see may
 * have been shown the beginning all the same.
 */
typedef void view_see(void *arg, const uint8_t *bytes, size_t len);
MUST_CHECK bool view_encrypt_seen(struct hw *hw, hpa_t a, size_t len, keyslot_t slot,
				  view_see *see, void *arg);

/*
 * Somebody has looked at a key's page at @host, and nobody has stored there since: the raw bytes
 * are the key's ciphertext.  Costs a sum over the page where there was a look.
 */
MUST_CHECK bool view_is_left(struct hw *hw, const void *host);
/* The slot of the key that has the page at @host present, or has left it so; 0: nobody. */
#define VIEW_OWNER_GONE	UINT32_MAX	/* a key that has left its slot */
uint32_t view_owner_at(struct hw *hw, const void *host);

/* Copies through a view, over page ends too.  False: a frame is missing. */
MUST_CHECK bool view_read(struct hw *hw, hpa_t a, keyslot_t slot, void *to, size_t len);
MUST_CHECK bool view_write(struct hw *hw, hpa_t a, keyslot_t slot, const void *from, size_t len);

/* -- For frames.c, dram.c and machine.c -- */

/* For who has a pointer of view_host(): the address of the raw byte, @host itself if it is one. */
uint64_t view_raw_address(const struct hw *hw, uint64_t host);
/* Frames [@first, @end) of @r are no more: what keys wrote there goes. */
void view_retire(struct frames *f, struct region *r, uint64_t first, uint64_t end);
/* Pages of the machine's own, in @r and all of them free, went back to the operating system. */
void view_discarded(const struct frames *f, const struct region *r, void *host, size_t size);
void view_fini(struct hw *hw);
