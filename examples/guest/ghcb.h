/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ghcb.h - the guest-hypervisor communication block, as its specification lays it out.
 */
#pragma once
#include "guest.h"

#define GHCB_BUFFER_SIZE	2032u

/* Offsets of fields; each has a valid bit, number offset / 8. */
enum ghcb_field {
	GHCB_CPL	= 0x0c8,	/* its byte 3 */
	GHCB_RAX	= 0x1f8,
	GHCB_RCX	= 0x308,
	GHCB_RDX	= 0x310,
	GHCB_RBX	= 0x318,
	GHCB_RSI	= 0x330,
	GHCB_EXITCODE	= 0x390,
	GHCB_EXITINFO1	= 0x398,
	GHCB_EXITINFO2	= 0x3a0,
	GHCB_SCRATCH	= 0x3a8,
	GHCB_XCR0	= 0x3e8,
};

struct ghcb {
	uint8_t		fields[0x3f0];
	uint8_t		valid[16];
	uint8_t		reserved[0x400];
	uint8_t		buffer[GHCB_BUFFER_SIZE];
	uint8_t		reserved_end[10];
	uint16_t	version;
	uint32_t	usage;
};

_Static_assert(sizeof(struct ghcb) == 4096, "one page");
_Static_assert(offsetof(struct ghcb, buffer) == 0x800, "GHCB specification, layout");
_Static_assert(offsetof(struct ghcb, version) == 0xffa, "GHCB specification, layout");

/* Exit codes that are no processor's. */
#define GHCB_MMIO_READ		0x80000001u
#define GHCB_MMIO_WRITE		0x80000002u

/* The one block: a request is clear, set..., call; then get. */
void ghcb_clear(void);
void ghcb_set(enum ghcb_field field, uint64_t value);
uint64_t ghcb_get(enum ghcb_field field);	/* one that is not valid ends the guest */
uint8_t *ghcb_buffer(void);
void ghcb_use_buffer(void);			/* SCRATCH names it */
void ghcb_call(uint64_t code, uint64_t info1, uint64_t info2);
/* The MSR protocol: a request and its answer. */
uint64_t ghcb_msr(uint64_t request);
