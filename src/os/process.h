/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * process.h - who is asking: processes, threads, processors.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/*
 * Of the calling process / thread, as the kernel numbers them.  os_pid makes a
 * system call once a process: its memory is wiped by fork, not by vfork, whose
 * child gets the parent's answer.  os_tid is one system call.
 */
int os_pid(void);
int os_tid(void);

/* Name of thread @tid of this process, "<...>" when it is gone. */
void os_thread_name(int tid, char *out, size_t size);
/* The processor under us at this moment; no system call. */
unsigned os_cpu_now(void);

/* Has the calling thread the capability @nr (CAP_*) in its user namespace?  One system call. */
bool os_has_capability(unsigned nr);

/* Processors that this process may run on, at least 1. */
unsigned os_nr_cpus(void);

/*
 * True while a signal that the calling thread blocks, and that is in @allowed
 * (bit n - 1 for signal n, as the kernel's sigset), is pending for the thread
 * or its process.  One that the thread does not block has been delivered by
 * the time that this returns.  One system call.
 */
bool os_signal_pending(uint64_t allowed);

/*
 * Nanoseconds that the calling thread was ready to run and did not, since it
 * began; 0 where the kernel does not say.  No system call while it has kept its
 * processor since the last call, else three; always three where glibc has not
 * registered restartable sequences (before 2.35, or by its tunable), or the kernel
 * does not tell by them.
 */
uint64_t os_run_delay_ns(void);

/* Sleep while *@word == @expected, until os_futex_wake, a signal, or @ns (0: for ever). */
void os_futex_wait(const uint32_t *word, uint32_t expected, uint64_t ns);
/* Wakes at most @nr sleepers of @word, which may be unmapped by then. */
void os_futex_wake(const uint32_t *word, int nr);

/*
 * Sleeps until the kernel makes the calling thread look at its signals although
 * there is none for it: the process was stopped and goes on, or a debugger or
 * the freezer held it.  The caller blocks every signal.  False: the kernel does
 * not let us wait.
 */
MUST_CHECK bool os_wait_resumed(void);

/* Lets another thread run now. */
void os_yield(void);
