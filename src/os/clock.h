/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * clock.h - time and randomness.  Any thread, async-signal-safe.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* CLOCK_MONOTONIC and CLOCK_REALTIME in nanoseconds. */
uint64_t os_monotonic_ns(void);
uint64_t os_realtime_ns(void);

/* The processor's time-stamp counter, and its rate in kHz (measured once, > 0). */
uint64_t os_tsc(void);
uint32_t os_tsc_khz(void);

/* Fills @p from the kernel's generator; cannot fail (panics without one). */
void os_random(void *p, size_t n);
