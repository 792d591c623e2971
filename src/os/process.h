/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * process.h - who is asking: processes, threads, processors.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

/* Of the calling process / thread, as the kernel numbers them; no caching
 * across fork.  os_tid is cheap (thread-local where it can be).
 */
int os_pid(void);
int os_tid(void);

/* Processors that this process may run on, at least 1. */
unsigned os_nr_cpus(void);

/*
 * True while a signal that the calling thread does not block is pending for it
 * (the kernel's signal_pending()).  One system call.
 */
bool os_signal_pending(void);

/* A worker with every signal blocked.  0 or -errno. */
MUST_CHECK int os_start_worker(void (*fn)(void *), void *arg, const char *name);

/* Sleep while *@word == @expected, until os_wake, a signal, or @ns (0: for ever). */
void os_futex_wait(const uint32_t *word, uint32_t expected, uint64_t ns);
void os_futex_wake(const uint32_t *word, int nr);
