/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * kicker.h - a signal that comes while the guest runs.
 *
 * A timer's may come before KVM_RUN, however long it is set: on a machine with
 * much to do nobody says how long a step between two calls takes.  This one
 * waits until a word has changed that the guest counts in.
 */
#ifndef TESTS_ABI_KICKER_H
#define TESTS_ABI_KICKER_H

#include <stdint.h>

#include "flat_guest.h"

/*
 * KVM_RUN: 0 or -errno.  As soon as *@word is another, @sig is sent to the process, once;
 * not at all when the run is over before.  The thread that sends it takes no signal.
 */
long kicked_run(struct flat_guest *g, int sig, const volatile uint64_t *word);

#endif
