/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev-hello.c - what encryption does to a page: the same memory through two mappings, one with the
 * encryption bit and one without.
 *
 * $ softcvm run --type sev sev-hello.elf
 * SEV_STATUS 0x1, encryption bit 51
 * with the bit: "nobody outside may read this"; without: 256 of 256 blocks differ
 * one bit changed: 1 block of ciphertext changes
 * and back: 0 differ
 * a bit of ciphertext changed: 1 block of the text is garbage
 * guest ended: exit 0
 */
#include "guest.h"

#define OTHER_VIEW	GUEST_NOWHERE
#define BLOCK		16u			/* bytes that are encrypted together */

static char before[GUEST_PAGE];

static unsigned position(uint64_t mask)
{
	return mask ? (unsigned)__builtin_ctzll(mask) : 0;
}

/* Blocks in which two pages differ. */
static unsigned nr_different(const void *a, const void *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < GUEST_PAGE; i += BLOCK)
		n += memcmp((const char *)a + i, (const char *)b + i, BLOCK) != 0;
	return n;
}

int guest_main(void)
{
	char *private = guest_page(), *shared = (char *)OTHER_VIEW;

	guest_printf("SEV_STATUS 0x%lx, encryption bit %u\n", guest_sev_status, position(guest_c_bit));
	guest_map(OTHER_VIEW, (uintptr_t)private, GUEST_MAP_SHARED);
	memcpy(private, "nobody outside may read this", 29);
	guest_flush(private);
	memcpy(before, shared, GUEST_PAGE);
	guest_printf("with the bit: \"%s\"; without: %u of %u blocks differ\n", private,
		     nr_different(private, shared), (unsigned)GUEST_PAGE / BLOCK);
	guest_flush(shared);
	private[100] ^= 1;
	guest_flush(private);
	guest_printf("one bit changed: %u block of ciphertext changes\n", nr_different(before, shared));
	guest_flush(shared);
	private[100] ^= 1;
	guest_flush(private);
	guest_printf("and back: %u differ\n", nr_different(before, shared));
	shared[200] ^= 1;
	guest_flush(shared);
	memset(before, 0, GUEST_PAGE);
	memcpy(before, "nobody outside may read this", 29);
	guest_printf("a bit of ciphertext changed: %u block of the text is garbage\n",
		     nr_different(private, before));
	return 0;
}
