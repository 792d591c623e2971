/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * window_guest.h - a VM with private memory whose guest sees the same 8 GiB
 * twice, through a shared and a private window, for ABI tests.
 *
 * Slot 0 is [0, WINDOW_LOW): tables, code, free memory, always shared.  Where
 * guest physical addresses have a bit that says "shared", the shared window's
 * have it; elsewhere both windows lead to the same addresses and the attribute
 * alone says what an access means.  There is no IDT: any exception shuts the
 * vCPU down.  Single-threaded.
 */
#ifndef TESTS_ABI_WINDOW_GUEST_H
#define TESTS_ABI_WINDOW_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <softcvm/uapi/kvm.h>

#define WINDOW_LOW	0x40000ul
#define WINDOW_CODE	0x30000ul
#define WINDOW_FREE	0x38000ul		/* up to WINDOW_LOW */
#define WINDOW_SIZE	(8ul << 30)
#define WINDOW_PRIVATE	(512ul << 30)		/* linear addresses; the shared one begins at 0 */

struct window_guest {
	int		kvm, vm;
	uint8_t		*low;
	uint64_t	shared_bit;		/* a mask; 0: there is none */
};

/* @code is copied to WINDOW_CODE; exits when the machine cannot be made.  Slot 0 is taken. */
void window_guest_make(struct window_guest *g, uint64_t shared_bit, const char *code, size_t size);
/* A vCPU in long mode with the guest's tables; its descriptor, and its run page in *@run. */
int window_guest_vcpu(struct window_guest *g, unsigned id, struct kvm_run **run);
/* Closes VM and machine; the vCPUs are the caller's. */
void window_guest_free(struct window_guest *g);

static inline uint64_t window_of(bool private)
{
	return private ? WINDOW_PRIVATE : 0;
}

#endif
