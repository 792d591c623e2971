/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guest_tsc.h - the time-stamp counter that one vCPU sees: the processor's,
 * times a ratio, plus an offset.  Written by the vCPU's own thread; its timers
 * read it there too.
 */
#pragma once
#include <stdint.h>

#include "os/clock.h"

struct guest_tsc {
	uint64_t	offset;
	uint64_t	ratio;		/* fixed point; 0: one */
	uint8_t		fraction_bits;	/* of @ratio */
	uint32_t	khz;		/* what the guest's runs at */
};

static inline uint64_t guest_tsc_scale(const struct guest_tsc *t, uint64_t host)
{
	if (!t->ratio)
		return host;
	return (uint64_t)(((unsigned __int128)host * t->ratio) >> t->fraction_bits);
}

static inline uint64_t guest_tsc_read(const struct guest_tsc *t)
{
	return guest_tsc_scale(t, os_tsc()) + t->offset;
}
