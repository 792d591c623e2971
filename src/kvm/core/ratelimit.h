/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ratelimit.h - what a guest can make KVM say, KVM says 10 times in 5 seconds
 * (the kernel's DEFAULT_RATELIMIT_BURST and _INTERVAL).
 */
#pragma once
#include <stdbool.h>

#include "base/log.h"
#include "os/clock.h"
#include "sync/atomic.h"

#define RATELIMIT_BURST		10u
#define RATELIMIT_NS		5000000000ull

struct ratelimit {			/* zeroed: nothing said yet */
	atomic64_t	begun;		/* ns; 0: never */
	atomic32_t	said;		/* since then */
	atomic32_t	missed;
};

/* Any thread.  True: say it. */
static inline bool ratelimit_ok(struct ratelimit *l, const char *who)
{
	uint64_t now = os_monotonic_ns(), begun = atomic64_load(&l->begun);

	if ((!begun || now - begun > RATELIMIT_NS) && atomic64_cas(&l->begun, &begun, now)) {
		uint32_t missed = atomic32_xchg(&l->missed, 0);

		atomic32_store(&l->said, 0);
		if (missed)
			log_warn("%s: %u messages of the kind not printed", who, missed);
	}
	if (atomic32_add(&l->said, 1) < RATELIMIT_BURST)
		return true;
	atomic32_add(&l->missed, 1);
	return false;
}
