/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * owner.h - whose bytes the process has at an address, as far as the machine knows.  For who is
 * about to touch them for a guest, and for who says so.  Any thread, no leaf lock held.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct hw;

enum byte_owner {
	OWNER_HOST,
	OWNER_KEY,		/* a key's plaintext is in use: the host would read ciphertext */
	OWNER_RMP,		/* assigned: the host would read ciphertext, and may not write */
};

/* False: no byte has an owner but the host, nowhere on the machine. */
MUST_CHECK bool hw_has_owners(const struct hw *hw);

/*
 * Who owns the page at @host.  What a key has, ciphertext that a look has left there among it, is
 * known until somebody stores.  A few loads where nobody owns anything.
 */
MUST_CHECK enum byte_owner hw_owner_at(struct hw *hw, const void *host);
/* The same for people; "" of the host's. */
void hw_owner_text(struct hw *hw, const void *host, char *to, size_t size);
